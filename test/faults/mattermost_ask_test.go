package faults

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// question is the text of the next question. Numbers come again when the
// assistant knows no more; by then the last one is long gone by.
func (d *desk) question() (int, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = d.last%deskQuestions + 1
	return d.last, fmt.Sprintf("question %d", d.last)
}

// expect notes that a question was asked and is to be answered.
func (d *desk) expect(at spot, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[at] = append(d.asked[at], n)
	d.count++
}

func (d *desk) askedSoFar() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// ask posts the next question and returns its id.
func (d *desk) ask(t mmtest.T, who *mmtest.User, room, root string) string {
	t.Helper()
	id, err := d.tryAsk(context.Background(), who, room, root)
	if err != nil {
		t.Fatalf("%s asks: %v", who.Username, err)
	}
	return id
}

// tryAsk is ask for other goroutines. While Mattermost is away it goes on
// trying, until ctx ends.
func (d *desk) tryAsk(ctx context.Context, who *mmtest.User, room, root string) (id string, err error) {
	n, text := d.question()
	lost := false
	err = wait.Poll(ctx, func() error {
		if lost {
			// It may have been made although its answer was lost.
			if id, err = findPost(ctx, who, room, text); err != nil || id != "" {
				return err
			}
		}
		var made mmtest.Post
		if err := who.Do(ctx, http.MethodPost, "/posts", map[string]string{"channel_id": room, "message": text, "root_id": root}, &made); err != nil {
			lost = true
			return err
		}
		id = made.ID
		return nil
	})
	if err == nil {
		d.expect(d.spotOf(room, root, id), n)
	}
	return id, err
}

func findPost(ctx context.Context, who *mmtest.User, room, text string) (string, error) {
	var list struct {
		Posts map[string]mmtest.Post `json:"posts"`
	}
	if err := who.Do(ctx, http.MethodGet, "/channels/"+room+"/posts?per_page=200", nil, &list); err != nil {
		return "", err
	}
	for _, p := range list.Posts {
		if p.Message == text && p.UserID == who.ID {
			return p.ID, nil
		}
	}
	return "", nil
}

func (d *desk) spotOf(room, root, id string) spot {
	if root == "" && !slices.Contains(slices.Collect(maps.Values(d.direct)), room) {
		root = id
	}
	return spot{room, root}
}

// talkers are people who ask one question after the other, each in a place of
// their own, until they are told to stop.
type talkers struct {
	stop func()
	done chan error
	n    int
}

// talk lets people ask: in direct messages, in a thread, and each time anew in
// a room. A question comes every pause, whether or not the last is answered.
func (d *desk) talk(t *testing.T, pause time.Duration) *talkers {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	alice, bob := d.mm.Alice, d.mm.Bob
	type line struct {
		who        *mmtest.User
		room, root string
	}
	lines := []line{{alice, d.direct[alice.ID], ""}, {bob, d.direct[bob.ID], ""}}
	for i, room := range d.rooms {
		if i%2 == 0 {
			lines = append(lines, line{bob, room, d.ask(t, alice, room, "")})
		} else {
			lines = append(lines, line{alice, room, ""})
		}
	}
	all := &talkers{stop: stop, done: make(chan error, len(lines)), n: len(lines)}
	for _, l := range lines {
		go func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					all.done <- nil
					return
				case <-tick.C:
				}
				// A question that was begun is brought to its end.
				once, cancel := context.WithTimeout(context.Background(), settleWithin)
				_, err := d.tryAsk(once, l.who, l.room, l.root)
				cancel()
				if err != nil {
					all.done <- err
					return
				}
			}
		}()
	}
	t.Cleanup(stop)
	return all
}

// hush ends the talk.
func (a *talkers) hush(t *testing.T) {
	t.Helper()
	a.stop()
	for range a.n {
		if err := <-a.done; err != nil {
			t.Fatalf("somebody could not ask: %v", err)
		}
	}
}

// waitAsked waits until n more questions were asked.
func (d *desk) waitAsked(t *testing.T, n int) {
	t.Helper()
	from := d.askedSoFar()
	wait.For(t, patience, func() bool { return d.askedSoFar() >= from+n }, fmt.Sprintf("%d more questions", n))
}

// shout is what the assistant answers to "shout".
const shout = `"Attention @all, @channel, @here and @alice @bob: look."`
