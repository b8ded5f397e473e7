package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// settleWithin bounds the wait for the last answer after a fault.
const settleWithin = patience

// shared is the Mattermost that all tests use that do not take it away.
var shared struct {
	once sync.Once
	dir  string
	mm   *mmtest.Server
	err  error
	// desks numbers what tests make there, since names are taken for good.
	desks atomic.Int64
}

func mattermost(t *testing.T) *mmtest.Server {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "parley-mattermost-"); shared.err == nil {
			shared.mm, shared.err = mmtest.Run(shared.dir)
		}
	})
	if shared.err != nil {
		t.Fatalf("start Mattermost: %v", shared.err)
	}
	return shared.mm
}

// stopMattermost ends the shared server, if a test has started it.
func stopMattermost() error {
	var err error
	if shared.mm != nil {
		err = shared.mm.Stop()
	}
	return errors.Join(err, os.RemoveAll(shared.dir))
}

// desk is a Parley, its account at a Mattermost, the rooms it is in, and what
// people have asked there. The assistant answers "question 7" with "answer 7",
// so that it can be told which question an answer belongs to.
type desk struct {
	mm     *mmtest.Server
	server *program.Server
	env    []string
	bot    *mmtest.User
	// url is how Parley reaches Mattermost.
	url string
	// direct are the direct messages with the account, by user id.
	direct map[string]string
	rooms  []string
	dir    string // of the catalog
	more   string // further channels in it

	mu    sync.Mutex
	last  int
	asked map[spot][]int
	count int
}

// spot is where an answer belongs: in a thread, or flat in a direct message.
type spot struct{ room, root string }

// deskOptions shape a desk; the zero value is one on the shared Mattermost.
type deskOptions struct {
	mm  *mmtest.Server
	url string
	env []string
	// rooms is how many rooms the account is in.
	rooms int
	// settings are further lines of the channel in the catalog.
	settings []string
}

const (
	deskChannel   = "team"
	deskQuestions = 1200
)

// newDesk makes an account and starts a Parley that answers with it.
func newDesk(t *testing.T, o deskOptions) *desk {
	t.Helper()
	if o.mm == nil {
		o.mm = mattermost(t)
	}
	d := &desk{mm: o.mm, env: quiet(o.env...), url: cmp.Or(o.url, o.mm.URL), direct: map[string]string{}, dir: t.TempDir(), asked: map[spot][]int{}}
	name := fmt.Sprintf("desk-%d", shared.desks.Add(1))
	d.bot = d.mm.CreateBot(t, name)
	for i := range o.rooms {
		d.rooms = append(d.rooms, d.newRoom(t, fmt.Sprintf("%s-room-%d", name, i)))
	}
	for _, p := range []*mmtest.User{d.mm.Alice, d.mm.Bob} {
		d.direct[p.ID] = p.Direct(t, d.bot.ID)
	}
	d.env = append(d.env, "BOT_TOKEN="+d.bot.Token)
	d.server = serve(t, program.Options{Env: d.env})
	t.Cleanup(func() { crowd.NoSecrets(t, d.server.Logs(), d.bot.Token) })
	d.apply(t, o.settings...)
	d.waitLink(t)
	return d
}

// newRoom makes a channel with Alice, Bob and the account in it.
func (d *desk) newRoom(t *testing.T, name string) string {
	t.Helper()
	room := d.mm.Alice.CreateChannel(t, d.mm.Team.ID, mmtest.Public, name).ID
	d.mm.Alice.AddMember(t, room, d.mm.Bob.ID, d.bot.ID)
	return room
}

// apply puts the catalog in place: answers to everything, without the loop
// breaker (people here are fast and say much the same), and what settings say.
func (d *desk) apply(t *testing.T, settings ...string) {
	t.Helper()
	d.writeCatalog(t, "answer", settings...)
	d.mustRun(t, "apply", "-f", d.dir)
}

// writeCatalog writes the catalog. word begins the answers.
func (d *desk) writeCatalog(t *testing.T, word string, settings ...string) {
	t.Helper()
	var flow, catalog strings.Builder
	flow.WriteString("flow: 1\nlanguages: [en]\nfaq:\n")
	for n := 1; n <= deskQuestions; n++ {
		fmt.Fprintf(&flow, "  - { id: q%d, ask: question %d, say: %s %d }\n", n, n, word, n)
	}
	flow.WriteString("  - { id: shout, ask: shout, say: " + shout + " }\nnot_understood: { say: Pardon, suggest: false }\n")
	fmt.Fprintf(&catalog, "assistants:\n  desk: { kind: flow, definition: desk.flow.yaml }\nchannels:\n  %s:\n    type: mattermost\n    assistant: desk\n    server: %s\n    token: ${env:BOT_TOKEN}\n",
		deskChannel, d.url)
	for _, def := range []string{"answer: always", "loop_limit: 0"} {
		key, _, _ := strings.Cut(def, ":")
		if !slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, key+":") }) {
			settings = append(settings, def)
		}
	}
	for _, s := range settings {
		fmt.Fprintf(&catalog, "    %s\n", s)
	}
	catalog.WriteString(d.more)
	write(t, filepath.Join(d.dir, "desk.flow.yaml"), []byte(flow.String()))
	write(t, filepath.Join(d.dir, "catalog.yaml"), []byte(catalog.String()))
}

// run runs a command on the desk's Parley.
func (d *desk) run(t *testing.T, args ...string) program.Result {
	t.Helper()
	return parley.Run(t, d.env, append(args, "--data", d.server.Data)...)
}

func (d *desk) mustRun(t *testing.T, args ...string) string {
	t.Helper()
	got := d.run(t, args...)
	if got.Code != 0 {
		t.Fatalf("parley %v ended with %d: %s%s", args, got.Code, got.Stdout, got.Stderr)
	}
	return got.Stdout
}

func (d *desk) admin() crowd.Admin { return adminOf(d.server, d.env) }

// metricLine reads one line of the metrics; a missing one is empty.
func metricLine(server *program.Server, line string) (string, error) {
	res, err := http.Get(server.URL + "/metrics")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	for l := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(l, line+" "); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", nil
}

const linkUp = `parley_mattermost_link_up{channel="` + deskChannel + `"}`

// wantMetric waits for the value of a metric.
func wantMetric(t *testing.T, server *program.Server, within time.Duration, line, want string) {
	t.Helper()
	wait.Succeed(t, within, func() error {
		got, err := metricLine(server, line)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q", got)
		}
		return err
	}, line+" "+want)
}

// waitLink waits until Parley hears Mattermost, and knows each room: with its
// first link ever it begins at the newest post there.
func (d *desk) waitLink(t *testing.T) {
	t.Helper()
	wantMetric(t, d.server, patience, linkUp, "1")
	wait.Succeed(t, patience, func() error {
		var mine []mmtest.Channel
		if err := d.bot.Do(context.Background(), http.MethodGet, "/users/me/channels", nil, &mine); err != nil {
			return err
		}
		got, err := metricLine(d.server, `parley_mattermost_rooms{channel="`+deskChannel+`",state="live"}`)
		if err == nil && got != fmt.Sprint(len(mine)) {
			err = fmt.Errorf("it knows %s rooms of %d", got, len(mine))
		}
		return err
	}, "all rooms to be known")
}
