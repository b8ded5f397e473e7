package alert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/alert"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// memory is a store of alerts and failed deliveries.
type memory struct {
	mu         sync.Mutex
	alerts     map[string]store.Alert
	away       bool
	steps      int
	deliveries []chat.Delivery
}

func newMemory() *memory { return &memory{alerts: map[string]store.Alert{}} }

func (m *memory) Commit(_ context.Context, step store.Step) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := step.(store.SetAlert)
	if !ok {
		return nil, fmt.Errorf("unexpected %T", step)
	}
	m.steps++
	if m.away {
		return nil, fault.New(fault.Unavailable, "the store is away")
	}
	a, known := m.alerts[s.Name]
	holds := known && a.ClearedAt.IsZero()
	if holds == s.Raised {
		if holds {
			a.Text = s.Text
			m.alerts[s.Name] = a
		}
		return store.AlertSet{Alert: a}, nil
	}
	if s.Raised {
		a = store.Alert{Name: s.Name, Text: s.Text, RaisedAt: s.Now, Count: a.Count + 1}
	} else {
		a.ClearedAt = s.Now
	}
	m.alerts[s.Name] = a
	return store.AlertSet{Alert: a, Changed: true}, nil
}

func (m *memory) Alerts(_ context.Context, since time.Time) (all []store.Alert, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, fault.New(fault.Unavailable, "the store is away")
	}
	for _, a := range m.alerts {
		if a.ClearedAt.IsZero() || !a.ClearedAt.Before(since) {
			all = append(all, a)
		}
	}
	return all, nil
}

func (m *memory) DeliveryCounts(context.Context) (all []store.DeliveryCount, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := map[chat.ChannelID]int64{}
	for _, d := range m.deliveries {
		by[d.Channel]++
	}
	for ch, n := range by {
		all = append(all, store.DeliveryCount{Channel: ch, Failed: n})
	}
	return all, nil
}

func (m *memory) Deliveries(_ context.Context, f store.DeliveryFilter) (found []chat.Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range slices.Backward(m.deliveries) {
		if d.Channel == f.Channel && f.Status == chat.DeliveryFailed && len(found) < f.Limit {
			found = append(found, d)
		}
	}
	return found, nil
}

// cleared reports whether a known alert does not hold.
func (m *memory) cleared(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, known := m.alerts[name]
	return known && !a.ClearedAt.IsZero()
}

func (m *memory) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps
}

func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// room is a sink that keeps what was said, once per key.
type room struct {
	mu    sync.Mutex
	keys  map[string]bool
	said  []string
	calls int
	err   error
	crash bool
}

func (r *room) Say(_ context.Context, key, text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.crash {
		panic("a bug")
	}
	if r.err != nil {
		return r.err
	}
	if r.keys == nil {
		r.keys = map[string]bool{}
	}
	if !r.keys[key] {
		r.keys[key] = true
		r.said = append(r.said, text)
	}
	return nil
}

func (r *room) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.said)
}

func (r *room) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func (r *room) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// book is a log.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// bench is a node.
type bench struct {
	*alert.Service
	end func()
}

func begin(t *testing.T, m *memory, sinks ...alert.Sink) *bench {
	t.Helper()
	b := &bench{}
	b.Service = alert.New(alert.Options{
		Store: m, Sinks: func() []alert.Sink { return sinks }, Logger: slog.New(slog.DiscardHandler),
	})
	b.end = b.also(t, b.Run)
	return b
}

// also runs something until the end.
func (b *bench) also(t *testing.T, run func(context.Context)) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { run(ctx); close(done) }()
	end = func() { cancel(); <-done }
	t.Cleanup(end)
	return end
}

func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Raised once and cleared once, however often it is said, by two nodes, and
// over a restart.
func TestOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		one, two := begin(t, m, r), begin(t, m, r)
		for range 3 {
			must(t, one.Raise(t.Context(), "x", "It burns."))
			synctest.Wait()
			must(t, two.Raise(t.Context(), "x", "It burns, says the other."))
			after(time.Minute)
		}
		one.end()
		one = begin(t, m, r)
		after(time.Minute)
		want(t, "said", r.got(), []string{"It burns."})
		holding, err := one.Holding(t.Context())
		must(t, err)
		if len(holding) != 1 || holding[0].Name != "x" {
			t.Errorf("holding %+v", holding)
		}
		for range 3 {
			must(t, two.Clear(t.Context(), "x"))
			must(t, one.Clear(t.Context(), "x"))
			after(time.Minute)
		}
		two.end()
		begin(t, m, r)
		after(time.Minute)
		want(t, "said", r.got(), []string{"It burns.", "All clear, after 4 min: It burns, says the other."})
		must(t, one.Raise(t.Context(), "x", "Again."))
		after(time.Second)
		want(t, "said", r.got()[2:], []string{"Again."})
	})
}

// A sink forgets its keys in time; what is older is not said again.
func TestOldAlertsAreNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		b := begin(t, m, r)
		must(t, b.Raise(t.Context(), "x", "It burns."))
		after(3 * 24 * time.Hour)
		b.end()
		r.set(func() { r.keys = nil })
		b = begin(t, m, r)
		after(time.Hour)
		want(t, "said", r.got(), []string{"It burns."})
		must(t, b.Clear(t.Context(), "x"))
		after(time.Second)
		want(t, "said", r.got(), []string{"It burns.", "All clear, after 73 h 0 min: It burns."})
	})
}

