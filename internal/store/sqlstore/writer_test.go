package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// fakeEngine has no rows and commits when told to.
type fakeEngine struct {
	mu sync.Mutex
	// commit, if set, decides about each batch.
	commit  func(writes []Write) error
	ready   func(ctx context.Context) error
	batches [][]Write
	alone   int
}

var (
	errAgain = errors.New("another node was in the way")
	errGone  = errors.New("connection lost")
)

func (e *fakeEngine) Ready(ctx context.Context) error {
	if e.ready != nil {
		return e.ready(ctx)
	}
	return ctx.Err()
}
func (e *fakeEngine) Begin(context.Context, []Load) error { return nil }
func (e *fakeEngine) Rollback()                           {}
func (e *fakeEngine) Exclusive() bool                     { return true }
func (e *fakeEngine) Clock() string                       { return "0" }
func (e *fakeEngine) SkipLocked(string) string            { return "" }
func (e *fakeEngine) Ordered() string                     { return "" }

func (e *fakeEngine) Commit(_ context.Context, writes []Write) (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.commit != nil {
		if err := e.commit(writes); err != nil {
			return 0, err
		}
	}
	e.batches = append(e.batches, writes)
	return 0, nil
}

// Alone serves the reservation of keys.
func (e *fakeEngine) Alone(_ context.Context, work func(Tx) error) error { return work(e) }
func (e *fakeEngine) Query(_ context.Context, scan func(Row) error, _ string, _ ...any) error {
	return scan(fakeRow{int64(e.alone) * keyReserve})
}
func (e *fakeEngine) Exec(context.Context, string, ...any) (int64, error) { e.alone++; return 1, nil }

func (e *fakeEngine) Diagnose(err error) Diagnosis {
	switch {
	case errors.Is(err, errAgain):
		return Diagnosis{Again: true}
	case errors.Is(err, errGone):
		return Diagnosis{Unavailable: "the database is gone"}
	default:
		return Diagnosis{}
	}
}

type fakeRow []int64

func (r fakeRow) Scan(dest ...any) error {
	for i, d := range dest {
		*d.(*int64) = r[i]
	}
	return nil
}

func use(w *Writer, key string) error {
	_, err := store.Do(context.Background(), w, store.UseOnce{Kind: "k", Key: key})
	return err
}

// holds reports whether a batch writes a row that mentions the text.
func holds(writes []Write, text string) bool {
	return strings.Contains(fmt.Sprint(writes), text)
}

