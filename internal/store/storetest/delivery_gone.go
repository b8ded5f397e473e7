package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// testGone takes a channel out of the catalog while deliveries of it are in
// every state, and another channel stays.
func testGone(t *testing.T, db DB) {
	k := open(t, db).lease()
	c, busy, other := k.pushed(botA, "p"), k.pushed(botA, "q"), k.pushed("st-b", "b")
	k.says(c, "1", "2", "3", "4", "5")
	k.says(busy, "1", "2")
	k.says(other, "1", "2")
	first := k.claimed("p/1", "q/1", "b/1")
	k.send(first[0])
	second := k.claimed("p/2")[0]
	k.end(second, chat.DeliveryFailed, time.Time{})
	third := k.claimed("p/3")[0]
	k.end(third, chat.DeliveryWaiting, k.now.Add(time.Hour))
	sending, staying := first[1], first[2]
	k.render(sending, "one", "two")
	k.sent(sending, 1, "post-1", false)
	refused(k, fault.Conflict, store.PutCatalog{Base: 7, Gone: []chat.ChannelID{botA}, Now: k.now})
	refused(k, fault.Invalid, store.PutCatalog{Gone: []chat.ChannelID{"\x00"}, Now: k.now})
	equal(k, "dropped of a channel that was never used", do(k, store.PutCatalog{Gone: []chat.ChannelID{"st-x"}, Now: k.now}).Dropped, int64(0))

	k.tick(time.Second)
	gone := store.Item{Kind: store.ItemChannel, Name: "a", Published: true, Deleted: true}
	out := do(k, store.PutCatalog{Items: []store.Item{gone}, Gone: []chat.ChannelID{botA}, Actor: "me", Now: k.now})
	// p/3 waits, p/4 and p/5 are behind it; q/1 is being sent, q/2 behind it.
	if out.Revision != 1 || out.Dropped != 5 {
		t.Errorf("stored %+v, want revision 1 and 5 dropped", out)
	}
	dropped := must[[]chat.Delivery](k)(k.Deliveries(t.Context(), store.DeliveryFilter{Status: chat.DeliveryDropped}))
	equal(k, "dropped", len(dropped), 5)
	for _, d := range dropped {
		if d.Channel != botA || d.LastError != store.ChannelGone || !d.EndedAt.Equal(k.now) {
			t.Errorf("dropped %+v", d)
		}
	}
	equal(k, "a part in the middle of sending", do(k, store.SentPart{Delivery: sending.Key, Owner: me, Part: 2, Done: true, Now: k.now}).Lost, true)
	equal(k, "its end", do(k, store.EndDelivery{Delivery: sending.Key, Owner: me, Status: chat.DeliveryFailed, Now: k.now}).Lost, true)
	equal(k, "rendering", do(k, store.RenderDelivery{Delivery: sending.Key, Owner: me, Parts: partsOf(sending.Key, "x")}).Lost, true)
	equal(k, "reference of what was sent", k.refers(botA, "post-1").Part, 1)
	if failed, _ := k.delivery(second.Key); failed.Status != chat.DeliveryFailed {
		t.Errorf("a failed one is %s", failed.Status)
	}
	k.send(staying)
	k.tick(2 * time.Hour)
	k.send(k.claimed("b/2")[0]) // the other channel goes on, of this one nothing is left

	// What a turn says that was under way when its channel went.
	k.says(c, "late")
	equal(k, "dropped later", do(k, store.PutCatalog{Base: 1, Gone: []chat.ChannelID{botA}, Now: k.now}).Dropped, int64(1))
	equal(k, "revision", must[int64](k)(k.CatalogRevision(t.Context())), int64(1))
	again := do(k, k.change(dropped[len(dropped)-1].Key, "resend")).Delivery // for a channel with the same id
	equal(k, "sent again", again.Status, chat.DeliveryWaiting)
	k.claimed("p/3")
}

// testTwoGone drops a channel's deliveries again and again while two nodes send
// them and others are made. Each ends once.
func testTwoGone(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	const legs, rounds, drops = 4, 40, 40
	var all []chat.Conversation
	for i := range legs {
		all = append(all, k.pushed(botA, fmt.Sprint("p", i)))
	}
	nodes := []string{"n0", "n1"}
	for _, node := range nodes {
		do(k, store.RenewLease{Node: node, Life: life})
	}
	var dropped, sent [legs + 2*2]int64
	err := together(legs+4, func(i int) error {
		s := stores[i%len(stores)]
		switch {
		case i < legs:
			for range rounds {
				if _, err := store.Do(context.Background(), s, store.Append{Conversation: all[i].Key, Entries: []chat.Draft{answer("x")}, Now: k.now}); err != nil {
					return err
				}
			}
		case i < legs+2:
			for range drops {
				out, err := store.Do(context.Background(), s, store.PutCatalog{Gone: []chat.ChannelID{botA}, Now: k.now})
				if err != nil {
					return err
				}
				dropped[i] += out.Dropped
			}
		default:
			n, err := sendSome(s, store.Owner{Node: nodes[i%2], Boot: 1}, k.now, drops)
			sent[i] = n
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total := do(k, store.PutCatalog{Gone: []chat.ChannelID{botA}, Now: k.now}).Dropped
	for i := range dropped {
		total += dropped[i] + sent[i]
	}
	equal(k, "deliveries that ended", total, int64(legs*rounds))
	for _, c := range must[[]store.DeliveryCount](k)(k.DeliveryCounts(t.Context())) {
		t.Errorf("left behind: %+v", c)
	}
}

// sendSome claims and sends so many times and returns how many it has sent.
func sendSome(s store.Store, owner store.Owner, now time.Time, times int) (sent int64, _ error) {
	for range times {
		out, err := store.Do(context.Background(), s, store.ClaimDeliveries{Owner: owner, PerEndpoint: 4, Limit: 4, Now: now})
		if err != nil {
			return sent, err
		}
		for _, d := range out.Deliveries {
			rendered, err := store.Do(context.Background(), s, store.RenderDelivery{Delivery: d.Key, Owner: owner, Parts: partsOf(d.Key, "x")})
			if err != nil {
				return sent, err
			}
			if rendered.Lost {
				continue
			}
			ended, err := store.Do(context.Background(), s, store.SentPart{Delivery: d.Key, Owner: owner, Part: 1, Done: true, Now: now})
			if err != nil {
				return sent, err
			}
			if !ended.Lost {
				sent++
			}
		}
	}
	return sent, nil
}
