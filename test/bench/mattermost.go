package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/testkit/mmtest"
)

const (
	// talkers is how many people write at once in the second load.
	talkers = 4
	// mattermostRounds is how often the two take turns, and roundPosts how many
	// posts each answers in one turn of one load in one kind of room.
	mattermostRounds = 6
	roundPosts       = 150
)

// candidate is one of the two that are compared.
type candidate struct {
	name    string
	account *mmtest.User
	// room is where everybody writes; direct, each one's own.
	room   string
	direct []string
}

// load is who writes where.
type load struct {
	name   string
	people int
	direct bool
}

// mattermost measures the time from a question's "posted" to its answer's, as
// seen on the WebSocket of a person, against a bare bot.
func (b *bench) mattermost() error {
	c, err := newCampus(b.binary, talkers)
	if err != nil {
		return err
	}
	return errors.Join(b.answerTimes(c), c.stop())
}

func (b *bench) answerTimes(c *campus) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	both := []*candidate{{name: "Parley", account: c.ours}, {name: "bare bot", account: c.bare}}
	var watching []*observer
	err := mmtest.Try(func(t mmtest.T) {
		for _, x := range both {
			x.room = c.room(t, x.account.Username, x.account)
			for _, p := range c.people {
				x.direct = append(x.direct, p.Direct(t, x.account.ID))
			}
		}
	})
	if err != nil {
		return err
	}
	if err := errors.Join(c.startParley(), c.startBareBot()); err != nil {
		return err
	}
	for _, p := range c.people {
		o, err := observe(ctx, c.mm.URL, p.Token)
		if err != nil {
			return err
		}
		watching = append(watching, o)
	}
	loads := []load{{"one at a time, in a direct message", 1, true}, {"one at a time, in a channel", 1, false},
		{"four at once, in direct messages", talkers, true}, {"four at once, in a channel", talkers, false}}
	times := map[string]map[string][]time.Duration{}
	for round := range mattermostRounds + 1 {
		for _, l := range loads {
			for i := range both {
				x := both[(i+round)%2]
				took, err := c.talk(ctx, watching, x, l)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", x.name, l.name, err)
				}
				if round == 0 { // caches are cold
					continue
				}
				if times[l.name] == nil {
					times[l.name] = map[string][]time.Duration{}
				}
				times[l.name][x.name] = append(times[l.name][x.name], took...)
			}
		}
	}
	for _, l := range loads {
		b.reportAnswers(l.name, times[l.name]["Parley"], times[l.name]["bare bot"])
	}
	return nil
}

func (b *bench) reportAnswers(name string, parley, bare []time.Duration) {
	for _, f := range []struct {
		name           string
		q              float64
		must, moonshot goal
	}{{"p50", 0.5, atMost(1.3), atMost(1.1)}, {"p99", 0.99, atMost(1.5), atMost(1.1)}} {
		ours, theirs := milliseconds(quantile(parley, f.q)), milliseconds(quantile(bare, f.q))
		b.table.add(fmt.Sprintf("Mattermost %s: posted to answer %s", name, f.name),
			fmt.Sprintf("%.1f ms", ours), fmt.Sprintf("bare bot %.1f ms", theirs), ours/theirs, f.must, f.moonshot)
	}
}

// talk lets people post, each the next one when the last is answered, and
// returns the times to the answers.
func (c *campus) talk(ctx context.Context, watching []*observer, x *candidate, l load) ([]time.Duration, error) {
	took := make([][]time.Duration, l.people)
	var all errgroup.Group
	for i := range l.people {
		room := x.room
		if l.direct {
			room = x.direct[i]
		}
		all.Go(func() error {
			for range roundPosts / l.people {
				one, err := c.exchange(ctx, c.people[i], watching[i], x, room)
				if err != nil {
					return err
				}
				took[i] = append(took[i], one)
			}
			return nil
		})
	}
	err := all.Wait()
	var flat []time.Duration
	for _, t := range took {
		flat = append(flat, t...)
	}
	return flat, err
}

// exchange posts one question and waits for its answer.
func (c *campus) exchange(ctx context.Context, p *mmtest.User, watching *observer, x *candidate, room string) (time.Duration, error) {
	var made mmtest.Post
	if err := p.Do(ctx, http.MethodPost, "/posts", map[string]string{"channel_id": room, "message": question}, &made); err != nil {
		return 0, err
	}
	asked, err := watching.next(func(q mmtest.Post) bool { return q.ID == made.ID })
	if err != nil {
		return 0, fmt.Errorf("the question: %w", err)
	}
	// In a channel the answer is in the question's thread; in a direct message
	// it is the next one.
	answered, err := watching.next(func(a mmtest.Post) bool {
		return a.ChannelID == room && a.UserID == x.account.ID && (asked.direct || a.RootID == made.ID)
	})
	if err != nil {
		return 0, fmt.Errorf("the answer: %w", err)
	}
	if answered.Message != answer {
		return 0, fmt.Errorf("the answer is %q", answered.Message)
	}
	return answered.at.Sub(asked.at), nil
}

// startBareBot starts the yardstick and waits until it listens.
func (c *campus) startBareBot() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return err
	}
	cmd := command(self, "barebot")
	cmd.Env = append(os.Environ(), "BENCH_SERVER="+c.mm.URL, "BENCH_TOKEN="+c.bare.Token, "BENCH_ID="+c.bare.ID)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.bot = &process{cmd: cmd, dir: dir}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("the bare bot: %w", err)
	}
	return nil
}
