package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/internal/telemetry"
)

// lifecycle ends what was begun, in reverse order. A part registers its end
// right after it was begun, so that a start that fails half way ends the rest.
type lifecycle struct {
	logger  *slog.Logger
	workers *telemetry.Workers

	mu    sync.Mutex
	ends  []ending
	ended bool
	err   error
}

type ending struct {
	name string
	// limit is how long the end may take before it is reported.
	limit time.Duration
	end   func(ctx context.Context) error
}

func (l *lifecycle) onEnd(name string, limit time.Duration, end func(ctx context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, ending{name, limit, end})
}

// end runs all endings once; further calls return the first call's error.
func (l *lifecycle) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return l.err
	}
	l.ended = true
	var errs []error
	for i := len(l.ends) - 1; i >= 0; i-- {
		e := l.ends[i]
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), e.limit)
		if err := e.end(ctx); err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", e.name, err))
		}
		cancel()
		l.logger.Debug("ended", "part", e.name, "took", time.Since(began))
	}
	l.err = errors.Join(errs...)
	return l.err
}

// restartAfter is the pause before a part that panicked is run again.
const restartAfter = time.Second

// background runs part in a goroutine and registers its end: its context is
// cancelled and the goroutine waited for. A part that panics is run again: a
// server that goes on without it would look healthy.
func (l *lifecycle) background(name string, limit time.Duration, part func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := l.workers.Go(ctx, name, func(ctx context.Context) {
		for l.workers.Guard(ctx, name, part) != nil && pause(ctx, restartAfter) {
			l.logger.Warn("a part that panicked is run again", "part", name)
		}
	}).Done()
	l.onEnd(name, limit, func(wait context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-wait.Done():
			return errors.New("did not end in time")
		}
	})
}

// pause is false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
