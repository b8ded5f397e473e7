package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// watch sees what several senders do.
type watch struct {
	goal int64
	sent atomic.Int64

	mu     sync.Mutex
	atOnce int
	most   int
	atWork map[chat.LegKey]int64
	last   map[chat.LegKey]int64
	faults []string
}

func newWatch(goal int) *watch {
	return &watch{goal: int64(goal), atWork: map[chat.LegKey]int64{}, last: map[chat.LegKey]int64{}}
}

func (w *watch) begins(d store.ClaimedDelivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.atWork[d.Leg.Key]; other != 0 {
		w.faults = append(w.faults, fmt.Sprintf("entry %d of leg %d beside entry %d", d.Seq, d.Leg.Key, other))
	}
	if d.Seq < w.last[d.Leg.Key] {
		w.faults = append(w.faults, fmt.Sprintf("entry %d of leg %d after entry %d", d.Seq, d.Leg.Key, w.last[d.Leg.Key]))
	}
	w.atWork[d.Leg.Key] = d.Seq
	w.atOnce++
	w.most = max(w.most, w.atOnce)
}

// ends is called before the store is told: nobody can claim the next earlier.
func (w *watch) ends(d store.ClaimedDelivery, sent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.atWork[d.Leg.Key] = 0
	w.atOnce--
	if sent {
		w.last[d.Leg.Key] = d.Seq + 1
	}
}

// sender claims and sends until everything is sent; a fifth of the attempts
// fail at first.
func (w *watch) sender(k *kit, s store.Store, owner store.Owner, limit int) error {
	ctx := context.Background()
	deadline := time.Now().Add(time.Minute)
	for w.sent.Load() < w.goal {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d were sent in a minute", w.sent.Load(), w.goal)
		}
		out, err := store.Do(ctx, s, store.ClaimDeliveries{Owner: owner, PerEndpoint: limit, Limit: 3, Now: k.now})
		if err != nil {
			return err
		}
		for _, d := range out.Deliveries {
			w.begins(d)
		}
		for _, d := range out.Deliveries {
			if err := w.attempt(ctx, k, s, d, owner); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watch) attempt(ctx context.Context, k *kit, s store.Store, d store.ClaimedDelivery, owner store.Owner) error {
	if d.Attempts == 0 && d.Seq%5 == 0 {
		w.ends(d, false)
		out, err := store.Do(ctx, s, store.EndDelivery{Delivery: d.Key, Owner: owner, Status: chat.DeliveryWaiting, DueAt: k.now, CountAttempt: true, Now: k.now})
		if out.Lost {
			return fmt.Errorf("the claim of delivery %d was lost", d.Key)
		}
		return err
	}
	if _, err := store.Do(ctx, s, store.RenderDelivery{Delivery: d.Key, Owner: owner, Parts: partsOf(d.Key, "x")}); err != nil {
		return err
	}
	w.ends(d, true)
	out, err := store.Do(ctx, s, store.SentPart{Delivery: d.Key, Owner: owner, Part: 1, External: fmt.Sprint("post-", d.Key), Done: true, Now: k.now})
	if out.Lost {
		return fmt.Errorf("the claim of delivery %d was lost", d.Key)
	}
	w.sent.Add(1)
	return err
}

func (w *watch) check(t *testing.T, limit int) {
	t.Helper()
	for _, fault := range slices.Compact(w.faults) {
		t.Error(fault)
	}
	if w.most > limit {
		t.Errorf("%d deliveries were under way at once, want at most %d", w.most, limit)
	}
}
