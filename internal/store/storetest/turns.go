package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

func testTurnsInOrder(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.conversation("p")
	first := do(k, k.inbound(c, "1")).Turn
	second := do(k, k.inbound(c, "2")).Turn
	third := do(k, k.inbound(c, "3")).Turn
	equal(k, "second", second.Status, chat.TurnWaiting)
	equal(k, "third", third.Status, chat.TurnWaiting)
	if out := do(k, store.ClaimTurns{Owner: me, Limit: 10, Now: k.now}); len(out.Turns) != 0 {
		t.Errorf("claimed %+v, want none while the head is at work", out.Turns)
	}
	out := do(k, k.finish(first, says("a1")))
	if out.Next == nil || out.Next.Key != second.Key || out.Next.Status != chat.TurnClaimed {
		t.Fatalf("next %+v, want the second turn", out.Next)
	}
	out = do(k, k.finish(out.Next, says("a2")))
	if out.Next == nil || out.Next.Key != third.Key {
		t.Fatalf("next %+v, want the third turn", out.Next)
	}
	do(k, k.finish(out.Next, says("a3")))
	k.statuses(c, chat.TurnDone, chat.TurnDone, chat.TurnDone)
}

func testCollect(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := func(text string) store.Accepted {
		step := k.inbound(c, text)
		step.Answerer.Collect = true
		return do(k, step)
	}
	first := in("1")
	second, third := in("2"), in("3")
	if second.Turn.Key == first.Turn.Key || third.Turn.Key != second.Turn.Key || third.Turn.FirstSeq != 2 || third.Turn.LastSeq != 3 {
		t.Errorf("turns %+v, %+v, want one for the second and third", second.Turn, third.Turn)
	}
	out := do(k, k.finish(first.Turn, says("a1")))
	if out.Next == nil || out.Next.FirstSeq != 2 || out.Next.LastSeq != 3 {
		t.Fatalf("next %+v", out.Next)
	}
	if late := in("4"); late.Turn.Key == out.Next.Key {
		t.Errorf("entry 4 joined a turn at work")
	}
}

func testLate(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello"))
	waiting := do(k, k.inbound(c, "more")).Turn
	moved := do(k, k.move(in.Episode, chat.Change{Move: chat.Take, Agent: "ag"}))
	equal(k, "epoch", moved.Episode.Epoch, in.Episode.Epoch+1)
	r := says("late")
	r.State, r.SetState = []byte("late"), true
	r.Change = &chat.Change{Move: chat.HandOver, Queue: "sales"}
	out := do(k, k.finish(in.Turn, r))
	if !out.Late || out.Next != nil || out.Episode.Control != chat.ControlHuman || out.Episode.State != nil || out.Episode.Revision != 0 {
		t.Errorf("finished %+v, want late and nothing moved", out)
	}
	k.logs(c, "1|contact|all|hello", "2|contact|all|more", "0|assistant|desk|late")
	k.statuses(c, chat.TurnDropped, chat.TurnDropped)
	equal(k, "waiting turn", waiting.Status, chat.TurnWaiting)
	equal(k, "open turns", k.handling(c).OpenTurns, 0)
	if p := must[chat.VisiblePage](k)(k.VisiblePage(t.Context(), c.Key, chat.Page{Limit: 10})); p.Total != 2 {
		t.Errorf("the contact sees %d entries, want 2", p.Total)
	}
	// Late after the end: the note stays in the closed episode.
	d := k.conversation("q")
	in = do(k, k.inbound(d, "hello"))
	do(k, k.move(in.Episode, chat.Change{Move: chat.Finish, Outcome: "closed"}))
	next := do(k, k.inbound(d, "new"))
	equal(k, "turn behind one at work", next.Turn.Status, chat.TurnWaiting)
	out = do(k, k.finish(in.Turn, says("late")))
	if !out.Late || out.Entries[0].Episode != in.Episode.Key || out.Next == nil || out.Next.Key != next.Turn.Key {
		t.Errorf("finished %+v, want a note in the old episode and the new turn next", out)
	}
}

