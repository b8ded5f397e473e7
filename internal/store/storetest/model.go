package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// model is what the random test expects of one conversation; see its check.
type model struct {
	conv    chat.Conversation
	episode chat.Episode
	visible int64
	seq     int64
	// owed are contact entries that must be in exactly one turn.
	owed []int64
	// at is the turns at work, by key.
	atWork map[chat.TurnKey]*chat.Turn
	keys   []string
}

// testModel takes random steps on a few conversations, keeps count of what must
// follow, and checks the log and the turns in the end.
func testModel(t *testing.T, db DB) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	k := open(t, db).lease()
	all := make([]*model, 4)
	for i := range all {
		all[i] = &model{conv: k.conversation(fmt.Sprint("p", i)), atWork: map[chat.TurnKey]*chat.Turn{}}
	}
	steps := 600
	if testing.Short() {
		steps = 200
	}
	for range steps {
		m := all[r.IntN(len(all))]
		k.tick(time.Duration(r.IntN(2000)-500) * time.Millisecond)
		m.random(k, r)
	}
	for _, m := range all {
		m.settle(k)
		m.check(k)
	}
}

func (m *model) random(k *kit, r *rand.Rand) {
	switch n := r.IntN(100); {
	case n < 35:
		m.accept(k, r, false)
	case n < 60:
		m.accept(k, r, true)
	case n < 80:
		m.answer(k, r)
	case n < 85:
		m.postpone(k)
	case n < 90 && m.seq > 0:
		target := 1 + r.Int64N(m.seq)
		out, err := store.Do(context.Background(), k.Store, store.Append{Conversation: m.conv.Key, Entries: []chat.Draft{change(chat.Edit, target, "edited")}, Now: k.now})
		if err == nil {
			m.grown(out.Entries)
		} else if !fault.Is(err, fault.Invalid) { // it hit an edit
			k.Fatal(err)
		}
	case n < 97:
		m.move(k, r)
	default:
		out := do(k, store.ClaimTurns{Owner: store.Owner{Node: owner, Boot: 1}, Limit: 5, Now: k.now})
		for _, t := range out.Turns {
			if t.Conversation == m.conv.Key {
				m.atWork[t.Key] = &t
			} else {
				do(k, store.PostponeTurn{Conversation: t.Conversation, Turn: t.Key, Owner: me, DueAt: k.now})
			}
		}
	}
}

func (m *model) grown(entries []chat.Entry) {
	for _, e := range entries {
		m.seq++
		if e.Visible() {
			m.visible++
		}
	}
}

func (m *model) accept(k *kit, r *rand.Rand, fold bool) {
	step := k.inbound(m.conv, fmt.Sprint("n", m.seq))
	step.Answerer.Collect = r.IntN(2) == 0
	if fold {
		step.Fold = &store.Fold{Episode: m.episode.Key, Epoch: m.episode.Epoch, Revision: m.episode.Revision, Reply: store.Reply{
			Entries: []chat.Draft{answer("instant")}, State: []byte("s"), SetState: r.IntN(2) == 0,
		}}
		if !m.episode.Open() {
			step.Fold.Episode = 0
		}
	}
	key := fmt.Sprintf("%s/%d", m.conv.Place, len(m.keys))
	repeat := len(m.keys) > 0 && r.IntN(4) == 0
	if repeat {
		key = m.keys[r.IntN(len(m.keys))]
	} else {
		m.keys = append(m.keys, key)
	}
	step.Dedupe = &store.Dedupe{Key: key, Life: 1000 * time.Hour}
	out := do(k, step)
	if out.Duplicate != repeat {
		k.Fatalf("key %s: duplicate %v, want %v", key, out.Duplicate, repeat)
	}
	if repeat {
		return
	}
	m.grown([]chat.Entry{out.Entry})
	m.grown(out.Replies)
	if fold && out.Folded != (len(m.atWork) == 0 && out.Turn == nil && (m.episode.Control == chat.ControlAssistant || !m.episode.Open())) {
		k.Fatalf("folded %v with %d turns at work and %+v", out.Folded, len(m.atWork), m.episode)
	}
	m.episode = out.Episode
	if out.Folded || out.Turn != nil {
		m.owed = append(m.owed, out.Entry.Seq)
	}
	if out.Turn != nil && out.Turn.Status == chat.TurnClaimed {
		m.atWork[out.Turn.Key] = out.Turn
	}
}

// oldest returns a turn at work, or nil.
func (m *model) oldest() *chat.Turn {
	var found *chat.Turn
	for _, t := range m.atWork {
		if found == nil || t.FirstSeq < found.FirstSeq {
			found = t
		}
	}
	return found
}

func (m *model) answer(k *kit, r *rand.Rand) {
	t := m.oldest()
	if t == nil {
		return
	}
	step := k.finish(t, says("answer"))
	step.Failed = r.IntN(5) == 0
	out := do(k, step)
	if out.Lost {
		k.Fatalf("turn %+v was lost", t)
	}
	if late := !m.episode.Open() || m.episode.Key != t.Episode || m.episode.Epoch != t.Epoch; out.Late != late {
		k.Fatalf("turn %+v late = %v under %+v", t, out.Late, m.episode)
	}
	delete(m.atWork, t.Key)
	m.grown(out.Entries)
	if out.Next != nil {
		m.atWork[out.Next.Key] = out.Next
	}
	if m.episode.Open() {
		m.episode = out.Episode
	}
}

