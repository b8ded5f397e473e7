package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// run is the writer's goroutine.
func (w *Writer) run() {
	defer close(w.done)
	var batch []*request
	for first := range w.queue {
		batch = w.gather(append(batch[:0], first))
		if err := w.ready(); err != nil {
			w.answerAll(batch, err)
			continue
		}
		batch = take(batch)
		for i, r := range batch {
			r.order = i
		}
		w.commit(batch)
	}
}

// gather takes what has queued up while the last commit was under way. It
// yields first, for the callers just answered are about to queue their next
// steps: without that, batches alternate between few and many.
func (w *Writer) gather(batch []*request) []*request {
	for range 2 {
		runtime.Gosched()
		for n := len(w.queue); n > 0 && len(batch) < batchSteps; n-- {
			r, open := <-w.queue
			if !open {
				return batch
			}
			batch = append(batch, r)
		}
	}
	return batch
}

// take keeps the requests whose callers still wait.
func take(batch []*request) []*request {
	return slices.DeleteFunc(batch, func(r *request) bool { return !r.state.CompareAndSwap(waiting, taken) })
}

// ready waits until the engine can begin a transaction and keys are at hand.
func (w *Writer) ready() error {
	if err := w.engine.Ready(w.ctx); err != nil {
		return errClosed
	}
	for w.keys.left() < keyFloor {
		err := w.reserve()
		if err == nil {
			break
		}
		d := w.engine.Diagnose(err)
		if d.Again {
			continue
		}
		return w.fault(err, d)
	}
	return nil
}

// reserve takes a block of row keys. What a crash loses of it is a gap.
func (w *Writer) reserve() error {
	var end int64
	err := w.engine.Alone(w.ctx, func(tx Tx) error {
		if _, err := tx.Exec(w.ctx, `UPDATE sequence SET next = next + $1 WHERE name = 'key'`, int64(keyReserve)); err != nil {
			return err
		}
		return tx.Query(w.ctx, func(r Row) error { return r.Scan(&end) }, `SELECT next FROM sequence WHERE name = 'key'`)
	})
	if err != nil {
		return fmt.Errorf("reserve row keys: %w", err)
	}
	w.keys = keyBlock{next: end - keyReserve, end: end}
	return nil
}

// commit carries out requests that were taken and answers them.
func (w *Writer) commit(requests []*request) {
	slices.SortStableFunc(requests, func(a, b *request) int { return cmp.Compare(a.key, b.key) })
	var batch []*request
	for _, r := range requests {
		if !alone(r.step) {
			batch = append(batch, r)
		}
	}
	if len(batch) > 0 {
		w.commitBatch(batch)
	}
	for _, r := range requests {
		if alone(r.step) {
			w.commitAlone(r)
		}
	}
}

// commitBatch tries the steps together and, when that fails for no reason of
// the database, each alone, so that only the culprit fails.
func (w *Writer) commitBatch(batch []*request) {
	err := w.insist(len(batch), func() error { return w.try(batch) })
	if err == nil {
		w.answer(batch)
		return
	}
	diagnosis := w.engine.Diagnose(err)
	if len(batch) == 1 || diagnosis.Unavailable != "" {
		w.answerAll(batch, w.fault(err, diagnosis))
		return
	}
	w.Logger.Warn("a batch of steps failed; each is tried alone", "steps", len(batch), "error", err)
	// In the order of the queue: a room ends up where its last step moves it.
	slices.SortFunc(batch, func(a, b *request) int { return cmp.Compare(a.order, b.order) })
	for _, r := range batch {
		one := []*request{r}
		if err := w.ready(); err != nil {
			w.answerAll(one, err)
			continue
		}
		w.commitBatch(one)
	}
}

func (w *Writer) commitAlone(r *request) {
	err := w.insist(1, func() error {
		return w.guarded(func() error {
			return w.engine.Alone(w.ctx, func(tx Tx) (err error) {
				x := single{Tx: tx, engine: w.engine, keys: &w.keys, touched: w.known.forget}
				r.outcome, err = x.run(w.ctx, r.step)
				return err
			})
		})
	})
	if err != nil {
		err = w.fault(err, w.engine.Diagnose(err))
		w.answerAll([]*request{r}, err)
		return
	}
	switch r.step.(type) {
	case store.ChangeDelivery, store.MakeEndpointDue:
		w.deliver()
	}
	w.answer([]*request{r})
}

// deliver tells that there is something to send.
func (w *Writer) deliver() {
	if w.OnDelivery != nil {
		w.OnDelivery()
	}
}

// insist repeats work while another node is in its way.
func (w *Writer) insist(steps int, work func() error) error {
	for try := 1; ; try++ {
		began := time.Now()
		err := work()
		if err == nil {
			w.committed(steps, time.Since(began))
			return nil
		}
		if try == tries || !w.engine.Diagnose(err).Again && !errors.Is(err, errKeys) {
			return err
		}
		if w.keys.left() < keyFloor || errors.Is(err, errKeys) {
			if err := w.reserve(); err != nil {
				return err
			}
		}
	}
}

func (w *Writer) committed(steps int, took time.Duration) {
	w.batches.Add(1)
	w.steps.Add(int64(steps))
	w.lastCommit.Store(time.Now().UnixMilli())
	w.unavailable.Store(nil)
	if w.OnCommit != nil {
		w.OnCommit(steps, took)
	}
}

