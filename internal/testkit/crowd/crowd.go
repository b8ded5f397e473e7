package crowd

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/testkit/wait"
)

const openWithin = 30 * time.Second

// Options shape a crowd. App and People are required.
type Options struct {
	App    App
	People int
	// Prefix begins the names, so that two crowds do not meet; it defaults to
	// "person".
	Prefix string
	// Pause is the time between two looks at what to send; it defaults to
	// 10 ms.
	Pause time.Duration
	// Window is how many messages of one person wait for their ack at most; it
	// defaults to 3. With 1, the order of the log is the order of speaking even
	// where the server refuses single messages.
	Window int
	// Patience is how long one waits for an ack before all open messages are
	// sent again over the same socket; it defaults to 3 s.
	Patience time.Duration
	// Reconnect is the wait before the next attempt to open a socket; it
	// defaults to 50 ms.
	Reconnect time.Duration
	// Messages is how many each person says at most; 0 means no limit.
	Messages int
}

// Crowd is people who talk. Its methods belong to the goroutine that runs the
// test, except where they only read.
type Crowd struct {
	Options
	People []*Person

	t       testing.TB
	began   time.Time
	talking atomic.Bool
	cancel  context.CancelFunc
	done    sync.WaitGroup
	http    *http.Client
}

// Gather makes a crowd whose members open their sockets and are silent. It goes
// away with the test.
func Gather(t testing.TB, o Options) *Crowd {
	t.Helper()
	setDefault(&o.Prefix, "person")
	setDefault(&o.Pause, 10*time.Millisecond)
	setDefault(&o.Window, 3)
	setDefault(&o.Patience, 3*time.Second)
	setDefault(&o.Reconnect, 50*time.Millisecond)
	transport := &http.Transport{MaxIdleConnsPerHost: o.People}
	c := &Crowd{Options: o, t: t, began: time.Now(), http: &http.Client{Transport: transport}}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for i := range o.People {
		name := fmt.Sprintf("%s-%02d", o.Prefix, i+1)
		p := &Person{Name: name, crowd: c, client: o.App.Client(name, c.http), seen: map[string]int{}}
		c.People = append(c.People, p)
		c.done.Go(func() { p.live(ctx) })
	}
	t.Cleanup(func() {
		c.Leave()
		transport.CloseIdleConnections()
	})
	return c
}

func setDefault[V comparable](v *V, def V) {
	var zero V
	if *v == zero {
		*v = def
	}
}

// Talk lets everybody speak.
func (c *Crowd) Talk() { c.talking.Store(true) }

// Hush lets nobody begin a new message; open ones are still sent again.
func (c *Crowd) Hush() { c.talking.Store(false) }

// Leave ends all sockets, without a close frame, and waits for everybody.
func (c *Crowd) Leave() {
	c.cancel()
	c.done.Wait()
}

// Acked counts all acks so far.
func (c *Crowd) Acked() int {
	n := 0
	for _, p := range c.People {
		p.mu.Lock()
		n += p.acked
		p.mu.Unlock()
	}
	return n
}

// AckedBetween counts the acks that arrived in a span of time.
func (c *Crowd) AckedBetween(from, to time.Time) int {
	n := 0
	for _, p := range c.People {
		n += p.AckedBetween(from, to)
	}
	return n
}

// Tokens returns every access token the crowd got, for the search in logs.
func (c *Crowd) Tokens() []string {
	var all []string
	for _, p := range c.People {
		p.mu.Lock()
		all = append(all, p.tokens...)
		p.mu.Unlock()
	}
	return all
}

// WaitAcked waits for more acks.
func (c *Crowd) WaitAcked(more int, within time.Duration) {
	c.t.Helper()
	from := c.Acked()
	wait.Succeed(c.t, within, func() error {
		if got := c.Acked() - from; got < more {
			return fmt.Errorf("%d acks came", got)
		}
		return nil
	}, fmt.Sprintf("%d acks", more))
}

// Settle hushes the crowd and waits until everything said is acknowledged.
func (c *Crowd) Settle(within time.Duration) {
	c.t.Helper()
	c.Hush()
	wait.Succeed(c.t, within, func() error {
		for _, p := range c.People {
			p.mu.Lock()
			open, said := len(p.said)-p.acked, len(p.said)
			p.mu.Unlock()
			if open > 0 {
				return fmt.Errorf("%d of %d messages of %s have no ack", open, said, p.Name)
			}
		}
		return nil
	}, "every message to be acknowledged")
}
