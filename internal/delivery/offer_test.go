package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// outgoing is an entry before it is stored.
func outgoing(leg chat.LegKey, text string) channel.Outgoing {
	return channel.Outgoing{
		Leg:   chat.Leg{Key: leg, Channel: ch},
		Entry: chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Content: chat.TextContent(text)}},
	}
}

// claim stores the delivery of an offered entry as the commit that takes it
// does.
func (m *memory) claimOffered(o channel.Outgoing, take *store.Take) *store.ClaimedDelivery {
	key := m.add(o.Leg.Key, o.Leg.Channel, o.Entry)
	m.change(key, func(r *row) { r.Status, r.owner, r.parts = chat.DeliveryClaimed, take.Owner, take.Parts })
	r := m.at(key)
	return &store.ClaimedDelivery{Delivery: r.Delivery, Parts: r.parts, Entry: r.entry, Leg: o.Leg}
}

// stepsOf counts the steps of a type that the store is asked for.
func (m *memory) stepsOf(is func(store.Step) bool) func() int {
	n := 0
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mute = func(step store.Step) bool {
		if is(step) {
			n++
		}
		return false
	}
	return func() int { m.mu.Lock(); defer m.mu.Unlock(); return n }
}

// What an offer was taken up for is sent without another word to the store, and
// what is behind it follows.
func TestOfferTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		before := b.stepsOf(func(s store.Step) bool {
			_, sent := s.(store.SentPart)
			return !sent
		})
		o := outgoing(1, "a\nb")
		take, end := b.Offer(o)
		if take == nil || len(take.Parts) != 2 || take.Owner != b.owner() || take.Limit != 8 {
			t.Fatalf("offer %+v", take)
		}
		end(b.claimOffered(o, take), true)
		b.say(1, ch, "c")
		synctest.Wait()
		want(t, "arrived", b.got(), []string{"a", "b", "c"})
		// One look for more after the first, then the claim, the parts of the
		// second, and a last look.
		if n := before(); n > 4 {
			t.Errorf("%d steps beside those that record what was sent", n)
		}
		want(t, "status", b.at(1).Status, chat.DeliverySent)
	})
}

// A commit of which nobody knows whether it was stored must not hold up its leg.
func TestOfferUncertain(t *testing.T) {
	for _, stored := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			b := begin(t)
			o := outgoing(1, "a")
			take, end := b.Offer(o)
			if stored {
				b.claimOffered(o, take)
			}
			end(nil, false)
			after(5 * time.Second)
			b.say(1, ch, "b")
			after(5 * time.Second)
			if stored {
				want(t, "arrived", b.got(), []string{"a", "b"})
			} else {
				want(t, "arrived", b.got(), []string{"b"})
			}
		})
	}
}

// While a commit is under way, its delivery may look like one that nobody has in
// hand. It must not be given to somebody else.
func TestOfferUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		o := outgoing(1, "a")
		take, end := b.Offer(o)
		claimed := b.claimOffered(o, take)
		_, other := b.Offer(outgoing(2, "x"))
		other(nil, false) // has everything claimed looked over
		after(10 * time.Second)
		want(t, "arrived before the commit was told", b.got(), []string(nil))
		want(t, "status", b.at(1).Status, chat.DeliveryClaimed)
		end(claimed, true)
		after(10 * time.Second)
		want(t, "arrived", b.got(), []string{"a"})
		want(t, "status", b.at(1).Status, chat.DeliverySent)
	})
}

// The node's lease lapses between offer and commit: the delivery belongs to
// whoever claims it now.
func TestOfferOutlivesTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		o := outgoing(1, "a")
		take, end := b.Offer(o)
		claimed := b.claimOffered(o, take)
		b.newBoot()
		end(claimed, true)
		after(5 * time.Second)
		want(t, "arrived", b.got(), []string{"a"})
		want(t, "status", b.at(1).Status, chat.DeliverySent)
	})
}

// At the stop a delivery that was claimed just then is given back.
func TestOfferAtTheStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		o := outgoing(1, "a")
		take, end := b.Offer(o)
		claimed := b.claimOffered(o, take)
		b.end()
		end(claimed, true)
		want(t, "arrived", b.got(), []string(nil))
		want(t, "status", b.at(1).Status, chat.DeliveryWaiting)
		if take, _ := b.Offer(o); take != nil {
			t.Errorf("an offer after the stop: %+v", take)
		}
	})
}

func TestNoOffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := begin(t)
		refused := func(why string) {
			t.Helper()
			if take, _ := b.Offer(outgoing(1, "a")); take != nil {
				t.Errorf("an offer %s: %+v", why, take)
			}
		}
		b.render = func(channel.Outgoing) ([][]byte, error) { return nil, nil }
		refused("with nothing to send")
		b.render = func(channel.Outgoing) ([][]byte, error) { return nil, says(channel.SendTemporary, true) }
		refused("that cannot be rendered")
		b.render = func(channel.Outgoing) ([][]byte, error) { panic("defect") }
		refused("that panics")
		b.render = nil
		b.send = func(channel.Outgoing, chat.Part) (bool, error) { return false, says(channel.SendTemporary, true) }
		for leg := range chat.LegKey(10) {
			b.say(leg+1, ch, "a")
		}
		after(10 * time.Second)
		refused("to an endpoint that is shut")
	})
}
