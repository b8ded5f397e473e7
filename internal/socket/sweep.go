package socket

import "time"

const (
	// sweepsPerInterval is how often the sessions are looked at while the
	// shortest of the group's time limits passes.
	sweepsPerInterval = 8
	// pingBurst is how many pings start in one go; each wakes a goroutine, and
	// waking thousands at once would cost each a stack.
	pingBurst = 64
	// pingPause lets a burst finish.
	pingPause = time.Millisecond
)

// sweep looks after all sessions of the group until it stops.
func (g *Group) sweep() {
	defer g.leave()
	tick := min(g.opt.PingInterval, g.opt.PongTimeout, g.opt.MessageTimeout) / sweepsPerInterval
	ticker := time.NewTicker(max(tick, time.Millisecond))
	defer ticker.Stop()
	var sessions []*Session
	last := g.now()
	for {
		select {
		case <-g.quit:
			return
		case <-ticker.C:
		}
		now := g.now()
		// After a pause of the whole process (suspended, starved) the answers
		// may lie unread in the kernel: nobody is dropped in that round.
		paused := time.Duration(now-last) > tick+g.opt.PongTimeout/2
		last = now
		sessions = g.snapshot(sessions)
		g.sweepOnce(sessions, paused)
		clear(sessions) // ended sessions must not be kept alive from here
		sessions = sessions[:0]
	}
}

// sweepOnce pings and drops the sessions that are due.
func (g *Group) sweepOnce(sessions []*Session, paused bool) {
	burst := 0
	for _, s := range sessions {
		switch s.due(g.now()) {
		case dueStalled:
			if !paused {
				s.Drop(ReasonStalled)
			}
		case dueDead:
			if !paused {
				s.Drop(ReasonDead)
			}
		case duePing:
			s.ping()
			if burst++; burst%pingBurst == 0 {
				time.Sleep(pingPause)
			}
		}
	}
}

// due is what the sweep has to do about a session.
type due uint8

const (
	dueNothing due = iota
	duePing
	dueDead
	dueStalled
)

// due decides what the sweep does about the session at the time now.
func (s *Session) due(now int64) due {
	opt := &s.group.opt
	if begun := s.begun.Load(); begun != 0 && now-begun >= int64(opt.MessageTimeout) {
		return dueStalled
	}
	if !s.reading.Load() {
		return dueNothing // the caller holds the peer back; its answer may be waiting
	}
	heard, pinged := s.nc.heard.Load(), s.pinged.Load()
	switch {
	case pinged > heard && now-pinged >= int64(opt.PongTimeout):
		return dueDead
	case pinged <= heard && now-heard >= int64(opt.PingInterval):
		return duePing
	default:
		return dueNothing
	}
}
