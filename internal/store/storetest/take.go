package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// taking is an instant answer whose first delivery is to be claimed at once.
func (k *kit) taking(c chat.Conversation, text string, ep chat.Episode, answers ...string) store.Accept {
	step := k.instant(c, text, ep, says(answers...))
	step.Take = &store.Take{Owner: me, Limit: 100, Parts: partsOf(chat.DeliveryKey(int(c.Key)*10+int(text[0]-'0')), "one", "two")}
	return step
}

// testTake claims deliveries in the commit that makes them.
func testTake(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	step := k.taking(c, "1", chat.Episode{}, "a", "b")
	out := do(k, step)
	if out.Taken == nil || len(out.Replies) != 2 {
		t.Fatalf("%+v, want the first reply taken", out)
	}
	want := chat.Leg{Key: c.Leg, Conversation: c.Key, Kind: chat.LegContact, Mode: chat.LegPush, Place: "p", Thread: "root of p"}
	if diff := cmp.Diff(want, out.Taken.Leg); diff != "" {
		t.Errorf("leg (-want +got):\n%s", diff)
	}
	d, parts := k.delivery(out.Taken.Key)
	equal(k, "status", d.Status, chat.DeliveryClaimed)
	equal(k, "sequence number", d.Seq, out.Replies[0].Seq)
	if diff := cmp.Diff(step.Take.Parts, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	k.claimed() // neither the head nor what is behind it

	again := do(k, k.taking(c, "2", out.Episode, "c"))
	equal(k, "taken behind an open delivery", again.Taken != nil, false)
	head := store.ClaimedDelivery{Delivery: d}
	k.sent(head, 1, "post-1", false)
	k.sent(head, 2, "post-2", true)
	equal(k, "reference", k.refers(botA, "post-2").Seq, out.Replies[0].Seq)
	for _, seq := range []string{"p/3", "p/5"} {
		k.send(k.claimed(seq)[0])
	}
	if do(k, k.taking(c, "3", again.Episode, "d")).Taken == nil {
		t.Error("nothing is taken once the leg has nothing open")
	}
}

// testTakeIsLost has the owner die after the commit.
func testTakeIsLost(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	out := do(k, k.taking(c, "1", chat.Episode{}, "a"))
	boot := do(k, store.RenewLease{Node: owner, Life: life}).Boot
	step := k.claims()
	step.Owner.Boot = boot
	got := k.claimedBy(step, "p/2")[0]
	equal(k, "uncertain", got.Uncertain, true)
	equal(k, "parts", len(got.Parts), 2)
	equal(k, "lost", do(k, store.SentPart{Delivery: out.Taken.Key, Owner: me, Part: 1, Now: k.now}).Lost, true)
}

// testTakeLeaves lists what is not taken.
func testTakeLeaves(t *testing.T, db DB) {
	k := open(t, db).lease()
	first := do(k, k.taking(k.pushed(botA, "a"), "1", chat.Episode{}, "a"))
	if first.Taken == nil {
		t.Fatal("nothing is taken")
	}
	full := k.taking(k.pushed(botA, "b"), "1", chat.Episode{}, "a")
	full.Take.Limit = 1
	equal(k, "beyond the limit", do(k, full).Taken != nil, false)
	other := k.taking(k.pushed("st-b", "b"), "1", chat.Episode{}, "a")
	other.Take.Limit = 1
	equal(k, "on another channel", do(k, other).Taken != nil, true)
	carried := k.taking(k.pushed(botA, "c"), "1", chat.Episode{}, "a")
	carried.Carry = true
	out := do(k, carried)
	equal(k, "carried", out.Carried, true)
	equal(k, "carried and taken", out.Taken != nil, false)
	stale := k.taking(k.pushed(botA, "d"), "1", chat.Episode{Key: 1}, "a")
	equal(k, "with a fold that does not hold", do(k, stale).Taken != nil, false)
	equal(k, "over a feed", do(k, k.taking(k.conversation("feed"), "1", chat.Episode{}, "a")).Taken != nil, false)
	desk := k.taking(k.pushed(botA, "e"), "1", chat.Episode{}, "a", "b")
	desk.Fold.Reply.Entries[0].Visibility = chat.VisibleToDesk
	equal(k, "with a first reply that does not reach the leg", do(k, desk).Taken != nil, false)
	k.claimed("b/2", "e/3")
	for name, spoil := range map[string]func(*store.Take){
		"no owner": func(t *store.Take) { t.Owner = store.Owner{} },
		"no parts": func(t *store.Take) { t.Parts = nil },
		"no id":    func(t *store.Take) { t.Parts[0].ID = "" },
	} {
		step := k.taking(k.pushed(botA, "f"), "1", chat.Episode{}, "a")
		spoil(step.Take)
		if _, err := store.Do(t.Context(), k.Store, step); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}
