package conversation_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/store"
)

// pusher takes every offer.
type pusher struct {
	mu      sync.Mutex
	offered []channel.Outgoing
	ended   []*store.ClaimedDelivery
	certain []bool
	take    *store.Take
}

func (p *pusher) offer(o channel.Outgoing) (*store.Take, func(*store.ClaimedDelivery, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offered = append(p.offered, o)
	return p.take, func(d *store.ClaimedDelivery, certain bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended, p.certain = append(p.ended, d), append(p.certain, certain)
	}
}

// pushing is a bench whose conversation has a push leg.
func pushing(t *testing.T, options ...option) (*bench, *pusher) {
	t.Helper()
	p := &pusher{}
	b := begin(t, echo(), append(options, func(o *conversation.Options) { o.Offer = p.offer })...)
	opened, err := b.Open(t.Context(), channel.Place{
		Channel: "mm-1", Type: "mattermost", Key: "room", Person: chat.Person{ExternalID: "ann"}, Mode: chat.LegPush, Thread: "root",
	})
	if err != nil {
		t.Fatal(err)
	}
	b.conv = opened.Conversation
	p.take = &store.Take{
		Owner: store.Owner{Node: node, Boot: b.boot.Load()}, Limit: 8,
		Parts: []chat.Part{{Number: 1, ID: "abcdefghijklmnopqrstuvwxyz", Body: []byte("re: hello")}},
	}
	return b, p
}

// What the sender gets after an offer is what the store would have given it.
func TestInstantAnswerIsPushed(t *testing.T) {
	b, p := pushing(t)
	in := b.inbound("hello")
	in.External = "post-1"
	if _, err := b.Accept(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if len(p.offered) != 1 || p.offered[0].Entry.Content.Text != "re: hello" || p.offered[0].Leg.Place != "room" || p.offered[0].Leg.Channel != "mm-1" {
		t.Fatalf("offered %+v", p.offered)
	}
	if len(p.ended) != 1 || p.ended[0] == nil || !p.certain[0] {
		t.Fatalf("the offer ended with %+v, %v", p.ended, p.certain)
	}
	got := *p.ended[0]
	if _, err := store.Do(t.Context(), b.store, store.EndDelivery{Delivery: got.Key, Owner: p.take.Owner, Status: chat.DeliveryWaiting, DueAt: b.Now(), Now: b.Now()}); err != nil {
		t.Fatal(err)
	}
	claimed, err := store.Do(t.Context(), b.store, store.ClaimDeliveries{Owner: p.take.Owner, PerEndpoint: 8, Limit: 8, Now: b.Now()})
	if err != nil || len(claimed.Deliveries) != 1 {
		t.Fatalf("claimed %+v, %v", claimed, err)
	}
	want := claimed.Deliveries[0]
	// The conversation is the caller's, from before its entries.
	want.Conversation.Seq, want.Conversation.VisibleSeq, want.Conversation.LastAt = got.Conversation.Seq, got.Conversation.VisibleSeq, got.Conversation.LastAt
	want.Status = got.Status
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is to be sent (-from the store +after the offer):\n%s", diff)
	}
}

// Each offer is ended, whatever comes of its commit.
func TestOffersEnd(t *testing.T) {
	b, p := pushing(t)
	b.say("hello")
	in := b.inbound("hello")
	in.DedupeKey = "1"
	for range 2 {
		if _, err := b.Accept(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.ended) != 3 || p.ended[0] == nil || p.ended[1] != nil || p.ended[2] != nil || slices.Contains(p.certain, false) {
		t.Errorf("offers ended with %v, %v; want one taken, one behind it, one repeated", p.ended, p.certain)
	}
	// An answer that is carried by the request is nobody's to send.
	b.conv.Leg++ // nothing is open there
	in = b.inbound("hello")
	in.Carry = true
	if _, err := b.Accept(t.Context(), in); err != nil || len(p.offered) != 3 {
		t.Errorf("%d offers, %v", len(p.offered), err)
	}
}

// failing fails the steps that accept something.
type failing struct {
	conversation.Store
	err error
}

func (f *failing) Commit(ctx context.Context, step store.Step) (any, error) {
	if _, ok := step.(store.Accept); ok && f.err != nil {
		return nil, f.err
	}
	return f.Store.Commit(ctx, step)
}

func TestOfferOfAFailedCommit(t *testing.T) {
	for _, test := range []struct {
		err     error
		certain bool
	}{
		{fault.New(fault.Invalid, "no"), true},
		{fault.New(fault.Unavailable, "the connection was lost"), false},
		{errors.New("disk on fire"), false},
	} {
		b, p := pushing(t, func(o *conversation.Options) { o.Store = &failing{o.Store, test.err} })
		if _, err := b.Accept(t.Context(), b.inbound("hello")); err == nil {
			t.Error("accepted")
		}
		if len(p.ended) != 1 || p.ended[0] != nil || p.certain[0] != test.certain {
			t.Errorf("%v: offers ended with %v, %v", test.err, p.ended, p.certain)
		}
	}
}
