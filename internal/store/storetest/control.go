package storetest

import (
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func testControl(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	ep := do(k, k.instant(c, "hello", chat.Episode{}, says("hi"))).Episode
	handOver := k.tick(time.Minute).move(ep, chat.Change{Move: chat.HandOver, Queue: "sales"})
	handOver.Entries = []chat.Draft{answer("please wait")}
	out := do(k, handOver)
	if out.Stale || out.Episode.Control != chat.ControlQueue || out.Episode.Queue != "sales" || out.Episode.Epoch != ep.Epoch+1 || len(out.Entries) != 1 || out.Entries[0].Episode != ep.Key {
		t.Fatalf("handed over %+v", out)
	}
	if again := do(k, handOver); !again.Stale || again.Episode.Epoch != out.Episode.Epoch {
		t.Errorf("moved under an old epoch: %+v", again)
	}
	refused(k, fault.Invalid, k.move(out.Episode, chat.Change{Move: chat.HandOver}))
	if in := do(k, k.inbound(c, "anyone?")); in.Turn != nil {
		t.Errorf("a turn is owed while waiting for a person: %+v", in.Turn)
	}
	out = do(k, k.move(out.Episode, chat.Change{Move: chat.Take, Agent: "ag-1"}))
	equal(k, "agent", out.Episode.Agent, "ag-1")
	out = do(k, k.move(out.Episode, chat.Change{Move: chat.GiveBack}))
	equal(k, "control", out.Episode.Control, chat.ControlAssistant)
	if in := do(k, k.inbound(c, "bot?")); in.Turn == nil {
		t.Error("no turn is owed after control was given back")
	}
	out = do(k, k.move(out.Episode, chat.Change{Move: chat.Finish, Outcome: "solved"}))
	if out.Episode.Open() || out.Episode.Outcome != "solved" || out.Episode.ClosedAt.IsZero() {
		t.Errorf("finished %+v", out.Episode)
	}
	equal(k, "moved after the end", do(k, k.move(out.Episode, chat.Change{Move: chat.Take})).Stale, true)
	k.logs(c, "1|contact|all|hello", "2|assistant|all|hi", "3|assistant|all|please wait", "4|contact|all|anyone?", "5|contact|all|bot?")
	// Entries beside any episode.
	added := do(k, store.Append{Conversation: c.Key, Entries: []chat.Draft{answer("note")}, Now: k.now}).Entries
	equal(k, "episode of a note after the end", added[0].Episode, 0)
	refused(k, fault.NotFound, store.Append{Conversation: c.Key + 999, Entries: []chat.Draft{answer("note")}, Now: k.now})
	refused(k, fault.NotFound, store.MoveControl{Conversation: c.Key + 999, Now: k.now})
}

func testFinishDrops(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	in := do(k, step2(k, "p"))
	do(k, k.inbound(c, "more"))
	do(k, k.move(in.Episode, chat.Change{Move: chat.Finish, Outcome: "closed"}))
	k.statuses(c, chat.TurnDropped, chat.TurnDropped)
	equal(k, "open turns", k.handling(c).OpenTurns, 0)
	if got := do(k, store.ClaimTurns{Owner: me, Limit: 10, Now: k.now}).Turns; len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
}
