package sqlstore

import (
	"cmp"
	"maps"
	"slices"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// delivery is what a sender's steps need of a delivery's row.
type delivery struct {
	key          chat.DeliveryKey
	conversation chat.ConversationKey
	seq          int64
	leg          chat.LegKey
	channel      int64
	status       chat.DeliveryStatus
	attempts     int64
	dueAt        int64
	owner        store.Owner
	lastError    string
	endedAt      int64
	uncertain    bool
	dirty        bool

	// next is the oldest other open delivery of the leg, or 0; it is known for
	// steps that end the delivery.
	next       chat.DeliveryKey
	nextBehind bool
	// parts are those that the steps have asked for, by number.
	parts map[int]*part
}

type part struct {
	chat.Part
	made, dirty bool
}

type partKey struct {
	delivery chat.DeliveryKey
	part     int
}

func orderPart(a, b partKey) int {
	return cmp.Or(cmp.Compare(a.delivery, b.delivery), cmp.Compare(a.part, b.part))
}

func byPart(k partKey) []any { return []any{int64(k.delivery), int64(k.part)} }

// delivery collects what steps of senders have to load.
func (p *pending) delivery(step any) {
	switch s := step.(type) {
	case store.RenderDelivery:
		mark(&p.deliveries, s.Delivery)
		mark(&p.rendered, s.Delivery)
	case store.SentPart:
		mark(&p.deliveries, s.Delivery)
		mark(&p.parts, partKey{s.Delivery, s.Part})
		if s.Done {
			mark(&p.ending, s.Delivery)
		}
	case store.EndDelivery:
		mark(&p.deliveries, s.Delivery)
		if s.Status != chat.DeliveryWaiting {
			mark(&p.ending, s.Delivery)
		}
	case store.MoveRooms:
		mark(&p.channels, s.Channel)
	}
}

func (b *batch) loadDelivery(r Row) error {
	d := &delivery{}
	var status, uncertain int64
	if err := r.Scan((*int64)(&d.key), (*int64)(&d.conversation), &d.seq, (*int64)(&d.leg), &d.channel, &status, &d.attempts, &d.dueAt,
		&d.owner.Node, &d.owner.Boot, &d.lastError, &uncertain); err != nil {
		return err
	}
	d.status, d.uncertain = deliveryStatuses.value(status), uncertain != 0
	b.deliveries[d.key] = d
	return nil
}

func (b *batch) loadNext(r Row) error {
	var key, next chat.DeliveryKey
	var status int64
	if err := r.Scan((*int64)(&key), (*int64)(&next), &status); err != nil {
		return err
	}
	if d := b.deliveries[key]; d != nil {
		d.next, d.nextBehind = next, deliveryStatuses.value(status) == deliveryBehind
	}
	return nil
}

func scanPart(r Row, p *chat.Part) (chat.DeliveryKey, error) {
	var key chat.DeliveryKey
	var number, sent int64
	err := r.Scan((*int64)(&key), &number, &p.ID, &p.Body, &p.External, &sent)
	p.Number, p.SentAt = int(number), timeOf(sent)
	return key, err
}

func (b *batch) loadParts(r Row) error {
	var p part
	key, err := scanPart(r, &p.Part)
	if d := b.deliveries[key]; d != nil {
		d.keep(&p)
	}
	return err
}

// loadPart reads a part without its body.
func (b *batch) loadPart(r Row) error {
	var p part
	var key chat.DeliveryKey
	var number, sent int64
	if err := r.Scan((*int64)(&key), &number, &p.External, &sent); err != nil {
		return err
	}
	p.Number, p.SentAt = int(number), timeOf(sent)
	if d := b.deliveries[key]; d != nil && d.parts[p.Number] == nil {
		d.keep(&p)
	}
	return nil
}

func (b *batch) loadBusy(r Row) error {
	var leg chat.LegKey
	var channel, busy, claimed int64
	err := r.Scan((*int64)(&leg), &channel, &busy, &claimed)
	if busy != 0 {
		mark(&b.busy, leg)
	}
	b.claimed[channel] = claimed
	return err
}

func (d *delivery) keep(p *part) {
	if d.parts == nil {
		d.parts = make(map[int]*part)
	}
	d.parts[p.Number] = p
}

// held returns the delivery if it is still claimed by the owner.
func (b *batch) held(key chat.DeliveryKey, owner store.Owner) *delivery {
	d := b.deliveries[key]
	if d == nil || d.status != chat.DeliveryClaimed || d.owner != owner {
		return nil
	}
	return d
}

func (b *batch) renderDelivery(s store.RenderDelivery) (any, error) {
	d := b.held(s.Delivery, s.Owner)
	if d == nil {
		return store.RenderedDelivery{Lost: true}, nil
	}
	if len(d.parts) == 0 {
		for _, p := range s.Parts {
			p.External, p.SentAt = "", timeOf(0)
			d.keep(&part{Part: p, made: true})
		}
	}
	var out store.RenderedDelivery
	for _, n := range slices.Sorted(maps.Keys(d.parts)) {
		out.Parts = append(out.Parts, d.parts[n].Part)
	}
	return out, nil
}

// sentPart stores what came of a part before anything else of the delivery is
// sent. A part that was sent already keeps what is there.
func (b *batch) sentPart(s store.SentPart) (any, error) {
	d := b.held(s.Delivery, s.Owner)
	if d == nil {
		return store.ReleasedDelivery{Lost: true}, nil
	}
	p := d.parts[s.Part]
	if p == nil {
		return nil, fault.New(fault.NotFound, "delivery %d has no part %d", s.Delivery, s.Part)
	}
	if p.SentAt.IsZero() {
		p.External, p.SentAt, p.dirty = s.External, timeOf(max(millis(s.Now), 1)), true
		if s.External != "" {
			b.refer(d.channel, chat.Reference{External: s.External, Conversation: d.conversation, Seq: d.seq, Leg: d.leg, Part: s.Part})
		}
	}
	d.dirty = d.dirty || d.uncertain
	d.uncertain = false
	if s.Done {
		b.endHead(d, chat.DeliverySent, millis(s.Now))
	}
	return store.ReleasedDelivery{}, nil
}

func (b *batch) endDelivery(s store.EndDelivery) (any, error) {
	d := b.held(s.Delivery, s.Owner)
	if d == nil {
		return store.ReleasedDelivery{Lost: true}, nil
	}
	if s.CountAttempt {
		d.attempts++
	}
	d.uncertain = d.uncertain || s.Uncertain
	d.lastError = s.Error
	if s.Status == chat.DeliveryWaiting {
		d.status, d.owner, d.dueAt, d.dirty = chat.DeliveryWaiting, store.Owner{}, max(millis(s.DueAt), 1), true
		return store.ReleasedDelivery{}, nil
	}
	b.endHead(d, s.Status, millis(s.Now))
	return store.ReleasedDelivery{}, nil
}

// endHead ends a delivery and lets the next of its leg be found.
func (b *batch) endHead(d *delivery, status chat.DeliveryStatus, at int64) {
	d.status, d.owner, d.endedAt, d.dirty = status, store.Owner{}, max(at, 1), true
	if d.next != 0 && d.nextBehind {
		b.add(promoteDelivery, []any{int64(d.next), deliveryStatuses.code(chat.DeliveryWaiting)})
	}
}

func (b *batch) changedDeliveries() {
	for _, key := range slices.Sorted(maps.Keys(b.deliveries)) {
		d := b.deliveries[key]
		if d.dirty {
			b.add(updateDelivery, []any{int64(d.key), deliveryStatuses.code(d.status), d.attempts, d.dueAt, d.owner.Node, d.owner.Boot, d.lastError, d.endedAt, flag(d.uncertain)})
		}
		for _, n := range slices.Sorted(maps.Keys(d.parts)) {
			switch p := d.parts[n]; {
			case p.made:
				b.add(insertPart, []any{int64(key), int64(n), p.ID, p.Body, "[]", p.External, millis(p.SentAt)})
			case p.dirty:
				b.add(updatePart, []any{int64(key), int64(n), p.External, millis(p.SentAt)})
			}
		}
	}
}
