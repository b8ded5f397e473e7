package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/fault"
	"parley/internal/store"
)

func testLink(t *testing.T, db DB) {
	k := open(t, db)
	lease := func(node string, life time.Duration) store.Owner {
		return store.Owner{Node: node, Boot: do(k, store.RenewLease{Node: node, Life: life}).Boot}
	}
	claim := func(o store.Owner, want store.Owner) {
		t.Helper()
		out := do(k, store.ClaimLink{Account: "relay", Owner: o, Now: k.now})
		if out.Held != (o == want) || out.Holder != want {
			t.Errorf("claimed by %v: %+v, want it with %v", o, out, want)
		}
	}
	a, b := lease("a", life), lease("b", life)
	claim(a, a)
	claim(a, a)
	claim(b, a)
	do(k, store.FreeLink{Account: "relay", Owner: b}) // not his
	claim(b, a)
	do(k, store.FreeLink{Account: "relay", Owner: a})
	claim(b, b)
	claim(a, b)
	b2 := lease("b", life) // a newer boot: the older one has lost it
	claim(a, a)
	claim(b, a)
	do(k, store.FreeLink{Account: "relay", Owner: a})
	claim(b2, b2)
	b3 := lease("b", -time.Minute)
	claim(b3, b3) // its own older boot, at once
	claim(a, a)   // without a lease it is anybody's
	other := do(k, store.ClaimLink{Account: "other", Owner: b2, Now: k.now})
	equal(k, "another account", other.Held, true)
	refused(k, fault.Invalid, store.ClaimLink{Owner: a, Now: k.now})
	refused(k, fault.Invalid, store.ClaimLink{Account: "relay", Now: k.now})
	refused(k, fault.Invalid, store.FreeLink{Account: "relay"})
}

// testTwoLink lets many claim a link at once.
func testTwoLink(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	const nodes = 10
	for i := range nodes {
		do(k, store.RenewLease{Node: fmt.Sprint("n", i), Life: life})
	}
	for round := range 5 {
		var held atomic.Int64
		err := together(nodes, func(i int) error {
			out, err := store.Do(context.Background(), stores[i%len(stores)], store.ClaimLink{
				Account: fmt.Sprint("account", round), Owner: store.Owner{Node: fmt.Sprint("n", i), Boot: 1}, Now: k.now,
			})
			if out.Held {
				held.Add(1)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(k, "holders", held.Load(), 1)
	}
}

func testAlert(t *testing.T, db DB) {
	k := open(t, db)
	set := func(raised bool, text string, changed bool, want store.Alert) {
		t.Helper()
		out := do(k, store.SetAlert{Name: "link:relay", Raised: raised, Text: text, Now: k.now})
		equal(k, "changed", out.Changed, changed)
		want.Name = "link:relay"
		if diff := cmp.Diff(want, out.Alert); diff != "" {
			t.Errorf("alert (-want +got):\n%s", diff)
		}
	}
	list := func(since time.Time, want int) {
		t.Helper()
		equal(k, "alerts", len(must[[]store.Alert](k)(k.Alerts(t.Context(), since))), want)
	}
	set(false, "", false, store.Alert{}) // was never raised
	list(noon, 0)
	set(true, "down", true, store.Alert{Text: "down", RaisedAt: noon, Count: 1})
	k.tick(time.Minute)
	set(true, "down", false, store.Alert{Text: "down", RaisedAt: noon, Count: 1})
	set(true, "down for long", false, store.Alert{Text: "down for long", RaisedAt: noon, Count: 1})
	list(k.now.Add(life), 1)
	set(false, "", true, store.Alert{Text: "down for long", RaisedAt: noon, ClearedAt: k.now, Count: 1})
	cleared := k.now
	list(cleared, 1)
	list(cleared.Add(time.Second), 0)
	k.tick(time.Minute)
	set(false, "", false, store.Alert{Text: "down for long", RaisedAt: noon, ClearedAt: cleared, Count: 1})
	set(true, "down again", true, store.Alert{Text: "down again", RaisedAt: k.now, Count: 2})
	do(k, store.SetAlert{Name: "disk", Raised: true, Text: "a\x00b", Now: k.now})
	all := must[[]store.Alert](k)(k.Alerts(t.Context(), noon))
	if len(all) != 2 || all[0].Text != "ab" {
		t.Errorf("alerts %+v", all)
	}
	refused(k, fault.Invalid, store.SetAlert{Raised: true, Now: k.now})
}

// testTwoAlert lets exactly one of many callers hear of each change.
func testTwoAlert(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	for round := range 6 {
		var changed atomic.Int64
		err := together(20, func(i int) error {
			out, err := store.Do(context.Background(), stores[i%len(stores)], store.SetAlert{Name: "a", Raised: round%2 == 0, Text: "x", Now: k.now})
			if out.Changed {
				changed.Add(1)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(k, "callers that changed it", changed.Load(), 1)
	}
}

// CheckWakes checks that a store tells of deliveries that can be sent, and of
// nothing else.
func CheckWakes(t *testing.T, open func(onDelivery func()) store.Store) {
	t.Helper()
	var woken atomic.Int64
	s := open(func() { woken.Add(1) })
	defer s.Close()
	k := &kit{TB: t, Store: s, now: noon}
	k.lease()
	told := func(what string, want int64) {
		t.Helper()
		equal(k, "told after "+what, woken.Swap(0), want)
	}
	feed := k.conversation("feed")
	do(k, k.instant(feed, "hello", k.handling(feed).Episode, says("a")))
	c := k.pushed(botA, "p")
	do(k, k.inbound(c, "hello"))
	told("what has no delivery", 0)
	k.says(c, "a", "b")
	told("two answers in one commit", 1)
	d := k.claimed("p/2")[0]
	k.render(d, "x")
	told("work on a delivery", 0)
	k.sent(d, 1, "", true)
	told("the end of a head", 1)
	k.end(k.claimed("p/3")[0], "failed", time.Time{})
	told("the end of the last", 0)
	do(k, k.change(d.Key+1, "resend"))
	told("an operator's word", 1)
	do(k, store.MakeEndpointDue{Channel: botA, Now: k.now})
	told("an endpoint's return", 1)
}
