package storetest

import (
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

func testAccept(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	step := k.inbound(c, "hello")
	step.Raw, step.RawLife = []byte("raw"), life
	out := do(k, step)
	e := out.Entry
	if e.Seq != 1 || e.VisibleSeq != 1 || e.Episode != out.Episode.Key || e.Origin != c.Leg || !e.CreatedAt.Equal(noon) || e.Content.Text != "hello" {
		t.Errorf("entry %+v", e)
	}
	ep := out.Episode
	if !ep.Open() || ep.Control != chat.ControlAssistant || ep.Assistant != "front-desk" || ep.Version != 3 || ep.Conversation != c.Key || !ep.LastAt.Equal(noon) {
		t.Errorf("episode %+v", ep)
	}
	turn := out.Turn
	if turn == nil || turn.Status != chat.TurnClaimed || turn.FirstSeq != 1 || turn.LastSeq != 1 || turn.Epoch != ep.Epoch || turn.Episode != ep.Key {
		t.Fatalf("turn %+v", turn)
	}
	h := k.handling(c)
	if h.Episode.ID != ep.ID || h.OpenTurns != 1 {
		t.Errorf("handling %+v", h)
	}
	reply := says("hi")
	reply.State, reply.SetState = []byte("{}"), true
	reply.Entries[0].Content.Mark = chat.MarkWelcome
	done := do(k, k.finish(turn, reply))
	if done.Lost || done.Late || done.Next != nil || len(done.Entries) != 1 || done.Entries[0].Seq != 2 || done.Episode.Revision != 1 || string(done.Episode.State) != "{}" {
		t.Errorf("finished %+v", done)
	}
	h = k.handling(c)
	if h.OpenTurns != 0 || h.LastMark != chat.MarkWelcome || string(h.Episode.State) != "{}" {
		t.Errorf("handling %+v", h)
	}
	k.logs(c, "1|contact|all|hello", "2|assistant|all|hi")
	k.statuses(c, chat.TurnDone)
	// The version stays with the episode.
	step = k.tick(time.Minute).inbound(c, "and?")
	step.Answerer = store.Answerer{Name: "other", Version: 9}
	if out := do(k, step); out.Episode.Version != 3 || out.Episode.Assistant != "front-desk" || out.Episode.Key != ep.Key {
		t.Errorf("episode %+v, want the one open", out.Episode)
	}
	// Without an owner nobody runs it now; without a debt there is no turn.
	other := k.conversation("q")
	step = k.inbound(other, "x")
	step.Owner = store.Owner{}
	equal(k, "status without owner", do(k, step).Turn.Status, chat.TurnWaiting)
	step = k.inbound(k.conversation("r"), "x")
	step.OwesTurn = false
	if out := do(k, step); out.Turn != nil || !out.Episode.Open() {
		t.Errorf("accepted %+v, want an episode and no turn", out)
	}
}

func testDuplicates(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	step := k.inbound(c, "hello")
	step.Dedupe = &store.Dedupe{Key: "k1", Hash: []byte("h1"), Life: life}
	first := do(k, step)
	k.tick(life - time.Millisecond)
	step.Now = k.now
	again := do(k, step)
	if !again.Duplicate || again.Entry.Seq != first.Entry.Seq || again.Entry.Conversation != c.Key || !again.Entry.CreatedAt.Equal(noon) || again.Turn != nil || again.Folded || again.ReusedKey {
		t.Errorf("repeat %+v", again)
	}
	equal(k, "episode", again.Episode.Key, first.Episode.Key)
	k.logs(c, "1|contact|all|hello")
	// The key alone decides when there is no hash.
	post := k.inbound(c, "post")
	post.Dedupe = &store.Dedupe{Key: "post:1", Life: life}
	do(k, post)
	post.Draft = said("post, changed")
	if out := do(k, post); !out.Duplicate || out.Entry.Seq != 2 {
		t.Errorf("same key, no hash: %+v, want a repeat of 2", out)
	}
	// A key that has expired is new, and is recognised again.
	step.Now = k.tick(life).now
	if out := do(k, step); out.Duplicate || out.ReusedKey || out.Entry.Seq != 3 {
		t.Errorf("after its life: %+v, want a new entry", out)
	}
	step.Now = k.tick(time.Minute).now
	equal(k, "repeat after the second life began", do(k, step).Duplicate, true)
}

// testRepeatsAmongNew sends repeats now and then: an engine may take keys for new
// ones until it meets one that is not.
func testRepeatsAmongNew(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	say := func(n int, text string) store.Accepted {
		step := k.inbound(c, text)
		step.Dedupe = &store.Dedupe{Key: fmt.Sprint("k", n), HashContent: true, Life: life}
		return do(k, step)
	}
	seq := int64(0)
	for n := range 3 * 70 {
		if out := say(n, "hello"); out.Duplicate || out.ReusedKey || out.Entry.Seq != seq+1 {
			t.Fatalf("message %d: %+v", n, out)
		}
		seq++
		if n%70 > 0 {
			continue
		}
		if out := say(n, "hello"); !out.Duplicate || out.Entry.Seq != seq {
			t.Errorf("repeat of %d: %+v", n, out)
		}
		if out := say(n, "another"); out.Duplicate || !out.ReusedKey {
			t.Errorf("another message with the key of %d: %+v", n, out)
		}
		seq++
	}
}

func testReusedKey(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	say := func(text string) store.Accepted {
		step := k.inbound(c, text)
		step.Dedupe = &store.Dedupe{Key: "constant", Hash: []byte(text), Life: 10 * time.Hour}
		return do(k, step)
	}
	check := func(text string, duplicate, reused bool) {
		t.Helper()
		if out := say(text); out.Duplicate != duplicate || out.ReusedKey != reused {
			t.Errorf("%q: duplicate %v, reused %v, want %v, %v", text, out.Duplicate, out.ReusedKey, duplicate, reused)
		}
	}
	check("a", false, false)
	check("a", true, false)
	check("b", false, true)
	// Resent together, both are known.
	check("a", true, false)
	check("b", true, false)
	k.tick(store.ReusedKeyLife + time.Second)
	check("b", false, false)
	check("a", false, true)
	k.tick(store.ReusedKeyLife - time.Second)
	check("a", true, false)
	k.tick(11 * time.Hour)
	check("a", false, false)
	k.tick(2 * store.ReusedKeyLife)
	check("a", true, false) // the key's history is forgotten: full life again
}

func testDuplicateAcrossConversations(t *testing.T, db DB) {
	k := open(t, db)
	a, b := k.conversation("a"), k.conversation("b")
	step := k.inbound(a, "x")
	step.Dedupe = &store.Dedupe{Key: "post:1", Life: life}
	do(k, step)
	step.Conversation = b.Key
	out := do(k, step)
	if !out.Duplicate || out.Entry.Conversation != a.Key {
		t.Errorf("%+v, want a repeat of the entry in the other conversation", out)
	}
	other := k.place("a")
	other.Channel = "st-b"
	step.Conversation = do(k, other).Conversation.Key
	equal(k, "same key on another channel is a repeat", do(k, step).Duplicate, false)
}

func testFold(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	r := says("one", "two")
	r.State, r.SetState = []byte("s1"), true
	out := do(k, k.instant(c, "hello", chat.Episode{}, r))
	if !out.Folded || out.Turn != nil || len(out.Replies) != 2 || out.Replies[1].Seq != 3 || out.Episode.Revision != 1 {
		t.Fatalf("folded %+v", out)
	}
	r.State = []byte("s2")
	out = do(k, k.instant(c, "again", out.Episode, r))
	if !out.Folded || out.Episode.Revision != 2 || string(out.Episode.State) != "s2" {
		t.Fatalf("folded %+v", out)
	}
	r = says("bye")
	r.Change = &chat.Change{Move: chat.Finish, Outcome: "finished"}
	closing := do(k, k.instant(c, "end", out.Episode, r))
	if !closing.Folded || closing.Episode.Key != 0 {
		t.Errorf("folded %+v, want no open episode", closing)
	}
	h := k.handling(c)
	if h.Episode.Open() || h.Episode.Outcome != "finished" || h.Episode.Key != out.Episode.Key || h.OpenTurns != 0 {
		t.Errorf("handling %+v", h)
	}
	k.statuses(c, chat.TurnDone, chat.TurnDone, chat.TurnDone)
	k.logs(c, "1|contact|all|hello", "2|assistant|all|one", "3|assistant|all|two",
		"4|contact|all|again", "5|assistant|all|one", "6|assistant|all|two", "7|contact|all|end", "8|assistant|all|bye")
	// An event that owes a greeting takes no visible place.
	greet := k.instant(c, "", chat.Episode{}, says("welcome"))
	greet.Draft = chat.Draft{Author: chat.Author{Kind: chat.ByContact}, Purpose: chat.Event, Visibility: chat.VisibleToDesk, Content: chat.EventContent(chat.EventConnect)}
	if out := do(k, greet); !out.Folded || out.Entry.VisibleSeq != 0 || out.Replies[0].VisibleSeq != 9 || out.Episode.Key == h.Episode.Key {
		t.Errorf("greeting %+v", out)
	}
	do(k, k.inbound(c, "q"))
	handOver := says("wait")
	handOver.Change = &chat.Change{Move: chat.HandOver, Queue: "sales"}
	if out := do(k, k.instant(c, "r", k.handling(c).Episode, handOver)); out.Folded || out.Turn == nil {
		t.Errorf("folded past an open turn: %+v", out)
	}
}

func testStaleFold(t *testing.T, db DB) {
	k := open(t, db)
	for name, spoil := range map[string]func(c chat.Conversation, step *store.Accept){
		"revision": func(_ chat.Conversation, step *store.Accept) { step.Fold.Revision++ },
		"epoch":    func(_ chat.Conversation, step *store.Accept) { step.Fold.Epoch++ },
		"episode":  func(_ chat.Conversation, step *store.Accept) { step.Fold.Episode = 0 },
		"closed by silence": func(_ chat.Conversation, step *store.Accept) {
			step.Now = noon.Add(48 * time.Hour)
			step.IdleBefore = noon.Add(24 * time.Hour)
		},
	} {
		c := k.conversation(name)
		first := do(k, k.instant(c, "hello", chat.Episode{}, says("hi")))
		step := k.instant(c, "next", first.Episode, says("wrong"))
		spoil(c, &step)
		out := do(k, step)
		if out.Folded || out.Turn == nil || out.Turn.Status != chat.TurnClaimed || len(out.Replies) != 0 {
			t.Errorf("%s: %+v, want a claimed turn and no reply", name, out)
		}
		k.logs(c, "1|contact|all|hello", "2|assistant|all|hi", "3|contact|all|next")
	}
	c := k.conversation("human")
	first := do(k, k.instant(c, "hello", chat.Episode{}, says("hi")))
	do(k, k.move(first.Episode, chat.Change{Move: chat.Take, Agent: "ag"}))
	if out := do(k, k.instant(c, "next", first.Episode, says("wrong"))); out.Folded || out.Turn != nil {
		t.Errorf("with a person: %+v, want neither fold nor turn", out)
	}
}

func testIdle(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	first := do(k, k.inbound(c, "hello"))
	step := k.tick(24*time.Hour).inbound(c, "back")
	step.IdleBefore = noon
	if out := do(k, step); out.Episode.Key != first.Episode.Key {
		t.Errorf("closed an episode whose newest entry is not older")
	}
	equal(k, "last entry of the open episode", k.handling(c).Episode.LastAt, k.now)
	step = k.tick(24*time.Hour).instant(c, "back again", chat.Episode{}, says("welcome back"))
	step.IdleBefore = k.now.Add(-time.Hour)
	out := do(k, step)
	if !out.Folded || out.Episode.Key == first.Episode.Key || out.Episode.State != nil {
		t.Fatalf("%+v, want a fold in a new episode", out)
	}
	k.statuses(c, chat.TurnDropped, chat.TurnDropped, chat.TurnDone)
	equal(k, "answer of the dropped turn is lost", do(k, k.finish(first.Turn, says("late"))).Lost, true)
	equal(k, "open turns", k.handling(c).OpenTurns, 0)

	ended := k.now
	do(k, k.move(out.Episode, chat.Change{Move: chat.Finish, Outcome: "finished"}))
	k.tick(time.Minute)
	do(k, store.Append{Conversation: c.Key, Entries: []chat.Draft{answer("by the way")}, Now: k.now})
	h := k.handling(c)
	if h.Episode.Open() || !h.Episode.LastAt.Equal(ended) {
		t.Errorf("episode %+v, want it closed, with the newest entry at %v", h.Episode, ended)
	}
}
