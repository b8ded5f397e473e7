package delivery

import (
	"context"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// Offer offers to send an entry that is about to be stored: the commit that
// makes its delivery may claim it with what is returned, so that neither the
// claim nor the parts cost a commit of their own. Nil means that the delivery
// is better left to be claimed in its turn. Of the outgoing entry nothing is
// known yet that storing it gives.
//
// After an offer, end has to be called once, when the commit is over: with the
// delivery if it was claimed, and whether the outcome is certain.
func (s *Service) Offer(o channel.Outgoing) (take *store.Take, end func(claimed *store.ClaimedDelivery, certain bool)) {
	sender, ok := s.SenderFor(o.Leg.Channel)
	if !ok {
		return nil, nil
	}
	owner := s.Owner()
	if owner == (store.Owner{}) || s.gates.isShut(o.Leg.Channel) || s.work.running() >= s.Policy.Running || !s.work.offer(o.Leg.Key) {
		return nil, nil
	}
	o.Attempt = 1
	parts, err := s.render(sender, o)
	if err != nil || len(parts) == 0 {
		// Whoever claims it finds out again, and says so.
		s.work.withdraw(o.Leg.Key)
		return nil, nil
	}
	take = &store.Take{Owner: owner, Limit: s.Policy.PerEndpoint, Parts: parts}
	return take, func(claimed *store.ClaimedDelivery, certain bool) {
		if !certain {
			s.doubt.Store(true)
		}
		if claimed == nil {
			s.work.withdraw(o.Leg.Key)
			return
		}
		s.take(newJob(*claimed, owner))
	}
}

// take sends a delivery that was claimed after an offer.
func (s *Service) take(j *job) {
	previous, ok := s.work.take(j)
	switch {
	case ok:
		s.send(j, previous)
	case s.work.has(j.Key): // in hand already
	case s.letGo(context.Background(), j.Delivery, j.owner, false) != nil:
		s.doubt.Store(true)
	}
}

// offer notes that a commit under way may claim a delivery of a leg. It is
// false when the node stops.
func (w *work) offer(leg chat.LegKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.offered[leg]++
	return true
}

// withdraw takes an offer back.
func (w *work) withdraw(leg chat.LegKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unoffer(leg)
}

// unoffer is withdraw for a caller that holds w.mu.
func (w *work) unoffer(leg chat.LegKey) {
	if w.offered[leg]--; w.offered[leg] == 0 {
		delete(w.offered, leg)
	}
}

// take is begin for a delivery that was claimed after an offer, which ends with
// it. It is also false when the node stops.
func (w *work) take(j *job) (previous *job, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unoffer(j.Leg.Key)
	if w.closed {
		return nil, false
	}
	return w.start(j)
}
