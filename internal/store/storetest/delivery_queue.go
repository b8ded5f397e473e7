package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// testDeliveryOrder keeps the order within a leg, and lets no leg wait for
// another.
func testDeliveryOrder(t *testing.T, db DB) {
	k := open(t, db).lease()
	a, b := k.pushed(botA, "a"), k.pushed(botA, "b")
	k.says(a, "1", "2")
	k.says(a, "3")
	k.says(b, "1")
	both := k.claimed("a/1", "b/1")
	k.claimed()
	due := k.now.Add(time.Minute)
	k.end(both[0], chat.DeliveryWaiting, due)
	k.send(both[1])
	k.says(b, "2")
	out := do(k, k.claims())
	if len(out.Deliveries) != 1 || out.Deliveries[0].Conversation.Place != "b" {
		t.Fatalf("claimed %+v, want only b's next while a's head waits", out.Deliveries)
	}
	equal(k, "next due", out.NextDue, due)
	k.send(out.Deliveries[0])
	out = do(k, k.claims())
	equal(k, "claimed before it is due", len(out.Deliveries), 0)
	equal(k, "next due", out.NextDue, due)
	k.now = due
	d := k.claimed("a/1")[0]
	if d.Attempts != 1 || d.LastError != "went wrong" || d.Uncertain {
		t.Errorf("second attempt %+v", d.Delivery)
	}
	k.end(d, chat.DeliveryFailed, time.Time{})
	d = k.claimed("a/2")[0]
	k.end(d, chat.DeliveryDropped, time.Time{})
	k.send(k.claimed("a/3")[0])
	k.says(a, "4")
	k.send(k.claimed("a/4")[0])
	if out := do(k, k.claims()); len(out.Deliveries) != 0 || !out.NextDue.IsZero() {
		t.Errorf("claimed %+v when nothing is left", out)
	}
}

// testDeliveryBacklog has a leg with a long backlog in front of another.
func testDeliveryBacklog(t *testing.T, db DB) {
	k := open(t, db).lease()
	a, b := k.pushed(botA, "a"), k.pushed(botA, "b")
	const backlog = 300
	for range backlog { // one by one, so that none is known to be behind another
		k.says(a, "x")
	}
	k.tick(time.Second).says(b, "x")
	for _, d := range k.claimed("a/1", "b/1") {
		k.end(d, chat.DeliveryWaiting, k.now)
	}
	for seq := range int64(backlog) {
		out := do(k, k.claims()).Deliveries
		for _, d := range out {
			if d.Leg.Key == a.Leg && d.Seq != seq+1 {
				t.Fatalf("entry %d was claimed as number %d", d.Seq, seq+1)
			}
			k.send(d)
		}
		if len(out) == 0 {
			t.Fatalf("the leg stands still before entry %d", seq+1)
		}
	}
	k.claimed()
}

func (k *kit) claimsAs(node string) store.ClaimDeliveries {
	step := k.claims()
	step.Owner = store.Owner{Node: node, Boot: 1}
	return step
}

func testEndpointLimit(t *testing.T, db DB) {
	k := open(t, db).lease()
	do(k, store.RenewLease{Node: "n2", Life: life})
	for _, ch := range []chat.ChannelID{botA, "st-b", "st-c"} {
		for i := range 10 {
			k.says(k.pushed(ch, fmt.Sprint(ch, i)), "x")
		}
	}
	claim := func(node string, limit int, limits map[chat.ChannelID]int) (map[chat.ChannelID][]store.ClaimedDelivery, time.Time) {
		t.Helper()
		step := k.claimsAs(node)
		step.PerEndpoint, step.Limit, step.Limits = 3, limit, limits
		out := do(k, step)
		by := map[chat.ChannelID][]store.ClaimedDelivery{}
		for _, d := range out.Deliveries {
			by[d.Channel] = append(by[d.Channel], d)
		}
		return by, out.NextDue
	}
	counts := func(by map[chat.ChannelID][]store.ClaimedDelivery, a, b, c int) {
		t.Helper()
		if len(by[botA]) != a || len(by["st-b"]) != b || len(by["st-c"]) != c {
			t.Fatalf("claimed %d, %d, %d, want %d, %d, %d", len(by[botA]), len(by["st-b"]), len(by["st-c"]), a, b, c)
		}
	}
	limits := map[chat.ChannelID]int{"st-b": 0, "st-c": 5}
	got, next := claim(owner, 100, limits)
	counts(got, 3, 0, 5)
	equal(k, "next due when all are full", next.IsZero(), true)
	got2, _ := claim("n2", 100, limits) // another node gets no more
	counts(got2, 0, 0, 0)
	k.send(got[botA][0])
	got2, _ = claim("n2", 100, limits)
	counts(got2, 1, 0, 0)
	got2, next = claim("n2", 2, map[chat.ChannelID]int{"st-c": 5})
	counts(got2, 0, 2, 0)
	equal(k, "next due when more could be claimed", next, k.now)
	got2, _ = claim("n2", 0, map[chat.ChannelID]int{botA: 10})
	counts(got2, 0, 0, 0)
	got2, _ = claim("n2", 100, map[chat.ChannelID]int{botA: 1, "st-b": 1, "st-c": 1}) // fewer than are claimed
	counts(got2, 0, 0, 0)
	got2, _ = claim("n2", 100, map[chat.ChannelID]int{botA: 100, "st-b": 100, "st-c": 100})
	counts(got2, 6, 8, 5)
}

