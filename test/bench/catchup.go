package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/testkit/mmtest"
)

const (
	// missedPosts are made while nobody listens, over missedRooms channels.
	missedPosts  = 1000
	missedRooms  = 5
	catchUpTurns = 3
)

// catchUp measures how fast posts made while Parley was down are answered,
// from the start of its process on, against one client that fetches and answers
// them one after the other.
func (b *bench) catchUp() error {
	c, err := newCampus(b.binary, talkers)
	if err != nil {
		return err
	}
	return errors.Join(b.catchUpRates(c), c.stop())
}

func (b *bench) catchUpRates(c *campus) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	rooms := map[*mmtest.User][]string{}
	err := mmtest.Try(func(t mmtest.T) {
		for _, bot := range []*mmtest.User{c.ours, c.bare} {
			for i := range missedRooms {
				rooms[bot] = append(rooms[bot], c.room(t, fmt.Sprintf("%s-%d", bot.Username, i), bot))
			}
		}
	})
	if err != nil {
		return err
	}
	watching, err := observe(ctx, c.mm.URL, c.mm.Admin.Token)
	if err != nil {
		return err
	}
	if err := c.startParley(); err != nil {
		return err
	}
	var parley, client []float64
	for range catchUpTurns {
		rate, err := c.parleyCatchesUp(ctx, watching, rooms[c.ours])
		if err != nil {
			return fmt.Errorf("catching up with the product: %w", err)
		}
		parley = append(parley, rate)
		if rate, err = c.clientCatchesUp(ctx, watching, rooms[c.bare]); err != nil {
			return fmt.Errorf("the client: %w", err)
		}
		client = append(client, rate)
	}
	b.table.add(fmt.Sprintf("Mattermost: %d missed posts answered, from the start", missedPosts),
		fmt.Sprintf("%.0f/s", median(parley)), fmt.Sprintf("one client %.0f/s", median(client)), median(parley)/median(client), atLeast(0.5), atLeast(1))
	return nil
}

// missed posts into the rooms and returns the last post of each before that.
func (c *campus) missed(ctx context.Context, rooms []string) (before map[string]string, err error) {
	before = map[string]string{}
	for _, room := range rooms {
		var list struct {
			Order []string `json:"order"`
		}
		if err := c.mm.Admin.Do(ctx, http.MethodGet, "/channels/"+room+"/posts?per_page=1", nil, &list); err != nil {
			return nil, err
		}
		before[room] = list.Order[0]
	}
	var all errgroup.Group
	for i, p := range c.people {
		all.Go(func() error {
			for n := i; n < missedPosts; n += len(c.people) {
				post := map[string]string{"channel_id": rooms[n%len(rooms)], "message": question}
				if err := p.Do(ctx, http.MethodPost, "/posts", post, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return before, all.Wait()
}

// answered waits until a bot has answered everything.
func answered(watching *observer, bot *mmtest.User) error {
	for range missedPosts {
		if _, err := watching.next(func(p mmtest.Post) bool { return p.UserID == bot.ID && p.RootID != "" }); err != nil {
			return err
		}
	}
	return nil
}

func (c *campus) parleyCatchesUp(ctx context.Context, watching *observer, rooms []string) (perSecond float64, err error) {
	dir := c.parley.dir
	if err := c.parley.cmd.Process.Kill(); err != nil {
		return 0, err
	}
	_ = c.parley.cmd.Wait() // it was killed
	c.parley = nil
	if _, err := c.missed(ctx, rooms); err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	began := time.Now()
	if c.parley, err = startProduct(c.binary, dir, ""); err != nil {
		return 0, err
	}
	if err := answered(watching, c.ours); err != nil {
		return 0, err
	}
	return missedPosts / time.Since(began).Seconds(), nil
}

func (c *campus) clientCatchesUp(ctx context.Context, watching *observer, rooms []string) (perSecond float64, err error) {
	before, err := c.missed(ctx, rooms)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for _, room := range rooms {
		posts, err := c.after(ctx, room, before[room])
		if err != nil {
			return 0, err
		}
		for _, id := range posts {
			if err := postBare(c.mm.URL, c.bare.Token, room, id); err != nil {
				return 0, err
			}
		}
	}
	if err := answered(watching, c.bare); err != nil {
		return 0, err
	}
	return missedPosts / time.Since(began).Seconds(), nil
}

// after pages through what was posted after a post.
func (c *campus) after(ctx context.Context, room, post string) (posts []string, err error) {
	const most = 200
	for {
		var page struct {
			Order []string `json:"order"` // the newest first
		}
		if err := c.bare.Do(ctx, http.MethodGet, fmt.Sprintf("/channels/%s/posts?per_page=%d&after=%s", room, most, post), nil, &page); err != nil {
			return nil, err
		}
		for _, id := range slices.Backward(page.Order) {
			posts = append(posts, id)
		}
		if len(page.Order) < most {
			return posts, nil
		}
		post = page.Order[0]
	}
}