func testLost(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello"))
	for name, spoil := range map[string]func(*store.FinishTurn){
		"node": func(s *store.FinishTurn) { s.Owner.Node = "other" },
		"boot": func(s *store.FinishTurn) { s.Owner.Boot++ },
		"turn": func(s *store.FinishTurn) { s.Turn += 1000 },
	} {
		step := k.finish(in.Turn, says("wrong"))
		spoil(&step)
		if out := do(k, step); !out.Lost || len(out.Entries) != 0 {
			t.Errorf("%s: %+v, want lost", name, out)
		}
	}
	do(k, k.finish(in.Turn, says("right")))
	equal(k, "second answer", do(k, k.finish(in.Turn, says("twice"))).Lost, true)
	equal(k, "postponed after the answer", do(k, store.PostponeTurn{Conversation: c.Key, Turn: in.Turn.Key, Owner: me, DueAt: k.now}).Lost, true)
	k.logs(c, "1|contact|all|hello", "2|assistant|all|right")
}

func testFailed(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello"))
	next := do(k, k.inbound(c, "and"))
	step := k.finish(in.Turn, says("sorry"))
	step.Failed, step.Error = true, "model said\x00 no \xff"+strings.Repeat("x", 10_000)
	out := do(k, step)
	if out.Lost || out.Next == nil || out.Next.Key != next.Turn.Key {
		t.Errorf("finished %+v", out)
	}
	failed := must[[]chat.Turn](k)(k.Turns(t.Context(), store.TurnFilter{Status: chat.TurnFailed}))
	if len(failed) != 1 || failed[0].Key != in.Turn.Key || !strings.HasPrefix(failed[0].LastError, "model said no") || len(failed[0].LastError) > 4000 {
		t.Errorf("failed turns %.300v", failed)
	}
	equal(k, "stats", must[store.Stats](k)(k.Stats(t.Context())).FailedTurns, int64(1))
}

func testPostponed(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello"))
	due := k.now.Add(time.Minute)
	if out := do(k, store.PostponeTurn{Conversation: c.Key, Turn: in.Turn.Key, Owner: me, DueAt: due, Error: "down", CountAttempt: true}); out.Lost {
		t.Fatal("lost")
	}
	turns := k.statuses(c, chat.TurnWaiting)
	if turns[0].Attempts != 1 || turns[0].LastError != "down" || !turns[0].DueAt.Equal(due) {
		t.Errorf("turn %+v", turns[0])
	}
	behind := do(k, k.inbound(c, "more"))
	equal(k, "turn behind a postponed one", behind.Turn.Status, chat.TurnWaiting)
	claim := func() []chat.Turn { return do(k, store.ClaimTurns{Owner: me, Limit: 10, Now: k.now}).Turns }
	if got := claim(); len(got) != 0 {
		t.Errorf("claimed %+v before it is due", got)
	}
	k.now = due
	got := claim()
	if len(got) != 1 || got[0].Key != in.Turn.Key || got[0].Status != chat.TurnClaimed || got[0].Attempts != 1 {
		t.Fatalf("claimed %+v, want the postponed turn", got)
	}
	// A turn given back after control moved has nobody to answer for.
	do(k, k.move(in.Episode, chat.Change{Move: chat.Take, Agent: "ag"}))
	do(k, store.PostponeTurn{Conversation: c.Key, Turn: in.Turn.Key, Owner: me, DueAt: due})
	k.statuses(c, chat.TurnDropped, chat.TurnDropped)
}

func testReclaimBoot(t *testing.T, db DB) {
	k := open(t, db)
	boot1 := store.Owner{Node: owner, Boot: do(k, store.RenewLease{Node: owner, Life: life}).Boot}
	c := k.conversation("p")
	step := k.inbound(c, "hello")
	step.Owner = boot1
	in := do(k, step)
	if got := do(k, store.ClaimTurns{Owner: boot1, Limit: 10, Now: k.now}).Turns; len(got) != 0 {
		t.Errorf("claimed %+v from a living boot", got)
	}
	boot2 := store.Owner{Node: owner, Boot: do(k, store.RenewLease{Node: owner, Life: life}).Boot}
	got := do(k, store.ClaimTurns{Owner: boot2, Limit: 10, Now: k.now}).Turns
	if len(got) != 1 || got[0].Key != in.Turn.Key {
		t.Fatalf("claimed %+v, want the turn of the older boot at once", got)
	}
	lost := k.finish(in.Turn, says("from the dead"))
	lost.Owner = boot1
	equal(k, "answer of the older boot", do(k, lost).Lost, true)
	lost.Owner = boot2
	equal(k, "answer of the newer boot", do(k, lost).Lost, false)
}

