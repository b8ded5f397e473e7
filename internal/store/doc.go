// Package store is the contract between the gateway and its database: steps
// that change a conversation, and queries that read.
//
// A step is a value without closures or I/O. One writer per node commits all
// queued steps in one transaction, sorted by conversation so that two nodes
// never deadlock. When a step fails unexpectedly, the transaction is rolled
// back and each step runs alone, so that only the culprit fails. A duplicate,
// a lost claim and a stale epoch are outcomes, not errors.
//
// An error of [Do] means that nothing of the step was stored, with two
// exceptions: the context ended while the commit was under way, or the
// connection to the database was lost in that moment. Then the step may be
// stored; de-duplication makes the caller's repeat harmless. An error's kind is
// fault.Unavailable when the same step may succeed later (database gone, disk
// full, queue closed), fault.Invalid when the step breaks a rule, and
// fault.NotFound when it names a row that does not exist.
package store

import "context"

// Step is one business step. The step types of this package are its only
// implementations.
type Step interface{ step() }

// StepFor is a step whose outcome is an O.
type StepFor[O any] interface {
	Step
	outcome(O)
}

// Writer commits steps.
type Writer interface {
	// Commit queues the step, waits until the transaction that holds it is on
	// disk, and returns the outcome that belongs to the step's type. Once the
	// step is queued, a cancelled context no longer stops it: Commit returns
	// ctx.Err() and the step may or may not be stored.
	Commit(ctx context.Context, step Step) (any, error)
}

// Do commits a step and returns its outcome.
func Do[O any](ctx context.Context, w Writer, step StepFor[O]) (O, error) {
	got, err := w.Commit(ctx, step)
	if err != nil {
		var none O
		return none, err
	}
	return got.(O), nil
}
