package delivery_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/delivery"
)

// bench is a service on a fake store; it runs in a synctest bubble.
type bench struct {
	*delivery.Service
	*memory
	*far
	registry *prometheus.Registry
	failures chan delivery.Failure
	// end stops the service; further calls do nothing.
	end func()
}

func begin(t *testing.T, options ...func(*delivery.Options)) *bench {
	t.Helper()
	return on(t, &memory{}, newFar(), 0, options...)
}

// on starts another boot, which takes grace to end.
func on(t *testing.T, m *memory, f *far, grace time.Duration, options ...func(*delivery.Options)) *bench {
	t.Helper()
	b := &bench{memory: m, far: f, registry: prometheus.NewRegistry(), failures: make(chan delivery.Failure, 100)}
	b.newBoot()
	o := delivery.Options{
		Store:     m,
		SenderFor: func(chat.ChannelID) (channel.Sender, bool) { return f, true },
		Owner:     m.owner,
		Logger:    slog.New(slog.DiscardHandler),
		Policy:    delivery.DefaultPolicy(),
		Metrics:   b.registry,
		OnFailed:  func(_ context.Context, f delivery.Failure) { b.failures <- f },
	}
	for _, set := range options {
		set(&o)
	}
	var err error
	if b.Service, err = delivery.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx, grace)
	}()
	b.end = func() { cancel(); <-done }
	t.Cleanup(b.end)
	// The first look at the store is over: what a test sets now is seen by the
	// second.
	synctest.Wait()
	return b
}

// metric is the value of a counter or gauge with the given label values.
func (b *bench) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			if slices.Equal(have, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}