func testReclaimLease(t *testing.T, db DB) {
	k := open(t, db).lease()
	var turns []*chat.Turn
	for i, other := range []struct {
		node string
		life time.Duration
	}{{"living", life}, {"dead", -time.Minute}} {
		boot := do(k, store.RenewLease{Node: other.node, Life: other.life}).Boot
		step := k.inbound(k.conversation(fmt.Sprint("p", i)), "hello")
		step.Owner = store.Owner{Node: other.node, Boot: boot}
		turns = append(turns, do(k, step).Turn)
	}
	step := k.inbound(k.conversation("unknown"), "hello")
	step.Owner = store.Owner{Node: "never seen", Boot: 1}
	turns = append(turns, do(k, step).Turn)
	got := do(k, store.ClaimTurns{Owner: me, Limit: 10, Now: k.now}).Turns
	if len(got) != 2 || got[0].Key != turns[1].Key || got[1].Key != turns[2].Key {
		t.Errorf("claimed %+v, want those of the dead and the unknown node, oldest first", got)
	}
	for i := range 5 {
		do(k, step2(k, fmt.Sprint("limit", i)))
	}
	equal(k, "claimed of five with limit 2", len(do(k, store.ClaimTurns{Owner: me, Limit: 2, Now: k.now}).Turns), 2)
	equal(k, "claimed of the rest", len(do(k, store.ClaimTurns{Owner: me, Limit: 100, Now: k.now}).Turns), 3)
}

// step2 is a turn nobody has claimed.
func step2(k *kit, place string) store.Accept {
	step := k.inbound(k.conversation(place), "hello")
	step.Owner = store.Owner{}
	return step
}

func testClaimDropsStale(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello")) // claimed by a node without a lease
	do(k, k.move(in.Episode, chat.Change{Move: chat.Finish, Outcome: "closed"}))
	fresh := do(k, k.inbound(c, "new"))
	got := do(k, store.ClaimTurns{Owner: store.Owner{Node: "n2", Boot: 1}, Limit: 10, Now: k.now}).Turns
	if len(got) != 1 || got[0].Key != fresh.Turn.Key {
		t.Errorf("claimed %+v, want only the turn of the open episode", got)
	}
	k.statuses(c, chat.TurnDropped, chat.TurnClaimed)
	equal(k, "open turns", k.handling(c).OpenTurns, 1)
}

func testLease(t *testing.T, db DB) {
	k := open(t, db)
	renew := func(boot int64, life time.Duration) store.RenewedLease {
		return do(k, store.RenewLease{Node: "n", Boot: boot, Life: life})
	}
	first := renew(0, life)
	if first.Boot == 0 || time.Until(first.Until) < life/2 || time.Until(first.Until) > 2*life {
		t.Errorf("first lease %+v", first)
	}
	equal(k, "renewed", renew(first.Boot, life).Boot, first.Boot)
	second := renew(0, life)
	if second.Boot <= first.Boot {
		t.Errorf("a fresh start has boot %d after %d", second.Boot, first.Boot)
	}
	if got := renew(first.Boot, life); got.Boot <= second.Boot {
		t.Errorf("an older boot renewed as %d, want a new boot", got.Boot)
	}
	lapsed := renew(0, -time.Second)
	if got := renew(lapsed.Boot, life); got.Boot <= lapsed.Boot {
		t.Errorf("a lapsed lease was renewed as boot %d, want a new boot", got.Boot)
	}
}

func testTwoClaim(t *testing.T, db DB) {
	if !db.Shared() {
		return
	}
	k := open(t, db)
	other := open(t, db)
	const turns = 60
	for i := range turns {
		do(k, step2(k, fmt.Sprint("p", i)))
	}
	for i := range 2 {
		do(k, store.RenewLease{Node: fmt.Sprint("n", i), Life: life})
	}
	claimed := make([][]chat.Turn, 8)
	err := together(len(claimed), func(i int) error {
		s := []store.Store{k.Store, other.Store}[i%2]
		for range 20 {
			out, err := store.Do(context.Background(), s, store.ClaimTurns{Owner: store.Owner{Node: fmt.Sprint("n", i%2), Boot: 1}, Limit: 7, Now: k.now})
			if err != nil {
				return err
			}
			claimed[i] = append(claimed[i], out.Turns...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[chat.TurnKey]bool{}
	for _, some := range claimed {
		for _, turn := range some {
			if seen[turn.Key] {
				t.Errorf("turn %d was claimed twice", turn.Key)
			}
			seen[turn.Key] = true
		}
	}
	equal(k, "turns claimed", len(seen), turns)
}
