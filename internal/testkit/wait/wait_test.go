package wait_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/testkit/wait"
)

// recorder stands in for a test so that a failure can be looked at.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func failure(t *testing.T, run func(testing.TB)) string {
	t.Helper()
	rec := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(rec)
	}()
	<-done
	return rec.said
}

func TestForReturnsAsSoonAsTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		wait.For(t, time.Minute, func() bool { return time.Since(start) >= 2*time.Second }, "two seconds")
		if late := time.Since(start) - 2*time.Second; late > 50*time.Millisecond {
			t.Errorf("noticed %v late, want at most 50ms", late)
		}
	})
}

func TestForGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		said := failure(t, func(tb testing.TB) {
			wait.For(tb, 3*time.Second, func() bool { return false }, "the moon")
		})
		if want := "gave up after 3s waiting for the moon"; said != want {
			t.Errorf("said %q, want %q", said, want)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestSucceedNamesLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := failure(t, func(tb testing.TB) {
			wait.Succeed(tb, time.Second, func() error { return errors.New("connection refused") }, "the server")
		})
		if !strings.HasSuffix(said, "; the last try said: connection refused") {
			t.Errorf("said %q, want the last error in it", said)
		}
	})
}

func TestPollTriesOnceOnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tries := 0
	if err := wait.Poll(ctx, func() error { tries++; return nil }); err != nil || tries != 1 {
		t.Errorf("Poll = %v after %d tries, want nil after 1", err, tries)
	}
}
