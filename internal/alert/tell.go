package alert

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"parley/internal/store"
)

// message is one thing to say.
type message struct {
	key     string
	text    string
	at      time.Time
	cleared bool
}

// tell says what was raised or cleared lately and was not said yet.
func (s *Service) tell(ctx context.Context) {
	now := s.Now()
	s.forget(now)
	all, err := s.Store.Alerts(ctx, now.Add(-Repeats))
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.Warn("alerts cannot be read; that is tried again", "error", err)
		}
		return
	}
	sinks := s.Sinks()
	for _, m := range messages(all, now) {
		switch {
		case s.has(s.told, m.key):
		case len(sinks) == 0:
			s.log(m)
		case s.say(ctx, sinks, m):
			s.note(s.told, m.key, now)
		}
	}
}

// messages are what alerts have to say, oldest first. What was raised or
// cleared longer ago than keys may be repeated was said, or logged, then.
func messages(all []store.Alert, now time.Time) []message {
	var out []message
	for _, a := range all {
		if now.Sub(a.RaisedAt) < Repeats {
			out = append(out, message{key: Key(a.Name, a.Count, false), text: a.Text, at: a.RaisedAt})
		}
		if !a.ClearedAt.IsZero() && now.Sub(a.ClearedAt) < Repeats {
			text := fmt.Sprintf("All clear, after %s: %s", lasted(a.ClearedAt.Sub(a.RaisedAt)), a.Text)
			out = append(out, message{key: Key(a.Name, a.Count, true), text: text, at: a.ClearedAt, cleared: true})
		}
	}
	slices.SortStableFunc(out, func(x, y message) int {
		return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.key, y.key))
	})
	return out
}

// Key is what a sink knows one text by: each time a condition is raised, and
// each time it is cleared, has its own.
func Key(name string, count int64, cleared bool) string {
	verb := "raised"
	if cleared {
		verb = "cleared"
	}
	return fmt.Sprintf("%s#%d:%s", name, count, verb)
}

// lasted is a time as people say it.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(max(d, 0)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	default:
		return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
}

// say tells every sink and reports whether one of them took it.
func (s *Service) say(ctx context.Context, sinks []Sink, m message) (taken bool) {
	for _, sink := range sinks {
		if err := s.sayOnce(ctx, sink, m); err == nil {
			taken = true
		} else if ctx.Err() == nil {
			s.Logger.Warn("an alert could not be posted", "key", m.key, "text", m.text, "error", err)
		}
	}
	return taken
}

func (s *Service) sayOnce(ctx context.Context, sink Sink, m message) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("panic while an alert was posted", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return sink.Say(ctx, m.key, m.text)
}

// log is what is said where nobody else listens, once in the life of a process.
// Should a sink be named later, it is told as well.
func (s *Service) log(m message) {
	s.mu.Lock()
	began := s.began
	s.mu.Unlock()
	if s.has(s.logged, m.key) || m.cleared && m.at.Before(began) {
		return
	}
	s.note(s.logged, m.key, s.Now())
	if m.cleared {
		s.Logger.Info("alert cleared: "+m.text, "key", m.key, "at", m.at)
		return
	}
	s.Logger.Warn("alert: "+m.text, "key", m.key, "at", m.at)
}

func (s *Service) has(keys map[string]time.Time, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := keys[key]
	return found
}

func (s *Service) note(keys map[string]time.Time, key string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys[key] = now
}

// forget drops keys that cannot come up any more.
func (s *Service) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, keys := range []map[string]time.Time{s.told, s.logged} {
		for key, at := range keys {
			if now.Sub(at) > 2*Repeats {
				delete(keys, key)
			}
		}
	}
}
