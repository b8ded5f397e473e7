// Package wait is how tests wait: for a condition, with a deadline, and never
// for a fixed time. It is the one place in the tests that sleeps, so a test is
// as fast as what it waits for and fails with a sentence when that never comes.
//
// Inside a testing/synctest bubble the same calls run on the fake clock.
package wait

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	firstPause = time.Millisecond
	longPause  = 50 * time.Millisecond
)

// For returns when cond is true and fails the test when it is still false
// after within. The sentence reads "gave up after 5s waiting for <what>".
//
// It must be called from the goroutine that runs the test.
func For(t testing.TB, within time.Duration, cond func() bool, what string) {
	t.Helper()
	Succeed(t, within, func() error {
		if cond() {
			return nil
		}
		return errNotYet
	}, what)
}

// Succeed returns when try returns nil and fails the test, naming the last
// error, when it has not done so after within.
//
// It must be called from the goroutine that runs the test.
func Succeed(t testing.TB, within time.Duration, try func() error, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := Poll(ctx, try); err != nil {
		t.Fatalf("gave up after %v waiting for %s%s", within, what, because(err))
	}
}

// Poll calls try at growing intervals of 1 to 50 ms until it returns nil or
// ctx ends, and then returns the last error of try. It calls try at least
// once. Helpers that have no test at hand, or that must also watch something
// else end, use it in place of [For].
func Poll(ctx context.Context, try func() error) error {
	pause := firstPause
	for {
		err := try()
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause = min(2*pause, longPause)
	}
}

var errNotYet = errors.New("not yet")

func because(err error) string {
	if errors.Is(err, errNotYet) {
		return ""
	}
	return fmt.Sprintf("; the last try said: %v", err)
}
