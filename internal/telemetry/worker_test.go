package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/telemetry"
)

// value reads one series, by the values of its labels in order of their names.
func value(t *testing.T, registry *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	series:
		for _, m := range family.GetMetric() {
			for i, label := range m.GetLabel() {
				if i >= len(labels) || label.GetValue() != labels[i] {
					continue series
				}
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

func TestWorkerSurvivesPanic(t *testing.T) {
	var out bytes.Buffer
	registry := telemetry.NewRegistry("test")
	workers := telemetry.NewWorkers(slog.New(slog.NewTextHandler(&out, nil)), registry)
	var missing map[string]int
	bad := workers.Go(t.Context(), "sweep", func(context.Context) { missing["x"] = 1 })
	good := workers.Go(t.Context(), "feed", func(context.Context) {})
	workers.Wait()
	var panicked *telemetry.PanicError
	if err := bad.Err(); !errors.As(err, &panicked) || panicked.Worker != "sweep" {
		t.Errorf("got %v", err)
	}
	if err := good.Err(); err != nil {
		t.Errorf("the other worker: %v", err)
	}
	if got := value(t, registry, "parley_panics_total", "sweep"); got != 1 {
		t.Errorf("counted %v panics", got)
	}
	if got := out.String(); strings.Count(got, "recovered from a panic") != 1 || !strings.Contains(got, "TestWorkerSurvivesPanic") {
		t.Errorf("logged %s", got)
	}
}

func TestWorkerEndsWithItsContext(t *testing.T) {
	workers := telemetry.NewWorkers(slog.New(slog.DiscardHandler), telemetry.NewRegistry("test"))
	ctx, cancel := context.WithCancel(t.Context())
	worker := workers.Go(ctx, "w", func(ctx context.Context) { <-ctx.Done() })
	select {
	case <-worker.Done():
		t.Fatal("ended before its context")
	default:
	}
	cancel()
	workers.Wait()
	<-worker.Done()
}

func TestGuard(t *testing.T) {
	registry := telemetry.NewRegistry("test")
	workers := telemetry.NewWorkers(slog.New(slog.DiscardHandler), registry)
	if err := workers.Guard(t.Context(), "turn", func(context.Context) { panic("x") }); err == nil {
		t.Error("the panic was swallowed")
	}
	if err := workers.Guard(t.Context(), "turn", func(context.Context) {}); err != nil {
		t.Error(err)
	}
	if got := value(t, registry, "parley_panics_total", "turn"); got != 1 {
		t.Errorf("counted %v panics", got)
	}
}
