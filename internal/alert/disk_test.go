package alert

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/store"
)

func TestSpace(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, test := range []struct {
		free, total uint64
		low, fine   bool
	}{
		{511 * mib, 4 * gib, true, false},
		{513 * mib, 4 * gib, false, false},
		{769 * mib, 4 * gib, false, true},
		{4 * gib, 100 * gib, true, false},
		{6 * gib, 100 * gib, false, false},
		{8 * gib, 100 * gib, false, true},
		{0, 0, true, false},
		{1 << 63, 1<<64 - 1, false, true},
	} {
		s := Space{test.free, test.total}
		if s.low() != test.low || s.fine() != test.fine {
			t.Errorf("%+v: low %v, fine %v", s, s.low(), s.fine())
		}
	}
}

func TestFreeSpace(t *testing.T) {
	s, err := FreeSpace(t.TempDir())
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		if !errors.Is(err, errNoSpaceHere) {
			t.Errorf("error %v", err)
		}
		return
	}
	if err != nil || s.Total == 0 || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := FreeSpace(t.TempDir() + "/none"); err == nil {
		t.Error("a folder that does not exist has free space")
	}
}

// steps keeps what was stored.
type steps struct{ raised []bool }

func (s *steps) Commit(_ context.Context, step store.Step) (any, error) {
	s.raised = append(s.raised, step.(store.SetAlert).Raised)
	return store.AlertSet{Changed: true}, nil
}

func (*steps) Alerts(context.Context, time.Time) ([]store.Alert, error) { return nil, nil }

// Between full and fine nothing changes, and a disk that cannot be read is
// neither.
func TestWatchDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &steps{}
		s := New(Options{Store: kept, Sinks: func() []Sink { return nil }, Logger: slog.New(slog.DiscardHandler)})
		var mu sync.Mutex
		free, fails := uint64(50), error(nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{}, 2)
		go func() { s.Run(ctx); done <- struct{}{} }()
		go func() {
			s.watchDisk(ctx, "node-1", "/data", func(string) (Space, error) {
				mu.Lock()
				defer mu.Unlock()
				return Space{free << 30, 100 << 30}, fails
			})
			done <- struct{}{}
		}()
		set := func(gib uint64, err error) {
			time.Sleep(time.Minute)
			synctest.Wait()
			mu.Lock()
			free, fails = gib, err
			mu.Unlock()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		set(6, nil)
		set(4, nil)
		set(6, nil)
		set(4, errors.New("away"))
		set(8, nil)
		cancel()
		<-done
		<-done
		if len(kept.raised) != 3 || kept.raised[0] || !kept.raised[1] || kept.raised[2] {
			t.Errorf("stored %v", kept.raised)
		}
	})
}

func TestWatchSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, failed := &steps{}, make(chan struct{}, 1)
		s := New(Options{Store: kept, Sinks: func() []Sink { return nil }, Logger: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { s.Run(ctx) })
		start := func() { all.Go(func() { s.WatchSyncs(ctx, "node-1", "/data", failed) }) }
		for _, step := range []func(){start, func() { failed <- struct{}{} }, start} {
			step()
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		cancel()
		all.Wait()
		if len(kept.raised) != 3 || kept.raised[0] || !kept.raised[1] || kept.raised[2] {
			t.Errorf("stored %v, want an all-clear, the alert and the all-clear of the next start", kept.raised)
		}
	})
}
