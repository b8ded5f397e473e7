package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Workers starts goroutines that recover at their top, and waits for them.
type Workers struct {
	logger *slog.Logger
	panics *prometheus.CounterVec
	group  sync.WaitGroup
}

// NewWorkers counts panics in parley_panics_total by worker name, so names are
// few and fixed.
func NewWorkers(logger *slog.Logger, metrics prometheus.Registerer) *Workers {
	return &Workers{
		logger: logger,
		panics: promauto.With(metrics).NewCounterVec(prometheus.CounterOpts{
			Namespace: Namespace,
			Name:      "panics_total",
			Help:      "Panics that were recovered, by worker. Each one is a bug; the log has its stack.",
		}, []string{"worker"}),
	}
}

// Worker is one goroutine started by [Workers.Go].
type Worker struct {
	name string
	done chan struct{}
	err  error
}

// PanicError is the error of a worker that panicked. The stack is in the log.
type PanicError struct {
	Worker string
	Value  any
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("worker %s panicked: %v", e.Worker, e.Value) }

// Go runs fn in a goroutine. A panic in fn is logged with its stack, counted,
// and becomes the worker's error; whether the program can go on without the
// worker is up to whoever started it. Ending with ctx is up to fn.
func (w *Workers) Go(ctx context.Context, name string, fn func(context.Context)) *Worker {
	worker := &Worker{name: name, done: make(chan struct{})}
	w.group.Add(1)
	go func() {
		defer w.group.Done()
		defer close(worker.done)
		worker.err = w.Guard(ctx, name, fn)
	}()
	return worker
}

// Guard runs fn in the calling goroutine and turns a panic into a
// [PanicError], logged and counted.
func (w *Workers) Guard(ctx context.Context, name string, fn func(context.Context)) (err error) {
	defer func() {
		if value := recover(); value != nil {
			w.caught(ctx, name, value)
			err = &PanicError{Worker: name, Value: value}
		}
	}()
	fn(ctx)
	return nil
}

func (w *Workers) caught(ctx context.Context, name string, value any, attrs ...any) {
	w.panics.WithLabelValues(name).Inc()
	attrs = append(attrs, "worker", name, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	w.logger.ErrorContext(ctx, "recovered from a panic", attrs...)
}

// Wait returns when every worker has ended. Nothing may be started meanwhile.
func (w *Workers) Wait() { w.group.Wait() }

// Done is closed when the worker has ended.
func (w *Worker) Done() <-chan struct{} { return w.done }

// Err waits for the worker and returns nil, or a [PanicError].
func (w *Worker) Err() error {
	<-w.done
	return w.err
}
