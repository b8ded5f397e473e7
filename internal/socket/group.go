package socket

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/fault"
)

// bufferSize is the size of the shared buffers that collect frames before
// they are written and messages while they are read.
const bufferSize = 4 << 10

// stopGrace is how long Stop waits for readers after everything was dropped,
// beyond the caller's context.
const stopGrace = 5 * time.Second

// Group is the sessions of one listener, with their limits, pings and
// counters. Make one with [NewGroup] and end it with [Group.Stop].
type Group struct {
	opt     Options
	started time.Time
	buffers sync.Pool // *[]byte of bufferSize, in use only while bytes move
	quit    chan struct{}

	opened  atomic.Uint64
	refused atomic.Uint64
	ended   [reasonCount]atomic.Uint64

	mu       sync.Mutex
	sessions map[*Session]struct{}
	reserved int // upgrades under way
	stopping bool
	running  int           // goroutines and sessions that Stop waits for
	idle     chan struct{} // closed when stopping and nothing runs
}

// NewGroup returns a group and starts its one goroutine, which pings. The
// error is an Invalid fault that names the option.
func NewGroup(opt Options) (*Group, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Group{
		opt:      opt,
		started:  time.Now(),
		quit:     make(chan struct{}),
		sessions: make(map[*Session]struct{}),
		idle:     make(chan struct{}),
	}
	g.buffers.New = func() any {
		b := make([]byte, 0, bufferSize)
		return &b
	}
	g.enter()
	go g.sweep()
	return g, nil
}

// Open returns how many sessions are open or still closing.
func (g *Group) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// Opened returns how many sessions were ever accepted.
func (g *Group) Opened() uint64 { return g.opened.Load() }

// Refused returns how many upgrades were refused because the group was full or
// stopping.
func (g *Group) Refused() uint64 { return g.refused.Load() }

// Ended returns how many sessions have ended for reason.
func (g *Group) Ended(reason Reason) uint64 {
	if reason >= reasonCount {
		return 0
	}
	return g.ended[reason].Load()
}

// DropAll drops every session that is open now, without a close frame.
func (g *Group) DropAll(reason Reason) {
	for _, s := range g.snapshot(nil) {
		s.Drop(reason)
	}
}

// Stop refuses new sessions, gives the queues until ctx ends to be written,
// drops every connection as [ReasonRestart] and waits until all goroutines are
// gone. It may be called more than once. An error says that readers are still
// busy a few seconds after their connections were dropped.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	if !g.stopping {
		g.stopping = true
		close(g.quit)
	}
	g.mu.Unlock()

	for _, s := range g.snapshot(nil) {
		if s.Flush(ctx) != nil && ctx.Err() != nil {
			break
		}
	}
	g.DropAll(ReasonRestart)

	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-g.idle:
		return nil
	case <-timer.C:
		g.mu.Lock()
		defer g.mu.Unlock()
		return fmt.Errorf("%d sessions and readers are still busy %s after they were dropped", g.running, stopGrace)
	}
}

// now returns the time since the group began, which no clock change touches.
func (g *Group) now() int64 { return int64(time.Since(g.started)) }

// reserve takes a place for an upgrade.
func (g *Group) reserve() *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		g.refused.Add(1)
		return fault.New(fault.Unavailable, "the server is restarting; connect again in a moment")
	}
	if len(g.sessions)+g.reserved >= g.opt.MaxSessions {
		g.refused.Add(1)
		return fault.New(fault.Unavailable, "all %d connections are in use; connect again later", g.opt.MaxSessions)
	}
	g.reserved++
	g.running++
	return nil
}

// release gives back the place of an upgrade that failed.
func (g *Group) release() {
	g.mu.Lock()
	g.reserved--
	g.mu.Unlock()
	g.leave()
}

// add turns a reservation into a session. One that was accepted while Stop
// began is dropped like the others.
func (g *Group) add(s *Session) {
	s.nc.heard.Store(g.now())
	g.opened.Add(1)
	g.mu.Lock()
	g.reserved--
	g.sessions[s] = struct{}{}
	stopping := g.stopping
	g.mu.Unlock()
	if stopping {
		s.Drop(ReasonRestart)
	}
}

// remove forgets a session that has ended.
func (g *Group) remove(s *Session, reason Reason) {
	g.ended[min(reason, reasonCount-1)].Add(1)
	g.mu.Lock()
	delete(g.sessions, s)
	g.mu.Unlock()
}

// snapshot appends the present sessions to buf.
func (g *Group) snapshot(buf []*Session) []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		buf = append(buf, s)
	}
	return buf
}

// enter counts something that Stop waits for.
func (g *Group) enter() {
	g.mu.Lock()
	g.running++
	g.mu.Unlock()
}

// leave is the end of what enter counted.
func (g *Group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running > 0 || !g.stopping {
		return
	}
	select {
	case <-g.idle: // a reader was started after all others had gone
	default:
		close(g.idle)
	}
}
