package sqlstore

import (
	"context"
	"errors"
	"testing"

	"parley/internal/store"
)

// sharedEngine is one of several on a database with one conversation. It counts
// how often that is loaded.
type sharedEngine struct {
	fakeEngine
	loaded int
	stamp  int64
	// seq is that of the conversation.
	seq int64
}

var errStale = errors.New("written meanwhile")

func (e *sharedEngine) Exclusive() bool { return false }

func (e *sharedEngine) Begin(_ context.Context, loads []Load) error {
	for _, l := range loads {
		if l.Lookup == lookupConversation {
			e.loaded++
			if err := l.Scan(conversationRow{e.seq}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *sharedEngine) Commit(_ context.Context, writes []Write) (int64, error) {
	for _, row := range rowsOf(writes, updateRecalled) {
		if row[1] != e.stamp {
			return 0, errStale
		}
		e.seq = row[2].(int64)
	}
	for _, row := range rowsOf(writes, updateConversation) {
		e.seq = row[1].(int64)
	}
	e.stamp++
	return e.stamp, nil
}

func (e *sharedEngine) Diagnose(err error) Diagnosis {
	return Diagnosis{Stale: errors.Is(err, errStale)}
}

// conversationRow is the row of conversation 1.
type conversationRow struct{ seq int64 }

func (r conversationRow) Scan(dest ...any) error {
	for i, d := range dest {
		if n, ok := d.(*int64); ok {
			switch i {
			case 0:
				*n = 1
			case 3:
				*n = r.seq
			}
		}
	}
	return nil
}

// TestRememberedConversations counts loads where others write, too: none for what
// this writer wrote last, one for what it did not.
func TestRememberedConversations(t *testing.T) {
	e := &sharedEngine{}
	w := NewWriter(e, Options{})
	defer w.Drain()
	say := func(owes bool, loads int) {
		t.Helper()
		before, seq := e.loaded, e.seq
		step := inbound()
		step.OwesTurn = owes
		out, err := store.Do(context.Background(), w, step)
		if err != nil {
			t.Fatal(err)
		}
		if out.Entry.Seq != seq+1 || e.loaded-before != loads {
			t.Errorf("entry %d after %d loads, want %d after %d", out.Entry.Seq, e.loaded-before, seq+1, loads)
		}
	}
	say(false, 1)
	say(false, 0)
	say(false, 0)
	e.stamp, e.seq = e.stamp+1, e.seq+5 // another writer
	say(false, 1)
	say(false, 0)
	// A step that writes nothing proves nothing, and reads for itself.
	before := e.loaded
	if out, err := store.Do(context.Background(), w, store.FinishTurn{Conversation: 1, Turn: 9}); err != nil || !out.Lost {
		t.Errorf("%+v, %v, want a lost turn", out, err)
	}
	if e.loaded != before+1 {
		t.Errorf("decided after %d loads, want 1", e.loaded-before)
	}
	say(false, 1)
	// What has open turns changes by other ways.
	say(true, 0)
	say(false, 1)
}

func TestUnprovenDecisions(t *testing.T) {
	b, v := talking(false)
	if b.unproven() {
		t.Error("a conversation that was loaded needs no proof")
	}
	v.recalled = true
	if !b.unproven() {
		t.Error("nothing proves a remembered conversation that is not written")
	}
	v.dirty = true
	if b.unproven() {
		t.Error("writing it is the proof")
	}
}
