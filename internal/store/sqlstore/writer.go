package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	// queueLength bounds the steps that wait; then callers wait to get in.
	queueLength = 4096
	// batchSteps bounds a batch, and with it the time a step waits for its
	// neighbours.
	batchSteps = 512
	// queueWait bounds the time a step waits to be taken into a batch.
	queueWait = 5 * time.Second
	// drainWait bounds the time that closing waits for a database that is away.
	drainWait = 10 * time.Second
	// tries bounds how often a batch that met another node is tried.
	tries = 10
	// keyReserve is how many row keys are reserved at once, and keyFloor how
	// many have to be left before a batch begins.
	keyReserve = 1 << 15
	keyFloor   = 1 << 13
)

// Options are what a writer needs besides its engine.
type Options struct {
	Logger *slog.Logger
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
	// OnCommit, if set, hears of every commit: how many steps it held and how
	// long it took from the first load until it was on disk. It must not block.
	OnCommit func(steps int, took time.Duration)
	// OnDelivery, if set, is called after a commit that made deliveries, or
	// made some due that were not. It must not block.
	OnDelivery func()
}

// Figures describe a writer for metrics.
type Figures struct {
	// Queued is the number of steps waiting now.
	Queued int
	// Batches and Steps were committed since the start.
	Batches, Steps int64
	// Failed counts steps that ended with an error.
	Failed int64
	// LastCommit is when a commit last succeeded; zero if none has.
	LastCommit time.Time
	// Unavailable says why nothing can be committed now; empty when it can.
	Unavailable string
}

// Writer commits steps in batches on one goroutine.
type Writer struct {
	engine Engine
	Options
	queue chan *request
	keys  keyBlock
	known memory
	// These count the batches to come that are not guessed at; see try.
	waryOfKeys, waryOfRows int

	// stop ends the waiting for a lost database; closing refuses new steps.
	ctx     context.Context
	stop    context.CancelFunc
	mu      sync.RWMutex
	closing bool
	done    chan struct{}

	batches, steps, failed, lastCommit atomic.Int64
	unavailable                        atomic.Pointer[string]
}

// request is a step on its way.
type request struct {
	step     any
	contents []string
	key      chat.ConversationKey
	// order is the place in the queue among the steps taken with this one.
	order int
	// state is moved by whoever comes first: the writer that takes the step,
	// or the caller that gives up waiting.
	state   atomic.Int32
	done    chan struct{}
	outcome any
	err     error
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// NewWriter starts a writer. [Writer.Drain] ends it.
func NewWriter(engine Engine, o Options) *Writer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Writer{engine: engine, Options: o, queue: make(chan *request, queueLength), done: make(chan struct{})}
	w.ctx, w.stop = context.WithCancel(context.Background())
	go w.run()
	return w
}

var errClosed = fault.New(fault.Unavailable, "the store is closing")

// Commit implements [store.Writer]. A step that waits longer than five seconds
// to be taken up is refused as unavailable. When ctx ends before that, the step
// is not stored.
func (w *Writer) Commit(ctx context.Context, step store.Step) (any, error) {
	return w.submit(ctx, step)
}

func (w *Writer) submit(ctx context.Context, step any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	step, contents, err := prepare(step)
	if err != nil {
		return nil, err
	}
	r := &request{step: step, contents: contents, key: conversationOf(step), done: make(chan struct{})}
	timer := time.NewTimer(queueWait)
	defer timer.Stop()
	if err := w.enqueue(ctx, r, timer); err != nil {
		return nil, err
	}
	select {
	case <-r.done:
		return r.outcome, r.err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("the step may or may not be stored: %w", ctx.Err())
	case <-timer.C:
		if r.state.CompareAndSwap(waiting, abandoned) {
			return nil, w.busy()
		}
	}
	select {
	case <-r.done:
		return r.outcome, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the step may or may not be stored: %w", ctx.Err())
	}
}

func (w *Writer) enqueue(ctx context.Context, r *request, timer *time.Timer) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closing {
		return errClosed
	}
	select {
	case w.queue <- r:
		return nil
	default:
	}
	select {
	case w.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return w.busy()
	case <-w.ctx.Done():
		return errClosed
	}
}

// busy is the error for a step that waited too long.
func (w *Writer) busy() error {
	if why := w.unavailable.Load(); why != nil {
		return fault.New(fault.Unavailable, "%s", *why)
	}
	return fault.New(fault.Unavailable, "the database is too busy; try again in a moment")
}

// Figures returns the writer's figures.
func (w *Writer) Figures() Figures {
	f := Figures{
		Queued: len(w.queue), Batches: w.batches.Load(), Steps: w.steps.Load(), Failed: w.failed.Load(),
		LastCommit: timeOf(w.lastCommit.Load()),
	}
	if why := w.unavailable.Load(); why != nil {
		f.Unavailable = *why
	}
	return f
}

// Drain refuses new steps, commits those that wait, and ends the writer. While
// the database is away it gives the waiting ones back as unavailable. It may be
// called twice.
func (w *Writer) Drain() {
	// Callers that wait for a place in the queue hold the lock for reading.
	if w.unavailable.Load() != nil {
		w.stop()
	}
	w.mu.Lock()
	if !w.closing {
		w.closing = true
		close(w.queue)
	}
	w.mu.Unlock()
	if w.unavailable.Load() != nil {
		w.stop()
	}
	timer := time.AfterFunc(drainWait, w.stop)
	defer timer.Stop()
	<-w.done
	w.stop()
}
