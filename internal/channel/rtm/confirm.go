package rtm

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	// confirmEvery is how often the position of one open socket is written at
	// most. An old position means repeats with the same messageId after a
	// crash, never a gap.
	confirmEvery = 5 * time.Second
	// confirmLife is how long a position is kept.
	confirmLife = 30 * 24 * time.Hour
	// confirmParallel is how many positions wait for one commit together.
	confirmParallel = 64
	confirmTimeout  = 10 * time.Second
)

// position is how far a socket's client has certainly received.
type position struct {
	// asked is the position of the newest ping.
	asked int64
	// known is confirmed, by the answer to a ping or by a receipt.
	known int64
	// stored is written, at storedAt.
	stored   int64
	storedAt time.Time
	// stamp is the timestamp of the last bot_response, which acks of clients
	// with enableAck echo.
	stamp int64
	// watched is set while the session is among the confirmations.
	watched bool
}

// confirmations are the sessions whose position is to be looked after.
type confirmations struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
}

// addLocked has a session looked after; the caller holds its lock.
func (c *confirmations) addLocked(s *session) {
	if s.confirm.watched {
		return
	}
	s.confirm.watched = true
	c.mu.Lock()
	c.sessions[s] = struct{}{}
	c.mu.Unlock()
}

// forgetLocked drops a session; the caller holds its lock, so that nothing can
// be added in between.
func (c *confirmations) forgetLocked(s *session) {
	s.confirm.watched = false
	c.mu.Lock()
	delete(c.sessions, s)
	c.mu.Unlock()
}

func (c *confirmations) snapshot() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*session, 0, len(c.sessions))
	for s := range c.sessions {
		all = append(all, s)
	}
	return all
}

// receipt takes what a client says it has read or got.
func (s *session) receipt(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var seq int64
	if id, err := chat.ParseEntryID(f.receipt); err == nil && id.Conversation == s.conv.ID {
		seq = id.Seq
	} else if f.stamp != 0 && f.stamp == s.confirm.stamp {
		seq = s.last
	}
	if seq = min(seq, s.last); seq > s.confirm.known {
		s.confirm.known = seq
		s.d.confirming.addLocked(s)
	}
}

// confirmLoop is the one goroutine that asks clients how far they are and
// writes it down, for all sockets together.
func (d *Driver) confirmLoop() {
	tick := time.NewTicker(d.Tick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.guard("confirming", func() { d.confirmAll(false) })
			d.crew.trim(time.Now().Add(-restFor))
		case <-d.quit:
			d.guard("confirming", func() { d.confirmAll(true) })
			return
		}
	}
}

// confirmAll looks after every session that has something unconfirmed or
// unwritten. last writes all at once.
func (d *Driver) confirmAll(last bool) {
	var group errgroup.Group
	group.SetLimit(confirmParallel)
	for _, s := range d.confirming.snapshot() {
		seq, write := s.look(d.Now(), last)
		if write {
			group.Go(func() error {
				d.guard("writing a position", func() { d.writePosition(s, seq) })
				return nil
			})
		}
	}
	_ = group.Wait() // positions that could not be written stay for the next round
}

// look pings for what was sent since the last ping, takes in the answers, and
// says whether to write the position now. A session with nothing left to do is
// forgotten until it sends again.
func (s *session) look(now time.Time, last bool) (seq int64, write bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.confirm
	p.known = max(p.known, min(s.wire.Answered(), s.last))
	if s.last > p.asked && !s.closed {
		p.asked = s.last
		s.wire.Ping(s.last)
	}
	unwritten := p.known > p.stored
	if !unwritten && (s.closed || p.known >= s.last) {
		s.d.confirming.forgetLocked(s)
		return 0, false
	}
	return p.known, unwritten && (last || s.closed || now.Sub(p.storedAt) >= confirmEvery)
}

func (d *Driver) writePosition(s *session, seq int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.base), confirmTimeout)
	defer cancel()
	now := d.Now()
	_, err := store.Do(ctx, d.Writer, store.ConfirmRead{
		Conversation: s.conv.Key, Reader: s.reader, Seq: seq, ExpiresAt: now.Add(confirmLife), Now: now,
	})
	if err != nil {
		d.Logger.Warn("rtm position not written", "conversation", s.conv.ID, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirm.storedAt = now
	if err == nil || !fault.Is(err, fault.Unavailable) {
		// A conversation that is gone will not come back; only a store that
		// does not answer is asked again.
		s.confirm.stored = max(s.confirm.stored, seq)
	}
}