// It is tried until some sink has taken it, and then no more.
func TestStubborn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r, bad, buggy := newMemory(), &room{err: errors.New("away")}, &room{err: errors.New("away")}, &room{crash: true}
		b := begin(t, m, buggy, r, bad)
		must(t, b.Raise(t.Context(), "x", "It burns."))
		after(10 * time.Minute)
		want(t, "said", len(r.got()), 0)
		r.set(func() { r.err = nil })
		after(10 * time.Second)
		want(t, "said", r.got(), []string{"It burns."})
		calls := bad.asked()
		after(time.Hour)
		want(t, "calls of the bad sink", bad.asked(), calls)
		// The store is away for a while.
		m.set(func() { m.away = true })
		if err := b.Clear(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
		after(time.Minute)
		m.set(func() { m.away = false })
		must(t, b.Clear(t.Context(), "x"))
		after(10 * time.Second)
		want(t, "said", len(r.got()), 2)
	})
}

// Without a sink it is in the log once; a sink named later hears of it.
func TestWithoutSink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		var open atomic.Bool
		log := &book{}
		s := alert.New(alert.Options{Store: m, Logger: slog.New(slog.NewTextHandler(log, nil)), Sinks: func() []alert.Sink {
			if open.Load() {
				return []alert.Sink{r}
			}
			return nil
		}})
		b := &bench{Service: s}
		b.also(t, s.Run)
		must(t, s.Raise(t.Context(), "x", "It burns."))
		must(t, s.Raise(t.Context(), "y", "It leaks."))
		after(time.Minute)
		must(t, s.Clear(t.Context(), "y"))
		after(time.Minute)
		for text, times := range map[string]int{"level=WARN msg=\"alert: It burns.\"": 1, "level=WARN msg=\"alert: It leaks.\"": 1, "level=INFO msg=\"alert cleared: All clear, after 1 min: It leaks.\"": 1} {
			if got := strings.Count(log.String(), text); got != times {
				t.Errorf("%q is logged %d times:\n%s", text, got, log.String())
			}
		}
		open.Store(true)
		after(10 * time.Second)
		want(t, "said", r.got(), []string{"It burns.", "It leaks.", "All clear, after 1 min: It leaks."})
	})
}

func TestWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		b := begin(t, m, r)
		c := alert.Condition{Name: "link:mm", Text: "The link is down.", After: 5 * time.Minute}
		// A flutter says nothing.
		for range 20 {
			b.Watch(c, true)
			after(4 * time.Minute)
			b.Watch(c, false)
			after(time.Minute)
		}
		want(t, "said", len(r.got()), 0)
		for range 20 {
			b.Watch(c, true)
			after(20 * time.Second)
		}
		want(t, "said", r.got(), []string{"The link is down."})
		steps := m.asked()
		after(time.Hour)
		want(t, "steps while nothing changes", m.asked(), steps)
		b.Watch(c, false)
		after(time.Second)
		want(t, "said", len(r.got()), 2)
		// A node that is no longer the one to know says nothing.
		b.Watch(c, true)
		b.Forget(c.Name)
		after(time.Hour)
		want(t, "said", len(r.got()), 2)
	})
}

// What an ended process has raised is cleared by the next one that knows better;
// while the store is away that waits.
func TestWatchAfterRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		c := alert.Condition{Name: "token:mm", Text: "The token was revoked."}
		b := begin(t, m, r)
		b.Watch(c, true)
		after(time.Second)
		b.end()
		b = begin(t, m, r)
		m.set(func() { m.away = true })
		b.Watch(c, false)
		after(time.Minute)
		m.set(func() { m.away = false })
		after(10 * time.Second)
		want(t, "said", len(r.got()), 2)
		want(t, "cleared", m.cleared("token:mm"), true)
	})
}

// watch watches deliveries of the channels with a name until the end.
func watch(t *testing.T, b *bench, m *memory, names map[chat.ChannelID]string) (check chan struct{}) {
	t.Helper()
	check = make(chan struct{}, 1)
	b.also(t, func(ctx context.Context) {
		b.WatchDeliveries(ctx, m, func(ch chat.ChannelID) string { return names[ch] }, check)
	})
	return check
}

func TestDeliveries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, r := newMemory(), &room{}
		b := begin(t, m, r)
		check := watch(t, b, m, map[chat.ChannelID]string{"mm-1": "team", "mm-2": "other"})
		after(time.Minute)
		fail := func(ch chat.ChannelID) {
			m.set(func() {
				m.deliveries = append(m.deliveries, chat.Delivery{Channel: ch, EndedAt: time.Now(), LastError: "token=sesame"})
			})
		}
		fail("mm-1")
		check <- struct{}{}
		synctest.Wait()
		if said := r.got(); len(said) != 1 || !strings.Contains(said[0], "--channel team --status failed") || strings.Contains(said[0], "sesame") {
			t.Errorf("said %q", said)
		}
		fail("mm-2")
		after(30 * time.Minute)
		want(t, "said", len(r.got()), 2)
		// Somebody mends one by hand; the other becomes old.
		m.set(func() { m.deliveries = m.deliveries[1:] })
		after(time.Minute)
		want(t, "said", len(r.got()), 3)
		want(t, "mm-2 cleared", m.cleared("deliveries:mm-2"), false)
		after(30 * time.Minute)
		want(t, "said", len(r.got()), 4)
		want(t, "mm-2 cleared", m.cleared("deliveries:mm-2"), true)
	})
}
