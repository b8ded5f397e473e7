package rtm

import (
	"context"
	"slices"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// pumpPage is how many entries are read from the log at once.
	pumpPage = 100
	// pumpBytes is how much may wait on a socket before the pump lets it drain.
	pumpBytes = 256 << 10
	// pumpPause and pumpPauseMax bound the wait after a log that did not answer.
	pumpPause    = 250 * time.Millisecond
	pumpPauseMax = 5 * time.Second
	// pumpTimeout bounds one read of the log.
	pumpTimeout = 5 * time.Second
)

// hear takes news of the conversation. What continues the last entry looked at
// is sent at once; for anything else the log is read.
func (s *session) hear(n channel.News) {
	s.d.guard("hearing news", func() { s.take(n) })
}

func (s *session) take(n channel.News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case n.Typing != channel.TypingUnknown:
		if !s.waitingLocked() {
			s.send(typingFrame(s.bot(), n.Typing == channel.TypingStarted, s.d.Now()), s.d.metrics.outEvent)
		}
	case len(n.Entries) > 0 && n.Entries[len(n.Entries)-1].Seq <= s.last:
		// Seen already.
	case len(n.Entries) == 0 || s.waitingLocked() || s.pumping:
		s.behind = true
		s.pumpLocked()
	default:
		s.continueLocked(n.Entries)
	}
}

// continueLocked shows entries as far as they continue the last one looked at.
func (s *session) continueLocked(entries []chat.Entry) {
	for i := range entries {
		switch seq := entries[i].Seq; {
		case seq == s.last+1:
			s.showLocked(&entries[i])
		case seq > s.last:
			s.behind = true
			s.pumpLocked()
			return
		}
	}
}

// waitingLocked reports whether nothing may be sent yet.
func (s *session) waitingLocked() bool { return s.held || s.wire == nil }

// release lets the first frames go.
func (s *session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	s.pumpLocked()
}

// pumpLocked starts the goroutine that reads the log, if there is something to
// read and nothing in the way.
func (s *session) pumpLocked() {
	if !s.behind || s.waitingLocked() || s.pumping || s.closed {
		return
	}
	s.pumping = true
	s.d.work.Go(func() {
		level := false
		s.d.guard("reading the log", func() { level = s.pump() })
		// After a panic the entry that caused it has been passed; the rest is
		// tried again, but not at once.
		s.stopPumping(!level && s.wait(pumpPauseMax))
	})
}

// stopPumping is the end of the pump, by whatever way it ended.
func (s *session) stopPumping(again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pumping = false
	s.behind = s.behind || again
	// News may have come between the pump's last look and this.
	s.pumpLocked()
}

// pump reads the log until the socket is level with it or has ended; then it
// returns true.
func (s *session) pump() bool {
	pause := pumpPause
	for {
		after, more := s.pumpFrom()
		if !more {
			return true
		}
		entries, err := s.readLog(after)
		if err != nil {
			s.d.Logger.Warn("rtm feed cannot read the log", "conversation", s.conv.ID, "error", err)
			if !s.wait(pause) {
				return true
			}
			pause = min(2*pause, pumpPauseMax)
			continue
		}
		pause = pumpPause
		s.showAll(entries)
	}
}

// pumpFrom tells where to read on; more is false, and the pump over, when the
// socket is level or gone.
func (s *session) pumpFrom() (after int64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.behind {
		return 0, false
	}
	s.behind = false
	return s.last, true
}

func (s *session) readLog(after int64) ([]chat.Entry, error) {
	ctx, cancel := context.WithTimeout(s.d.base, pumpTimeout)
	defer cancel()
	entries, err := s.d.Log.Entries(ctx, s.conv.Key, after, pumpPage)
	if err != nil || len(entries) == pumpPage {
		s.mu.Lock()
		s.behind = true
		s.mu.Unlock()
	}
	return entries, err
}

// showAll shows a page, letting the socket drain where it fills up. A client
// that does not read ends by the socket's own write timeout.
func (s *session) showAll(entries []chat.Entry) {
	for i := range entries {
		if !s.showNext(&entries[i]) {
			return
		}
		if frames, bytes := s.wire.Queued(); frames > pumpPage || bytes > pumpBytes {
			// An error means that the socket has ended, which is seen above.
			_ = s.wire.Flush(s.d.base)
		}
	}
}

// showNext shows an entry unless it was shown; false means that the socket has
// ended.
func (s *session) showNext(e *chat.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if e.Seq > s.last {
		s.showLocked(e)
	}
	return true
}

// wait pauses the pump; it reports false when the socket or the driver has
// ended, and then there is nothing left to catch up with.
func (s *session) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.wire.Done():
	case <-s.d.quit:
	}
	s.mu.Lock()
	s.behind = false
	s.mu.Unlock()
	return false
}

// showLocked looks at the next entry and sends what this socket should see of
// it. Edits and deletions have no frame: history shows them.
func (s *session) showLocked(e *chat.Entry) {
	s.last = e.Seq
	s.d.confirming.addLocked(s)
	mine := s.dropOwnLocked(e.Seq)
	if !e.Visible() || e.Deleted {
		return
	}
	again := e.Seq <= s.opened
	if e.Author.Kind == chat.ByContact {
		if !again && !mine {
			s.send(userFrame(s.bot(), e.CreatedAt, e.Content), s.d.metrics.outUser)
		}
		return
	}
	if again && e.Content.Mark == chat.MarkWelcome {
		return
	}
	if strings.TrimSpace(plainText(e.Content)) == "" {
		return
	}
	if again {
		s.d.metrics.resent.Inc()
	}
	s.confirm.stamp = e.CreatedAt.UnixMilli()
	s.send(responseFrame(s.bot(), said{
		id: s.conv.EntryID(e.Seq).String(), at: e.CreatedAt, agent: e.Author.Kind == chat.ByAgent, content: e.Content,
	}), s.d.metrics.outResponse)
}

// dropOwnLocked reports whether this socket brought the entry, and forgets it.
func (s *session) dropOwnLocked(seq int64) bool {
	if len(s.own) == 0 {
		return false
	}
	mine := slices.Contains(s.own, seq)
	s.own = slices.DeleteFunc(s.own, func(o int64) bool { return o <= seq })
	if len(s.own) == 0 {
		s.own = nil
	}
	return mine
}