// After a wrong guess, so many batches are carried out without.
const (
	waryOfKeys = 64
	waryOfRows = 16
)

// guess is what a batch takes for granted to spare reading it. Writing fails
// where it is wrong, whoever has made it so; then the batch is carried out once
// more, without.
type guess struct {
	// newKeys takes the keys by which repeats are known for new ones: hardly any
	// is there already, and inserting one that is fails.
	newKeys bool
	// sameRows takes remembered conversations for what they were, where others
	// write too.
	sameRows bool
}

// try carries out one batch.
func (w *Writer) try(batch []*request) error {
	wrong, err := w.attempt(batch, guess{newKeys: w.waryOfKeys == 0, sameRows: w.waryOfRows == 0})
	w.waryOfKeys, w.waryOfRows = max(w.waryOfKeys-1, 0), max(w.waryOfRows-1, 0)
	if wrong.newKeys {
		w.waryOfKeys = waryOfKeys
	}
	if wrong.sameRows {
		w.waryOfRows = waryOfRows
	}
	if wrong != (guess{}) {
		_, err = w.attempt(batch, guess{})
	}
	return err
}

// attempt loads, decides and writes one batch. Steps that are refused keep their
// error and do not disturb the others. An error comes with what may have been
// guessed wrong.
func (w *Writer) attempt(batch []*request, g guess) (wrong guess, err error) {
	b := newBatch(w.Now(), &w.keys)
	var p pending
	for _, r := range batch {
		p.step(r.step)
	}
	if g.newKeys {
		p.dedupes = nil
	}
	load := w.recall(b, &p, g)
	committed := false
	defer func() {
		if !committed {
			w.known.lose(b)
		}
	}()
	if err := w.engine.Begin(w.ctx, b.loads(&p, load)); err != nil {
		return guess{}, fmt.Errorf("load: %w", err)
	}
	var writes []Write
	err = w.guarded(func() error {
		if err := w.decideAll(b, batch); err != nil {
			return err
		}
		writes = b.changes()
		return nil
	})
	if err == nil && !w.engine.Exclusive() && b.unproven(&p) {
		wrong.sameRows, err = true, errUnproven
	}
	if err != nil {
		w.engine.Rollback()
		return wrong, err
	}
	stamp, err := w.engine.Commit(w.ctx, writes)
	if err != nil {
		d := w.engine.Diagnose(err)
		wrong.newKeys = g.newKeys && len(b.rows[insertDedupe]) > 0 && d.Taken
		wrong.sameRows = d.Stale
		return wrong, fmt.Errorf("commit: %w", err)
	}
	committed = true
	if b.due || len(b.rows[promoteDelivery]) > 0 {
		w.deliver()
	}
	w.known.keep(b, w.engine.Exclusive(), stamp)
	return guess{}, nil
}

// recall moves remembered conversations into the batch and returns those that
// have to be loaded.
func (w *Writer) recall(b *batch, p *pending, g guess) map[chat.ConversationKey]bool {
	switch {
	case w.engine.Exclusive():
		return w.known.recall(b, p.conversations)
	case g.sameRows:
		return w.known.recallAll(b, p)
	default:
		return p.conversations
	}
}

// errUnproven means that steps were decided by remembered rows and write
// nothing, so that nothing would tell if the rows were old.
var errUnproven = errors.New("decided by what may be old")

// unproven reports whether that is so.
func (b *batch) unproven(p *pending) bool {
	for key := range p.accepting {
		if v := b.conversations[key]; v != nil && v.recalled && !v.dirty {
			return true
		}
	}
	return false
}

func (w *Writer) decideAll(b *batch, batch []*request) error {
	need := int64(0)
	for _, r := range batch {
		need += b.keysNeeded(r.step)
	}
	if need > w.keys.left() {
		return errKeys
	}
	for _, r := range batch {
		b.order = r.order
		r.outcome, r.err = b.decide(r.step, r.contents)
		if r.err != nil && fault.KindOf(r.err) == fault.Internal {
			return r.err
		}
	}
	return nil
}

// guarded turns a panic of a decision into an error of its batch.
func (w *Writer) guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == any(errKeys) {
				err = errKeys
				return
			}
			w.Logger.Error("a step panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return work()
}

// fault shapes an error for the caller and notes whether the database is gone.
func (w *Writer) fault(err error, d Diagnosis) error {
	var known *fault.Error
	switch {
	case d.Unavailable != "":
		w.unavailable.Store(&d.Unavailable)
		return fault.Wrap(err, fault.Unavailable, "%s", d.Unavailable)
	case d.Again:
		return fault.Wrap(err, fault.Unavailable, "the database is too busy; try again in a moment")
	case errors.As(err, &known):
		return err
	default:
		return fmt.Errorf("the step could not be stored: %w", err)
	}
}

func (w *Writer) answer(batch []*request) {
	for _, r := range batch {
		if r.err != nil {
			w.failed.Add(1)
		}
		close(r.done)
	}
}

func (w *Writer) answerAll(batch []*request, err error) {
	for _, r := range batch {
		r.outcome, r.err = nil, err
	}
	w.answer(batch)
}
