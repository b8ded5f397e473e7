package alert

import (
	"context"
	"time"
)

// Condition is something that may hold.
type Condition struct {
	// Name is stable for one condition of one subject.
	Name string
	// Text says what is wrong and what to do about it.
	Text string
	// After is how long it has to hold before it is raised; it is cleared at
	// once.
	After time.Duration
}

// watched is a condition and what was last said of it.
type watched struct {
	Condition
	holds bool
	since time.Time
	// stored is what was stored last, nil for not known.
	stored *bool
}

// Watch says whether a condition holds now. It may be called as often as one
// likes: it never blocks, and only changes are stored. What holds keeps holding
// until Watch or [Service.Forget] says otherwise.
//
// Of several nodes only the one that knows may watch a condition.
func (s *Service) Watch(c Condition, holds bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[c.Name]
	if w == nil {
		w = &watched{holds: !holds}
		s.watched[c.Name] = w
	}
	w.Condition = c
	if w.holds != holds {
		w.holds, w.since = holds, s.Now()
		if w.due(w.since) {
			s.poke()
		}
	}
}

// Forget stops watching a condition, as a node does that is no longer the one
// to know. It neither raises nor clears it.
func (s *Service) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watched, name)
}

// due reports whether there is something to store.
func (w *watched) due(now time.Time) bool {
	if w.stored != nil && *w.stored == w.holds {
		return false
	}
	return !w.holds || now.Sub(w.since) >= w.After
}

// judge stores what has changed about watched conditions. What could not be
// stored is tried again.
func (s *Service) judge(ctx context.Context) {
	now := s.Now()
	s.mu.Lock()
	var due []watched
	for _, w := range s.watched {
		if w.due(now) {
			due = append(due, *w)
		}
	}
	s.mu.Unlock()
	for _, w := range due {
		if ctx.Err() != nil {
			return
		}
		var err error
		if w.holds {
			err = s.Raise(ctx, w.Name, w.Text)
		} else {
			err = s.Clear(ctx, w.Name)
		}
		if err != nil {
			s.Logger.Warn("an alert could not be stored; that is tried again", "alert", w.Name, "holds", w.holds, "error", err)
			continue
		}
		s.mu.Lock()
		if now := s.watched[w.Name]; now != nil {
			now.stored = &w.holds
		}
		s.mu.Unlock()
	}
}