func TestOnlyTheCulpritFails(t *testing.T) {
	e := &fakeEngine{commit: func(writes []Write) error {
		if holds(writes, "poison") {
			return errors.New("constraint")
		}
		return nil
	}}
	block := make(chan struct{})
	e.ready = func(ctx context.Context) error { <-block; return ctx.Err() }
	w := NewWriter(e, Options{})
	defer w.Drain()
	errs := make([]error, 20)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			key := fmt.Sprint("k", i)
			if i == 5 {
				key = "poison"
			}
			errs[i] = use(w, key)
		})
	}
	close(block)
	all.Wait()
	for i, err := range errs {
		if (err != nil) != (i == 5) {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if fault.KindOf(errs[5]) != fault.Internal {
		t.Errorf("the culprit got %v", errs[5])
	}
}

// TestStepsTriedAloneKeepTheOrderOfTheQueue sorts by conversation only what is
// committed together.
func TestStepsTriedAloneKeepTheOrderOfTheQueue(t *testing.T) {
	e := &fakeEngine{commit: func(writes []Write) error {
		if len(writes[0].Rows) > 1 {
			return errors.New("constraint")
		}
		return nil
	}}
	w := NewWriter(e, Options{})
	w.Drain() // its goroutine is not wanted
	w.ctx, w.stop = context.WithCancel(context.Background())
	defer w.stop()
	w.keys = keyBlock{next: 1, end: keyReserve}
	var batch []*request
	for i, key := range []string{"first", "second", "third"} {
		batch = append(batch, &request{step: store.UseOnce{Kind: "k", Key: key}, key: chat.ConversationKey(3 - i), order: i, done: make(chan struct{})})
	}
	w.commit(batch)
	if got := fmt.Sprint(e.batches); len(e.batches) != 3 || strings.Index(got, "first") > strings.Index(got, "second") || strings.Index(got, "second") > strings.Index(got, "third") {
		t.Errorf("committed %v", got)
	}
}

func TestBatchIsTriedAgain(t *testing.T) {
	left := 3
	e := &fakeEngine{commit: func([]Write) error {
		if left--; left >= 0 {
			return errAgain
		}
		return nil
	}}
	w := NewWriter(e, Options{})
	defer w.Drain()
	if err := use(w, "a"); err != nil {
		t.Error(err)
	}
	left = 1 << 30
	if err := use(w, "b"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v, want unavailable after many tries", err)
	}
}

func TestLostDatabaseFailsTheBatchAtOnce(t *testing.T) {
	gone := true
	e := &fakeEngine{commit: func([]Write) error {
		if gone {
			return errGone
		}
		return nil
	}}
	w := NewWriter(e, Options{})
	defer w.Drain()
	if err := use(w, "a"); !fault.Is(err, fault.Unavailable) || fault.Message(err) != "the database is gone" {
		t.Errorf("err = %v", err)
	}
	if got := w.Figures().Unavailable; got == "" {
		t.Error("the figures do not tell")
	}
	gone = false
	if err := use(w, "a"); err != nil {
		t.Error(err)
	}
	if got := w.Figures(); got.Unavailable != "" || got.Steps != 1 || got.LastCommit.IsZero() {
		t.Errorf("figures %+v", got)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		e := &fakeEngine{ready: func(ctx context.Context) error {
			select {
			case <-back:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		w := NewWriter(e, Options{})
		began := time.Now()
		if err := use(w, "late"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("err = %v, want unavailable", err)
		}
		if took := time.Since(began); took != queueWait {
			t.Errorf("took %v, want %v", took, queueWait)
		}
		// More than the queue holds: the rest waits outside, as long.
		var all sync.WaitGroup
		for i := range queueLength + 100 {
			all.Go(func() {
				if err := use(w, fmt.Sprint("full", i)); !fault.Is(err, fault.Unavailable) {
					t.Errorf("err = %v, want unavailable", err)
				}
			})
		}
		all.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancelled := make(chan error, 1)
		go func() {
			_, err := store.Do(ctx, w, store.UseOnce{Kind: "k", Key: "cancelled"})
			cancelled <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v, want cancelled", err)
		}
		close(back)
		if err := use(w, "after"); err != nil {
			t.Error(err)
		}
		w.Drain()
		// What was given up by its caller is not stored behind its back.
		for _, writes := range e.batches {
			if holds(writes, "late") || holds(writes, "full") || holds(writes, "cancelled") {
				t.Fatalf("stored an abandoned step: %v", writes)
			}
		}
	})
}

func TestDrainWhileTheDatabaseIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &fakeEngine{ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		w := NewWriter(e, Options{})
		answered := make(chan error, 1)
		go func() { answered <- use(w, "a") }()
		synctest.Wait()
		w.Drain()
		if err := <-answered; !fault.Is(err, fault.Unavailable) {
			t.Errorf("err = %v, want unavailable", err)
		}
		if err := use(w, "b"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("after the end: %v, want unavailable", err)
		}
		w.Drain()
	})
}

func TestKeysAreNeverGivenOutTwice(t *testing.T) {
	e := &fakeEngine{}
	w := NewWriter(e, Options{})
	defer w.Drain()
	const places = keyReserve/2 + 100
	var all sync.WaitGroup
	for part := range 8 {
		all.Go(func() {
			for i := range places / 8 {
				_, err := store.Do(context.Background(), w, store.OpenPlace{Channel: "c", Place: fmt.Sprintf("%d/%d", part, i), Mode: "feed"})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	seen := map[int64]bool{}
	for _, writes := range e.batches {
		for _, write := range writes {
			if write.Change != insertConversation {
				continue
			}
			for _, row := range write.Rows {
				for _, key := range []int64{row[0].(int64), row[5].(int64)} { // key and leg
					if seen[key] {
						t.Fatalf("key %d was given out twice", key)
					}
					seen[key] = true
				}
			}
		}
	}
}

func TestPanicOfADecision(t *testing.T) {
	w := &Writer{engine: &fakeEngine{}, Options: Options{Logger: slog.New(slog.DiscardHandler)}}
	if err := w.guarded(func() error { panic("oops") }); err == nil || !strings.Contains(err.Error(), "oops") {
		t.Errorf("err = %v, want the panic", err)
	}
	empty := keyBlock{}
	if err := w.guarded(func() error { empty.take(); return nil }); !errors.Is(err, errKeys) {
		t.Errorf("err = %v, want %v", err, errKeys)
	}
}
