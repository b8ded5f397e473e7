// Package alert tells an owner once that something is wrong, and once that it
// is well again.
//
// A condition has a stable name, such as "disk:node-1". The store knows whether
// it holds, so a restart and a second node neither repeat what was said nor
// forget the all-clear. Saying it is somebody else's work: a [Sink] posts a text
// under a key, and drops repeats of the key.
package alert

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley/internal/store"
)

// Store is the part of the store the service uses.
type Store interface {
	store.Writer
	Alerts(ctx context.Context, since time.Time) ([]store.Alert, error)
}

// Sink is a place where alerts are said.
type Sink interface {
	// Say says a text once per key, for at least [Repeats]. An error means that
	// it may not have been said.
	Say(ctx context.Context, key, text string) error
}

// Options are what a service needs. All fields without a default are required.
type Options struct {
	Store Store
	// Sinks are the places of now; with none, alerts are logged.
	Sinks  func() []Sink
	Logger *slog.Logger
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
}

const (
	// Repeats is how long the same key may be said again: a restarted or second
	// node cannot know what was said, and leaves it to the sink.
	Repeats = 24 * time.Hour
	// tick is how often conditions are judged and unsaid alerts tried again.
	tick = 5 * time.Second
	// patience bounds one attempt to say something.
	patience = 15 * time.Second
)

// Service raises, clears and tells.
type Service struct {
	Options
	wake chan struct{}

	mu      sync.Mutex
	watched map[string]*watched
	// told are the keys some sink has taken, logged those that had no sink; both
	// only as long as they may come up again.
	told, logged map[string]time.Time
	// began is when Run did; what ended before is not logged.
	began time.Time
}

// New returns a service; [Service.Run] tells what is raised.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{
		Options: o, wake: make(chan struct{}, 1), watched: make(map[string]*watched),
		told: make(map[string]time.Time), logged: make(map[string]time.Time),
	}
}

// Raise says that a condition holds. Raising one that holds says nothing again;
// its text is what the all-clear will name. text is for the owner, in plain
// words, and holds no secret.
func (s *Service) Raise(ctx context.Context, name, text string) error {
	return s.set(ctx, store.SetAlert{Name: name, Raised: true, Text: text, Now: s.Now()})
}

// Clear says that a condition no longer holds. Clearing one that does not hold
// changes nothing.
func (s *Service) Clear(ctx context.Context, name string) error {
	return s.set(ctx, store.SetAlert{Name: name, Now: s.Now()})
}

func (s *Service) set(ctx context.Context, step store.SetAlert) error {
	out, err := store.Do(ctx, s.Store, step)
	if err != nil {
		return fmt.Errorf("alert %s: %w", step.Name, err)
	}
	if out.Changed {
		s.poke()
	}
	return nil
}

// Holding returns the alerts that hold, sorted by name.
func (s *Service) Holding(ctx context.Context) ([]store.Alert, error) {
	all, err := s.Store.Alerts(ctx, s.Now())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a store.Alert) bool { return !a.ClearedAt.IsZero() })
	slices.SortFunc(all, func(a, b store.Alert) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run judges watched conditions and tells what changed, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	s.mu.Lock()
	s.began = s.Now()
	s.mu.Unlock()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		s.judge(ctx)
		s.tell(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}
