package sqlstore

import (
	"context"
	"strings"
)

// Type is how a column's values travel.
type Type int

// The types of columns. An Int is an int64, a Text a string; Bytes may be nil.
const (
	Int Type = iota
	Text
	Bytes
)

// Column is a column of a table.
type Column struct {
	Name string
	Type Type
}

// Lookup fetches rows by key.
type Lookup struct {
	// Name is for errors.
	Name string
	// Select is the statement up to, and without, WHERE.
	Select string
	// Match are the columns compared with the key, qualified by their alias.
	Match []Column
	// Where is a further condition, or empty.
	Where string
	// Lock is the alias whose rows are locked in the order of Match on engines
	// with several writers, or empty.
	Lock string
}

// Load is a lookup for many keys.
type Load struct {
	*Lookup
	// Keys are distinct and sorted where Lock is set.
	Keys [][]any
	// Need, if set, tells whether the rows loaded so far make the lookup of a
	// key needless. An engine for which that costs more may ignore it.
	Need func(key []any) bool
	// Rare is set when Need seldom finds a key worth looking up, so that a
	// second round trip for those is better than a lookup for all.
	Rare bool
	// Scan takes one row.
	Scan func(Row) error
}

// Row is a row of a result; destinations are *int64, *string and *[]byte.
type Row interface{ Scan(dest ...any) error }

// Verb is what a [Change] does.
type Verb int

// The verbs. The key is the first Keys columns, except for Insert.
const (
	Insert Verb = iota
	Update
	Delete
	// Keep inserts rows whose key is not there and leaves those that are.
	Keep
	// Put inserts rows or replaces those with the same key, where Only allows it.
	// No two rows of a write have one key.
	Put
	// UpdateSame updates rows that nobody has written since: the second of their
	// two keys is the stamp of the commit that wrote them last, see
	// [Engine.Commit]. If one is another by now, the write fails and its
	// Diagnosis is Stale. Exclusive engines have none.
	UpdateSame
)

// Change is one way to write rows of a table.
type Change struct {
	Verb    Verb
	Table   string
	Columns []Column
	Keys    int
	// Only is the condition under which Put replaces a row, or empty.
	Only string
}

// OnConflict renders what an insertion does about rows that are there.
func (c *Change) OnConflict() string {
	var keys, sets []string
	for i, col := range c.Columns {
		if i < c.Keys {
			keys = append(keys, col.Name)
		} else {
			sets = append(sets, col.Name+" = excluded."+col.Name)
		}
	}
	on := " ON CONFLICT (" + strings.Join(keys, ", ") + ") DO "
	switch c.Verb {
	case Keep:
		return on + "NOTHING"
	case Put:
		on += "UPDATE SET " + strings.Join(sets, ", ")
		if c.Only != "" {
			on += " WHERE " + c.Only
		}
		return on
	default:
		return ""
	}
}

// Write is a change for many rows.
type Write struct {
	*Change
	Rows [][]any
}

// Tx is an open transaction.
type Tx interface {
	Query(ctx context.Context, scan func(Row) error, query string, args ...any) error
	// Exec returns the number of rows changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
}

// Engine is what a database adds for the writer, which calls it from one
// goroutine. After an error of Begin or Commit the transaction is rolled back
// and the engine is ready for the next, or [Engine.Ready] says why not.
type Engine interface {
	// Ready waits until a transaction can begin: a lost connection is made
	// again. It ends with ctx.
	Ready(ctx context.Context) error
	// Begin opens a transaction and loads rows, in order.
	Begin(ctx context.Context, loads []Load) error
	// Commit writes rows, in order, and commits. The rows written carry the stamp
	// until they are written again; exclusive engines need none and return 0.
	Commit(ctx context.Context, writes []Write) (stamp int64, err error)
	// Rollback abandons the transaction after a successful Begin.
	Rollback()
	// Alone runs work in a transaction of its own and commits.
	Alone(ctx context.Context, work func(Tx) error) error
	// Exclusive tells whether nobody else writes to the database while the
	// engine is open.
	Exclusive() bool
	// Clock is an SQL expression of the database's clock in milliseconds.
	Clock() string
	// SkipLocked ends a SELECT that takes rows nobody else works on and locks
	// them; empty where there is one writer.
	SkipLocked(alias string) string
	// Ordered is a statement after which a transaction reads in the order of
	// indexes and would rather not sort: it leaves one plan to those who look
	// for the first few of what may be many. Empty where that goes without
	// saying.
	Ordered() string
	// Diagnose tells what an error means for the batch.
	Diagnose(err error) Diagnosis
}

// Diagnosis is what an error of an engine means.
type Diagnosis struct {
	// Again is set when the same batch may succeed at once: another node was
	// in the way.
	Again bool
	// Taken is set when a row was to be inserted whose key was there.
	Taken bool
	// Stale is set when rows of an [UpdateSame] have been written meanwhile.
	Stale bool
	// Unavailable, if not empty, says to the outside why no step can be
	// committed now.
	Unavailable string
}
