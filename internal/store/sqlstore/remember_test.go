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
	loaded  int
	commits int64
	// seq and stamp are those of the conversation.
	seq, stamp int64
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
		e.seq, e.stamp = row[2].(int64), e.commits+1
	}
	for _, row := range rowsOf(writes, updateConversation) {
		e.seq, e.stamp = row[1].(int64), e.commits+1
	}
	e.commits++
	return e.commits, nil
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
	e.stamp, e.seq = 99, e.seq+5 // another writer
	for range waryOfRows + 1 {
		say(false, 1)
	}
	say(false, 0)
	// What confirms needs no newer row; what moves on from a turn does.
	before := e.loaded
	if _, err := store.Do(context.Background(), w, store.ConfirmRead{Conversation: 1, Reader: "r", Seq: 1}); err != nil || e.loaded != before {
		t.Errorf("confirmed after %d loads, %v, want none", e.loaded-before, err)
	}
	say(false, 0)
	if out, err := store.Do(context.Background(), w, store.FinishTurn{Conversation: 1, Turn: 9}); err != nil || !out.Lost || e.loaded != before+1 {
		t.Errorf("%+v, %v, decided after %d loads, want a lost turn after 1", out, err, e.loaded-before)
	}
	say(false, 1)
	// What has open turns changes by other ways.
	say(true, 0)
	say(false, 1)
}

func TestUnprovenDecisions(t *testing.T) {
	b, v := talking(false)
	var p pending
	p.step(store.ConfirmRead{Conversation: 1})
	v.recalled = true
	if b.unproven(&p) {
		t.Error("a step that only reads needs no proof")
	}
	p.step(inbound())
	if !b.unproven(&p) {
		t.Error("nothing proves a remembered conversation that is not written")
	}
	v.dirty = true
	if b.unproven(&p) {
		t.Error("writing it is the proof")
	}
	v.recalled, v.dirty = false, false
	if b.unproven(&p) {
		t.Error("a conversation that was loaded needs no proof")
	}
}

// TestRecallAllOrNone has a batch load all conversations if it has to load one.
func TestRecallAllOrNone(t *testing.T) {
	var m memory
	b, v := talking(false)
	v.dirty = true
	m.keep(b, false, 1)
	for name, test := range map[string]struct {
		steps []any
		load  int
	}{
		"known":             {[]any{store.Accept{Conversation: 1}}, 0},
		"known and read":    {[]any{store.Accept{Conversation: 1}, store.ConfirmRead{Conversation: 1}}, 0},
		"known and unknown": {[]any{store.Accept{Conversation: 1}, store.Accept{Conversation: 2}}, 2},
		"with a turn":       {[]any{store.Accept{Conversation: 1}, store.FinishTurn{Conversation: 1}}, 1},
		"with a delivery":   {[]any{store.Accept{Conversation: 1}, store.EndDelivery{Delivery: 5}}, 1},
	} {
		var p pending
		for _, s := range test.steps {
			p.step(s)
		}
		fresh := newBatch(noon, &keyBlock{})
		if load := m.recallAll(fresh, &p); len(load) != test.load || len(fresh.conversations)+len(load) != len(p.conversations) {
			t.Errorf("%s: %d to load and %d recalled", name, len(load), len(fresh.conversations))
		}
	}
}