func (m *model) postpone(k *kit) {
	if t := m.oldest(); t != nil {
		do(k, store.PostponeTurn{Conversation: m.conv.Key, Turn: t.Key, Owner: me, DueAt: k.now, CountAttempt: true})
		delete(m.atWork, t.Key)
	}
}

func (m *model) move(k *kit, r *rand.Rand) {
	if !m.episode.Open() {
		return
	}
	moves := []chat.Move{chat.HandOver, chat.Take, chat.GiveBack, chat.Requeue, chat.Finish}
	c := chat.Change{Move: moves[r.IntN(len(moves))], At: k.now}
	if _, err := m.episode.Apply(c); err != nil {
		return
	}
	step := k.move(m.episode, c)
	step.Entries = []chat.Draft{answer("moving")}
	out := do(k, step)
	if out.Stale {
		k.Fatalf("stale under %+v", m.episode)
	}
	m.grown(out.Entries)
	m.episode = out.Episode
}

// settle answers everything that is still owed.
func (m *model) settle(k *kit) {
	k.tick(time.Hour)
	for {
		for m.oldest() != nil {
			m.answer(k, rand.New(rand.NewPCG(1, 1)))
		}
		for _, t := range do(k, store.ClaimTurns{Owner: me, Limit: 100, Now: k.now}).Turns {
			if t.Conversation == m.conv.Key {
				m.atWork[t.Key] = &t
			} else {
				do(k, store.PostponeTurn{Conversation: t.Conversation, Turn: t.Key, Owner: me, DueAt: k.now})
			}
		}
		if len(m.atWork) == 0 {
			return
		}
	}
}

func (m *model) check(k *kit) {
	k.Helper()
	conv := must[chat.Conversation](k)(k.Conversation(context.Background(), m.conv.Key))
	equal(k, "seq", conv.Seq, m.seq)
	equal(k, "visible seq", conv.VisibleSeq, m.visible)
	contiguous(k, conv)
	turns := must[[]chat.Turn](k)(k.Turns(context.Background(), store.TurnFilter{Conversation: m.conv.Key, Limit: 500}))
	entries := must[[]chat.Entry](k)(k.EntriesBetween(context.Background(), m.conv.Key, 1, conv.Seq))
	in := map[int64]int{}
	for _, t := range turns {
		if t.Status == chat.TurnWaiting || t.Status == chat.TurnClaimed {
			k.Errorf("turn %+v is still open", t)
		}
		for _, e := range entries {
			if t.FirstSeq <= e.Seq && e.Seq <= t.LastSeq && slices.Contains(m.owed, e.Seq) {
				in[e.Seq]++
			}
		}
	}
	for _, seq := range m.owed {
		equal(k, fmt.Sprintf("turns that hold entry %d", seq), in[seq], 1)
	}
	equal(k, "open turns", k.handling(m.conv).OpenTurns, 0)
}

// contiguous checks the two sequences of a log.
func contiguous(k *kit, conv chat.Conversation) {
	k.Helper()
	entries := must[[]chat.Entry](k)(k.EntriesBetween(context.Background(), conv.Key, 0, conv.Seq+10))
	var visible int64
	var before time.Time
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			k.Fatalf("entry %d has seq %d", i+1, e.Seq)
		}
		if e.Visible() {
			visible++
			if e.VisibleSeq != visible {
				k.Fatalf("entry %d has visible seq %d, want %d", e.Seq, e.VisibleSeq, visible)
			}
		}
		if e.CreatedAt.Before(before) {
			k.Fatalf("entry %d is older than its predecessor", e.Seq)
		}
		before = e.CreatedAt
	}
	equal(k, "entries", int64(len(entries)), conv.Seq)
	equal(k, "visible entries", visible, conv.VisibleSeq)
}

// testTwoWriters lets two stores work on the same conversations in opposite
// order; without an order of locks they would meet in a deadlock.
func testTwoWriters(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	const conversations, rounds = 12, 25
	all := k.conversations(conversations)
	var work sync.WaitGroup
	for w := range 4 {
		for n := range conversations {
			c := all[n]
			if w%2 == 1 {
				c = all[conversations-1-n]
			}
			work.Go(func() {
				for i := range rounds {
					step := k.inbound(c, "x")
					// Both writers bring the same messages.
					step.Dedupe = &store.Dedupe{Key: fmt.Sprintf("%s/%d", c.Place, i), Life: life}
					step.Raw, step.RawLife = []byte("raw"), life
					if _, err := store.Do(context.Background(), stores[w%len(stores)], step); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	work.Wait()
	for _, c := range all {
		conv := must[chat.Conversation](k)(k.Conversation(t.Context(), c.Key))
		equal(k, "entries", conv.Seq, rounds)
		equal(k, "open turns", k.handling(c).OpenTurns, rounds)
		contiguous(k, conv)
	}
}
