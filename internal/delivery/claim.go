package delivery

import (
	"context"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// round does everything that is due and returns how long the next one can wait.
func (s *Service) round(ctx context.Context) time.Duration {
	s.giveBack(ctx)
	s.recheck(ctx)
	s.makeDue(ctx)
	next := s.claimDue(ctx)
	wait := s.Policy.Tick
	now := s.Now()
	for _, at := range []time.Time{next, s.gates.nextProbe(now)} {
		if d := at.Sub(now); d > 0 {
			wait = min(wait, d)
		}
	}
	return wait
}

// emptyClaims is how many claims in a row may find nothing while the store says
// that there is more.
const emptyClaims = 4

// claimDue claims and starts what is due, until there is no more or no room. It
// returns when more becomes due; zero for unknown.
func (s *Service) claimDue(ctx context.Context) (next time.Time) {
	empty := 0
	for ctx.Err() == nil {
		owner := s.Owner()
		limit := min(s.Policy.Running-s.work.running(), s.Policy.Batch)
		if limit <= 0 || owner == (store.Owner{}) {
			return time.Time{}
		}
		now := s.Now()
		// Whether we still want them or not: only the outcome tells what this
		// node has claimed. The store bounds the wait.
		out, err := store.Do(context.WithoutCancel(ctx), s.Store, store.ClaimDeliveries{
			Owner: owner, PerEndpoint: s.Policy.PerEndpoint, Limits: s.gates.limits(now), Limit: limit, Now: now,
		})
		if err != nil {
			s.doubt.Store(true)
			if !fault.Is(err, fault.Unavailable) {
				s.Logger.Error("due deliveries could not be claimed", "error", err)
			}
			return time.Time{}
		}
		for _, d := range out.Deliveries {
			s.start(d, owner)
		}
		if len(out.Deliveries) > 0 {
			empty = 0
		} else {
			empty++
		}
		// The store has passed over a backlog and may find more behind it.
		more := !out.NextDue.IsZero() && !out.NextDue.After(now) && empty < emptyClaims
		if len(out.Deliveries) < limit && !more {
			return out.NextDue
		}
	}
	return time.Time{}
}

// start sends a claimed delivery in the background.
func (s *Service) start(d store.ClaimedDelivery, owner store.Owner) {
	j := newJob(d, owner)
	previous, ok := s.work.begin(j)
	if !ok {
		s.orphans = append(s.orphans, j)
		return
	}
	s.send(j, previous)
}

// send sends a delivery that was taken in hand, in the background.
func (s *Service) send(j, previous *job) {
	go func() {
		// Told after the job has left, so that its place counts as free.
		defer s.Wake()
		defer s.work.end(j)
		defer s.caught(j)
		if previous != nil {
			// An older boot of this very process still has its hands on it.
			<-previous.done
		}
		s.run(j)
	}()
}

// makeDue lets the deliveries of endpoints be tried that answer again.
func (s *Service) makeDue(ctx context.Context) {
	for _, ch := range s.gates.takeRecovered() {
		_, err := store.Do(context.WithoutCancel(ctx), s.Store, store.MakeEndpointDue{Channel: ch, Now: s.Now()})
		if err != nil {
			s.gates.recover(ch)
			if !fault.Is(err, fault.Unavailable) {
				s.Logger.Error("waiting deliveries could not be made due", "channel", s.named(ch), "error", err)
			}
		}
	}
}

// giveBack lets go of deliveries that were claimed while this node had them in
// hand. That happens when the end of an attempt is stored and its goroutine has
// not heard of it, or when the node's own lease has lapsed; so such a claim may
// be gone by now, and only the store can tell.
func (s *Service) giveBack(ctx context.Context) {
	var kept []*job
	for _, j := range s.orphans {
		if s.work.has(j.Key) || ctx.Err() != nil {
			kept = append(kept, j)
			continue
		}
		if err := s.letGo(ctx, j.Delivery, j.owner, j.doubt); err != nil {
			kept = append(kept, j)
		}
	}
	s.orphans = kept
}

// letGo gives a claim back that nobody works on, if it is there.
func (s *Service) letGo(ctx context.Context, d chat.Delivery, owner store.Owner, uncertain bool) error {
	now := s.Now()
	_, err := store.Do(context.WithoutCancel(ctx), s.Store, store.EndDelivery{
		Delivery: d.Key, Owner: owner, Status: chat.DeliveryWaiting, DueAt: now, Error: d.LastError, Uncertain: uncertain, Now: now,
	})
	if err != nil && !fault.Is(err, fault.Unavailable) {
		s.Logger.Error("a delivery could not be given back; that is tried again", "delivery", d.Key, "error", err)
	}
	return err
}

// recheck gives back what the store may have claimed for this node without
// being able to say so: a claim keeps every other node away, so one that nobody
// works on would hold up its leg until this node's end.
func (s *Service) recheck(ctx context.Context) {
	if !s.doubt.Swap(false) {
		return
	}
	owner := s.Owner()
	filter := store.DeliveryFilter{Status: chat.DeliveryClaimed, Limit: 500}
	for ctx.Err() == nil {
		page, err := s.Store.Deliveries(ctx, filter)
		if err != nil {
			s.doubt.Store(true)
			return
		}
		for _, d := range page {
			switch has, offered := s.work.look(d); {
			case has:
				continue
			case offered: // it may be given to us in a moment
				s.doubt.Store(true)
				continue
			}
			// Lost, if it is another node's. Whether it had been claimed as
			// uncertain is not known.
			if err := s.letGo(ctx, d, owner, true); err != nil {
				s.doubt.Store(true)
				return
			}
		}
		if len(page) < filter.Limit {
			return
		}
		filter.Before = page[len(page)-1].Key
	}
	s.doubt.Store(true)
}
