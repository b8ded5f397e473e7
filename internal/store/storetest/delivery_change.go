package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func (k *kit) change(key chat.DeliveryKey, verb string) store.ChangeDelivery {
	return store.ChangeDelivery{Delivery: key, Verb: verb, Actor: "owner", Now: k.now}
}

func testResend(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	k.says(c, "1", "2", "3")
	d := k.claimed("p/1")[0]
	refused(k, fault.Conflict, k.change(d.Key, "resend")) // it is being sent
	k.render(d, "one", "two")
	k.sent(d, 1, "post-1", false)
	k.end(d, chat.DeliveryFailed, time.Time{})
	if failed, _ := k.delivery(d.Key); failed.Status != chat.DeliveryFailed || failed.Attempts != 1 || !failed.EndedAt.Equal(k.now) {
		t.Errorf("failed %+v", failed)
	}
	second := k.claimed("p/2")[0]
	k.tick(time.Second)
	again := do(k, k.change(d.Key, "resend")).Delivery
	want := d.Delivery
	want.Status, want.DueAt, want.LastError = chat.DeliveryWaiting, k.now, "went wrong"
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
	k.claimed() // not beside the one that is being sent
	k.send(second)
	d = k.claimed("p/1")[0]
	if len(d.Parts) != 2 || d.Parts[0].SentAt.IsZero() || !d.Parts[1].SentAt.IsZero() {
		t.Errorf("parts %+v, want the first one sent", d.Parts)
	}
	k.sent(d, 2, "post-2", true)
	refused(k, fault.Conflict, k.change(d.Key, "resend"))
	k.end(k.claimed("p/3")[0], chat.DeliveryWaiting, k.now.Add(time.Hour))
	third := must[[]chat.Delivery](k)(k.Deliveries(t.Context(), store.DeliveryFilter{}))[0]
	k.claimed()
	equal(k, "due", do(k, k.change(third.Key, "resend")).Delivery.DueAt, k.now)
	k.end(k.claimed("p/3")[0], chat.DeliveryDropped, time.Time{})
	equal(k, "a dropped one", do(k, k.change(third.Key, "resend")).Delivery.Status, chat.DeliveryWaiting)
	k.claimed("p/3")
	refused(k, fault.NotFound, k.change(third.Key+999, "resend"))
	refused(k, fault.Invalid, k.change(third.Key, "forget"))
}

func testDrop(t *testing.T, db DB) {
	k := open(t, db).lease()
	c := k.pushed(botA, "p")
	k.says(c, "1", "2", "3", "4", "5")
	list := must[[]chat.Delivery](k)(k.Deliveries(t.Context(), store.DeliveryFilter{Conversation: c.Key}))
	keys := map[int64]chat.DeliveryKey{}
	for _, d := range list {
		keys[d.Seq] = d.Key
	}
	dropped := func(seq int64) {
		t.Helper()
		d := do(k, k.change(keys[seq], "drop")).Delivery
		if d.Status != chat.DeliveryDropped || !d.EndedAt.Equal(k.now) {
			t.Errorf("dropped %+v", d)
		}
		refused(k, fault.Conflict, k.change(keys[seq], "drop"))
	}
	dropped(1) // a head
	d := k.claimed("p/2")[0]
	dropped(3) // behind another
	dropped(2) // while it is being sent
	equal(k, "ended by its sender", do(k, store.EndDelivery{Delivery: d.Key, Owner: me, Status: chat.DeliveryFailed, Now: k.now}).Lost, true)
	d = k.claimed("p/4")[0]
	k.end(d, chat.DeliveryFailed, time.Time{})
	dropped(4) // a failed one
	d = k.claimed("p/5")[0]
	k.send(d)
	refused(k, fault.Conflict, k.change(d.Key, "drop"))
	refused(k, fault.NotFound, k.change(d.Key+999, "drop"))
	k.claimed()
}

func testDeliveryLists(t *testing.T, db DB) {
	k := open(t, db).lease()
	ctx := t.Context()
	a, b := k.pushed(botA, "a"), k.pushed("st-b", "b")
	k.says(a, "1", "2", "3")
	k.tick(time.Second).says(b, "1", "2", "3", "4")
	both := k.claimed("a/1", "b/1")
	k.send(both[0])
	k.end(both[1], chat.DeliveryFailed, time.Time{})
	k.end(k.claimed("a/2", "b/2")[1], chat.DeliveryDropped, time.Time{})
	list := func(f store.DeliveryFilter, want ...string) []chat.Delivery {
		t.Helper()
		all := must[[]chat.Delivery](k)(k.Deliveries(ctx, f))
		var got []string
		for _, d := range all {
			got = append(got, fmt.Sprintf("%s/%d %s", d.Channel, d.Seq, d.Status))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
		return all
	}
	all := list(store.DeliveryFilter{}, "st-b/4 waiting", "st-b/3 waiting", "st-b/1 failed", "st-a/3 waiting", "st-a/2 claimed")
	list(store.DeliveryFilter{Limit: 2, Before: all[1].Key}, "st-b/1 failed", "st-a/3 waiting")
	list(store.DeliveryFilter{Channel: botA}, "st-a/3 waiting", "st-a/2 claimed")
	list(store.DeliveryFilter{Conversation: b.Key, Limit: 3}, "st-b/4 waiting", "st-b/3 waiting", "st-b/1 failed")
	list(store.DeliveryFilter{Status: chat.DeliveryWaiting}, "st-b/4 waiting", "st-b/3 waiting", "st-a/3 waiting")
	list(store.DeliveryFilter{Status: chat.DeliveryClaimed}, "st-a/2 claimed")
	list(store.DeliveryFilter{Status: chat.DeliverySent}, "st-a/1 sent")
	list(store.DeliveryFilter{Status: chat.DeliverySent, Channel: "st-b"})
	list(store.DeliveryFilter{Status: chat.DeliveryFailed}, "st-b/1 failed")
	list(store.DeliveryFilter{Status: chat.DeliveryDropped, Conversation: b.Key}, "st-b/2 dropped")
	for _, f := range []store.DeliveryFilter{{Limit: 501}, {Status: "behind"}, {Channel: "\x00"}} {
		if _, err := k.Deliveries(ctx, f); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want invalid", f, err)
		}
	}
	counts := must[[]store.DeliveryCount](k)(k.DeliveryCounts(ctx))
	want := []store.DeliveryCount{{Channel: botA, Open: 2, OldestOpen: noon}, {Channel: "st-b", Open: 2, Failed: 1, OldestOpen: noon.Add(time.Second)}}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	stats := must[store.Stats](k)(k.Stats(ctx))
	equal(k, "open deliveries", stats.OpenDeliveries, int64(4))
	equal(k, "failed deliveries", stats.FailedDeliveries, int64(1))
}
