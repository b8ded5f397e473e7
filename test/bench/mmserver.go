package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coder/websocket"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// question and answer are what everybody says to the bots, and what they say
// to everybody.
const (
	question = "hello"
	answer   = "Hello! This is the answer."
)

// mattermostWithin bounds everything that is waited for at Mattermost.
const mattermostWithin = 2 * time.Minute

// campus is a Mattermost with the two that are compared: Parley and a bare bot.
type campus struct {
	mm     *mmtest.Server
	dir    string
	people []*mmtest.User
	parley *product
	binary string
	// Accounts of Parley and of the bare bot.
	ours, bare *mmtest.User
	bot        *process // the bare bot's, or nil
}

func newCampus(binary string, people int) (c *campus, err error) {
	c = &campus{binary: binary}
	if c.dir, err = os.MkdirTemp("", "parley-bench-mattermost-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	if err = os.Mkdir(filepath.Join(c.dir, "server"), 0o755); err != nil {
		return nil, err
	}
	if c.mm, err = mmtest.Run(filepath.Join(c.dir, "server")); err != nil {
		return nil, err
	}
	err = mmtest.Try(func(t mmtest.T) {
		c.ours, c.bare = c.mm.CreateBot(t, "parley-bench"), c.mm.CreateBot(t, "bare-bench")
		for i := range people {
			c.people = append(c.people, c.mm.CreateUser(t, fmt.Sprintf("person-%d", i)))
		}
	})
	return c, err
}

func (c *campus) stop() error {
	var errs []error
	if c.bot != nil {
		errs = append(errs, c.bot.stop())
	}
	if c.parley != nil {
		errs = append(errs, c.parley.stop())
	}
	if c.mm != nil {
		errs = append(errs, c.mm.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// room makes a channel with a bot and everybody in it.
func (c *campus) room(t mmtest.T, name string, bot *mmtest.User) string {
	room := c.mm.Admin.CreateChannel(t, c.mm.Team.ID, mmtest.Public, name).ID
	c.mm.Admin.AddMember(t, room, bot.ID)
	for _, p := range c.people {
		c.mm.Admin.AddMember(t, room, p.ID)
	}
	return room
}

// startParley starts the product with a channel for its account and waits until
// the link is up.
func (c *campus) startParley() error {
	var err error
	if c.parley, err = startProduct(c.binary, "", ""); err != nil {
		return err
	}
	dir := filepath.Join(c.dir, "catalog")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"bench.flow.yaml": "flow: 1\nlanguages: [en]\nfaq:\n  - { id: hello, ask: [" + question + "], say: \"" + answer + "\" }\n",
		"catalog.yaml": "assistants:\n  bench: { kind: flow, definition: bench.flow.yaml }\nchannels:\n  team:\n    type: mattermost\n" +
			"    assistant: bench\n    server: " + c.mm.URL + "\n    token: ${env:BENCH_TOKEN}\n    answer: always\n    loop_limit: 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	apply := command(c.binary, "apply", "-f", dir, "--data", c.parley.dir)
	apply.Stderr = nil
	apply.Env = append(os.Environ(), "BENCH_TOKEN="+c.ours.Token)
	if said, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("parley apply: %w\n%s", err, said)
	}
	return c.parley.linkUp()
}

// linkUp waits until the product hears Mattermost and has read what there was.
func (p *product) linkUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), mattermostWithin)
	defer cancel()
	return wait.Poll(ctx, func() error {
		res, err := httpClient.Get(p.base + "/metrics")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		for _, line := range []string{`parley_mattermost_link_up{channel="team"} 1`, `parley_mattermost_rooms{channel="team",state="catching_up"} 0`} {
			if !strings.Contains(string(text), line+"\n") {
				return fmt.Errorf("the link is not up: no %s", line)
			}
		}
		// Right after the connection there are no rooms yet.
		if strings.Contains(string(text), `parley_mattermost_rooms{channel="team",state="live"} 0`+"\n") {
			return errors.New("the link has no rooms yet")
		}
		return nil
	})
}

// observer is somebody's WebSocket. It says what was posted and when it heard of
// it.
type observer struct {
	conn *websocket.Conn
	// heard has every post; err is set before it is closed.
	heard chan heard
	err   error
}

type heard struct {
	mmtest.Post
	direct bool // in a direct message
	at     time.Time
}

// observe opens a WebSocket as somebody; it ends with ctx.
func observe(ctx context.Context, server, token string) (*observer, error) {
	conn, _, err := websocket.Dial(ctx, strings.Replace(server, "http", "ws", 1)+"/api/v4/websocket",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	o := &observer{conn: conn, heard: make(chan heard, 10_000)}
	// Posts are missed until the server says hello.
	if _, _, err := conn.Read(ctx); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	go o.listen(ctx)
	return o, nil
}

func (o *observer) listen(ctx context.Context) {
	defer close(o.heard)
	defer func() { _ = o.conn.CloseNow() }()
	for {
		_, frame, err := o.conn.Read(ctx)
		at := time.Now()
		if err != nil {
			o.err = err
			return
		}
		var event struct {
			Event string `json:"event"`
			Data  struct {
				Post        string `json:"post"`
				ChannelType string `json:"channel_type"`
			} `json:"data"`
		}
		if err := json.Unmarshal(frame, &event); err != nil {
			o.err = err
			return
		}
		if event.Event != "posted" {
			continue
		}
		var p mmtest.Post
		if err := json.Unmarshal([]byte(event.Data.Post), &p); err != nil {
			o.err = err
			return
		}
		o.heard <- heard{p, event.Data.ChannelType == "D", at}
	}
}

// next is the next post that fits.
func (o *observer) next(fits func(mmtest.Post) bool) (heard, error) {
	timer := time.NewTimer(mattermostWithin)
	defer timer.Stop()
	for {
		select {
		case h, ok := <-o.heard:
			if !ok {
				return h, fmt.Errorf("the observer's WebSocket: %w", o.err)
			}
			if fits(h.Post) {
				return h, nil
			}
		case <-timer.C:
			return heard{}, fmt.Errorf("no such post came within %v", mattermostWithin)
		}
	}
}
