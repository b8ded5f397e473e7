package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/telemetry"
)

func newLifecycle() *lifecycle {
	logger := slog.New(slog.DiscardHandler)
	return &lifecycle{logger: logger, workers: telemetry.NewWorkers(logger, prometheus.NewRegistry())}
}

func TestEndsRunBackwardsAndOnce(t *testing.T) {
	l := newLifecycle()
	var order []string
	for _, name := range []string{"store", "turns", "listener"} {
		l.onEnd(name, time.Second, func(context.Context) error {
			order = append(order, name)
			if name == "turns" {
				return errors.New("stuck")
			}
			return nil
		})
	}
	first := l.end()
	if first == nil || !strings.Contains(first.Error(), "end turns: stuck") {
		t.Errorf("%v", first)
	}
	if second := l.end(); second == nil || second.Error() != first.Error() {
		t.Errorf("the second end says %v", second)
	}
	if want := []string{"listener", "turns", "store"}; !slices.Equal(order, want) {
		t.Errorf("ended %q, want %q", order, want)
	}
}

func TestPartThatPanicsIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle()
		runs := make(chan int, 3)
		n := 0
		l.background("part", time.Second, func(ctx context.Context) {
			n++
			runs <- n
			if n < 3 {
				panic("a bug")
			}
			<-ctx.Done()
		})
		for want := 1; want <= 3; want++ {
			if got := <-runs; got != want {
				t.Errorf("run %d, want %d", got, want)
			}
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestPartThatDoesNotEndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle()
		release := make(chan struct{})
		l.background("part", time.Second, func(context.Context) { <-release })
		if err := l.end(); err == nil || !strings.Contains(err.Error(), "end part: did not end in time") {
			t.Errorf("%v", err)
		}
		close(release)
	})
}
