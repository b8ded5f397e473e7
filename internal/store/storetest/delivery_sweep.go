package storetest

import (
	"fmt"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// testDeliverySweep lets deliveries of every status grow old.
func testDeliverySweep(t *testing.T, db DB) {
	const day, each = 24 * time.Hour, 5
	k := open(t, db).lease()
	var sent, failed, dropped []chat.DeliveryKey
	for i := range each {
		c := k.pushed(botA, fmt.Sprint("p", i))
		k.says(c, "1", "2", "3", "4", "5")
		place := fmt.Sprint("p", i)
		d := k.claimed(place + "/1")[0]
		k.render(d, "one", "two")
		k.sent(d, 1, fmt.Sprint("post-", i, "-1"), false)
		k.sent(d, 2, fmt.Sprint("post-", i, "-2"), true)
		sent = append(sent, d.Key)
		d = k.claimed(place + "/2")[0]
		k.render(d, "body")
		k.end(d, chat.DeliveryFailed, time.Time{})
		failed = append(failed, d.Key)
		d = k.claimed(place + "/3")[0]
		k.end(d, chat.DeliveryDropped, time.Time{})
		dropped = append(dropped, d.Key)
		d = k.claimed(place + "/4")[0] // stays claimed, and the last behind it
		k.render(d, "body")
	}
	sweep := func(limit, rows int, more bool) {
		t.Helper()
		if out := do(k, store.Sweep{Now: k.now, Limit: limit}); out.Rows != rows || out.More != more {
			t.Errorf("swept %+v, want %d rows, more %v", out, rows, more)
		}
	}
	left := func(keys []chat.DeliveryKey, want int) {
		t.Helper()
		there := 0
		for _, key := range keys {
			d, parts, err := k.Store.Delivery(t.Context(), key)
			if fault.Is(err, fault.NotFound) && len(parts) == 0 {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if there++; d.Status == chat.DeliverySent && len(parts) != 2 {
				t.Errorf("delivery %d is left with %d parts", key, len(parts))
			}
		}
		equal(k, "left", there, want)
	}
	began := k.now
	k.now = began.Add(30*day - time.Millisecond)
	sweep(10, 0, false)
	left(sent, each)
	k.now = began.Add(30 * day)
	sweep(2, 2*3+2, true) // a sent one with its two parts, a dropped one without
	sweep(2, 2*3+2, true)
	sweep(2, 3+1, false)
	left(sent, 0)
	left(dropped, 0)
	left(failed, each)
	equal(k, "reference of what was sent", k.refers(botA, "post-0-2").Part, 2)
	if refs := must[[]chat.Reference](k)(k.References(t.Context(), k.refers(botA, "post-0-1").Conversation, 1)); len(refs) != 2 {
		t.Errorf("references %+v", refs)
	}
	// One that is sent again is no old one.
	do(k, k.change(failed[0], "resend"))
	k.now = began.Add(90*day - time.Millisecond)
	sweep(10, 0, false)
	k.now = began.Add(90 * day)
	sweep(10, 2*(each-1), false)
	left(failed, 1)
	k.now = began.Add(1000 * day)
	sweep(10, 0, false) // what is open stays open
	counts := must[[]store.DeliveryCount](k)(k.DeliveryCounts(t.Context()))
	if len(counts) != 1 || counts[0].Open != 2*each+1 || counts[0].Failed != 0 {
		t.Errorf("counts %+v", counts)
	}
}
