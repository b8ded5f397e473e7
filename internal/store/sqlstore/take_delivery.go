package sqlstore

import (
	"parley/internal/chat"
	"parley/internal/store"
)

// taker claims a delivery to one leg in the batch that makes it; see
// [store.Take].
type taker struct {
	store.Take
	leg chat.LegKey
	// got is nil until the delivery was claimed.
	got *store.TakenDelivery
}

func newTaker(s store.Accept) *taker { return &taker{Take: *s.Take, leg: s.Origin} }

func (t *taker) taken() *store.TakenDelivery {
	if t == nil {
		return nil
	}
	return t.got
}

// take claims a delivery that is about to be inserted, if the taker wants that
// leg and the leg's channel has room.
func (b *batch) take(t *taker, leg pushLeg, key chat.DeliveryKey) bool {
	if t == nil || t.leg != leg.Key || b.claimed[leg.channel] >= int64(t.Limit) {
		return false
	}
	b.claimed[leg.channel]++
	t.got = &store.TakenDelivery{Key: key, Leg: leg.Leg}
	for _, p := range t.Parts {
		b.add(insertPart, []any{int64(key), int64(p.Number), p.ID, p.Body, "[]", "", int64(0)})
	}
	return true
}