// testLostDelivery claims what a dead owner has left.
func testLostDelivery(t *testing.T, db DB) {
	k := open(t, db).lease()
	do(k, store.RenewLease{Node: "living", Life: life})
	do(k, store.RenewLease{Node: "dead", Life: life})
	for i, node := range []string{owner, "living", "dead", "never seen"} {
		k.says(k.pushed(botA, fmt.Sprint("p", i)), "x", "y")
		k.claimedBy(k.claimsAs(node), fmt.Sprintf("p%d/1", i))
	}
	do(k, store.RenewLease{Node: "dead", Boot: 1, Life: -time.Minute})
	step := k.claims()
	step.Limits = map[chat.ChannelID]int{botA: 0}
	k.claimedBy(step)
	step.Limits = map[chat.ChannelID]int{botA: 3} // two living claims
	for _, d := range k.claimedBy(step, "p2/1") {
		equal(k, "lost claim is uncertain", d.Uncertain, true)
	}
	d := k.claimed("p3/1")[0]
	equal(k, "lost claim is uncertain", d.Uncertain, true)
	lost := store.SentPart{Delivery: d.Key, Owner: store.Owner{Node: "never seen", Boot: 1}, Part: 1, Now: k.now}
	equal(k, "sent by the dead", do(k, lost).Lost, true)
	k.claimed() // one's own are not given out twice

	// The doubt stays until a part was sent.
	k.render(d, "one", "two")
	k.end(d, chat.DeliveryWaiting, k.now)
	d = k.claimed("p3/1")[0]
	equal(k, "after another failure", d.Uncertain, true)
	equal(k, "stored parts", len(d.Parts), 2)
	k.sent(d, 1, "", false)
	k.end(d, chat.DeliveryWaiting, k.now)
	d = k.claimed("p3/1")[0]
	equal(k, "after a part was sent", d.Uncertain, false)
	equal(k, "sent part", d.Parts[0].SentAt, k.now)
	do(k, store.EndDelivery{Delivery: d.Key, Owner: me, Status: chat.DeliveryWaiting, DueAt: k.now, Uncertain: true, Now: k.now})
	d = k.claimed("p3/1")[0]
	equal(k, "after an attempt without an answer", d.Uncertain, true)

	// An older boot of the same node is lost at once.
	boot2 := store.Owner{Node: owner, Boot: do(k, store.RenewLease{Node: owner, Life: life}).Boot}
	step = k.claims()
	step.Owner = boot2
	k.claimedBy(step, "p0/1", "p2/1", "p3/1")
	equal(k, "ended by the older boot", do(k, store.EndDelivery{Delivery: d.Key, Owner: me, Status: chat.DeliveryFailed, Now: k.now}).Lost, true)
}

func testMakeDue(t *testing.T, db DB) {
	k := open(t, db).lease()
	later := k.now.Add(time.Hour)
	for i := range 6 {
		ch := botA
		if i == 5 {
			ch = "st-b"
		}
		k.says(k.pushed(ch, fmt.Sprint("p", i)), "x", "y")
	}
	for i, d := range do(k, k.claims()).Deliveries {
		if d.Conversation.Place != "p0" {
			k.end(d, chat.DeliveryWaiting, later.Add(time.Duration(i)*time.Second))
		}
	}
	k.claimed()
	equal(k, "made due", do(k, store.MakeEndpointDue{Channel: botA, Now: k.now}).Deliveries, int64(4))
	equal(k, "made due again", do(k, store.MakeEndpointDue{Channel: botA, Now: k.now}).Deliveries, int64(0))
	equal(k, "of an unknown channel", do(k, store.MakeEndpointDue{Channel: "none", Now: k.now}).Deliveries, int64(0))
	k.claimed("p1/1", "p2/1", "p3/1", "p4/1")
}

// testTwoDeliver lets several senders and speakers work at once. Nothing may
// be sent twice, out of order, or beside another of its leg, and nothing may be
// left.
func testTwoDeliver(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	nodes := []string{"n0", "n1"}
	for _, node := range nodes {
		do(k, store.RenewLease{Node: node, Life: life})
	}
	const legs, rounds, limit = 6, 40, 4
	var all []chat.Conversation
	for i := range legs {
		all = append(all, k.pushed(botA, fmt.Sprint("p", i)))
	}
	watch := newWatch(legs * rounds)
	err := together(legs+4, func(i int) error {
		if i < legs {
			for range rounds {
				if _, err := store.Do(context.Background(), stores[i%len(stores)], store.Append{Conversation: all[i].Key, Entries: []chat.Draft{answer("x")}, Now: k.now}); err != nil {
					return err
				}
			}
			return nil
		}
		n := (i - legs) % len(stores)
		return watch.sender(k, stores[n], store.Owner{Node: nodes[n], Boot: 1}, limit)
	})
	if err != nil {
		t.Fatal(err)
	}
	watch.check(t, limit)
	equal(k, "sent", int(watch.sent.Load()), legs*rounds)
	for _, c := range must[[]store.DeliveryCount](k)(k.DeliveryCounts(t.Context())) {
		t.Errorf("left behind: %+v", c)
	}
}
