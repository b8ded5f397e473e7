package delivery_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// row is a delivery in the store.
type row struct {
	chat.Delivery
	owner store.Owner
	parts []chat.Part
	entry chat.Entry
	doubt bool
}

// memory is a store of deliveries.
type memory struct {
	mu     sync.Mutex
	rows   []*row
	living store.Owner
	// away makes every step fail; mute stores the next step of a type and fails
	// all the same.
	away bool
	mute func(store.Step) bool
	// refuse makes a step fail for good.
	refuse func(store.Step) bool
	// slow is how long the answer to a stored step takes.
	slow   func(store.Step) time.Duration
	claims int
}

func (m *memory) Commit(ctx context.Context, step store.Step) (any, error) {
	out, err := m.commit(ctx, step)
	if m.slow != nil {
		time.Sleep(m.slow(step))
	}
	return out, err
}

func (m *memory) commit(ctx context.Context, step store.Step) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.away {
		return nil, fault.New(fault.Unavailable, "the store is away")
	}
	if m.refuse != nil && m.refuse(step) {
		return nil, fault.New(fault.Invalid, "the store refuses")
	}
	out, err := m.apply(step)
	if m.mute != nil && m.mute(step) {
		return nil, fault.New(fault.Unavailable, "the connection was lost in the commit")
	}
	return out, err
}

func (m *memory) apply(step store.Step) (any, error) {
	switch s := step.(type) {
	case store.ClaimDeliveries:
		return m.claim(s), nil
	case store.RenderDelivery:
		r := m.held(s.Delivery, s.Owner)
		if r == nil {
			return store.RenderedDelivery{Lost: true}, nil
		}
		if len(r.parts) == 0 {
			r.parts = slices.Clone(s.Parts)
		}
		return store.RenderedDelivery{Parts: slices.Clone(r.parts)}, nil
	case store.SentPart:
		r := m.held(s.Delivery, s.Owner)
		if r == nil {
			return store.ReleasedDelivery{Lost: true}, nil
		}
		r.doubt = false
		r.parts[s.Part-1].External, r.parts[s.Part-1].SentAt = s.External, s.Now
		if s.Done {
			r.Status, r.EndedAt, r.owner = chat.DeliverySent, s.Now, store.Owner{}
		}
		return store.ReleasedDelivery{}, nil
	case store.EndDelivery:
		r := m.held(s.Delivery, s.Owner)
		if r == nil {
			return store.ReleasedDelivery{Lost: true}, nil
		}
		r.Status, r.DueAt, r.LastError, r.owner, r.doubt = s.Status, s.DueAt, s.Error, store.Owner{}, r.doubt || s.Uncertain
		if s.CountAttempt {
			r.Attempts++
		}
		if s.Status != chat.DeliveryWaiting {
			r.EndedAt = s.Now
		}
		return store.ReleasedDelivery{}, nil
	case store.MakeEndpointDue:
		var n int64
		for _, r := range m.rows {
			if r.Channel == s.Channel && r.Status == chat.DeliveryWaiting {
				r.DueAt = s.Now
				n++
			}
		}
		return store.MadeDue{Deliveries: n}, nil
	default:
		return nil, fmt.Errorf("unexpected %T", step)
	}
}

// held is the row if the owner has it claimed.
func (m *memory) held(key chat.DeliveryKey, owner store.Owner) *row {
	r := m.rows[key-1]
	if r.Status != chat.DeliveryClaimed || r.owner != owner {
		return nil
	}
	return r
}

func (m *memory) claim(s store.ClaimDeliveries) (out store.ClaimedDeliveries) {
	m.claims++
	if s.Owner != m.living {
		return out
	}
	busy := make(map[chat.ChannelID]int)
	for _, r := range m.rows {
		if r.Status == chat.DeliveryClaimed && r.owner == m.living {
			busy[r.Channel]++
		}
	}
	for _, r := range m.heads() {
		limit, named := s.Limits[r.Channel]
		if !named {
			limit = s.PerEndpoint
		}
		lost := r.Status == chat.DeliveryClaimed && r.owner != m.living
		switch {
		case r.Status == chat.DeliveryClaimed && !lost, named && limit == 0:
			continue
		case r.Status == chat.DeliveryWaiting && r.DueAt.After(s.Now):
			if out.NextDue.IsZero() || r.DueAt.Before(out.NextDue) {
				out.NextDue = r.DueAt
			}
			continue
		case busy[r.Channel] >= limit:
			continue // who ends a claim there asks again
		case len(out.Deliveries) >= s.Limit:
			out.NextDue = s.Now
			continue
		}
		busy[r.Channel]++
		r.Status, r.owner, r.doubt = chat.DeliveryClaimed, s.Owner, r.doubt || lost
		out.Deliveries = append(out.Deliveries, store.ClaimedDelivery{
			Delivery: r.Delivery, Uncertain: r.doubt, Parts: slices.Clone(r.parts), Entry: r.entry,
			Conversation: chat.Conversation{ID: "cv-1", Channel: r.Channel}, Leg: chat.Leg{Key: r.Leg, Channel: r.Channel},
			Targets: m.targets(r),
		})
	}
	return out
}

// heads are the oldest open deliveries of their legs, earliest due first.
func (m *memory) heads() []*row {
	seen := make(map[chat.LegKey]bool)
	var heads []*row
	for _, r := range m.rows {
		if open(r.Status) && !seen[r.Leg] {
			seen[r.Leg] = true
			heads = append(heads, r)
		}
	}
	slices.SortStableFunc(heads, func(a, b *row) int { return a.DueAt.Compare(b.DueAt) })
	return heads
}

func (m *memory) targets(of *row) (refs []chat.Reference) {
	for _, r := range m.rows {
		if r.Leg != of.Leg || r.Seq != of.entry.Target {
			continue
		}
		for _, p := range r.parts {
			if !p.SentAt.IsZero() {
				refs = append(refs, chat.Reference{External: p.External, Part: p.Number})
			}
		}
	}
	return refs
}

func open(s chat.DeliveryStatus) bool {
	return s == chat.DeliveryWaiting || s == chat.DeliveryClaimed
}

func (m *memory) Deliveries(_ context.Context, f store.DeliveryFilter) (found []chat.Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.rows) {
		if (f.Status == "" || r.Status == f.Status) && (f.Before == 0 || r.Key < f.Before) && len(found) < f.Limit {
			found = append(found, r.Delivery)
		}
	}
	return found, nil
}

func (m *memory) DeliveryCounts(context.Context) ([]store.DeliveryCount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := make(map[chat.ChannelID]*store.DeliveryCount)
	for _, r := range m.rows {
		c := by[r.Channel]
		if c == nil {
			c = &store.DeliveryCount{Channel: r.Channel}
			by[r.Channel] = c
		}
		switch {
		case open(r.Status):
			c.Open++
			if c.OldestOpen.IsZero() {
				c.OldestOpen = r.CreatedAt
			}
		case r.Status == chat.DeliveryFailed:
			c.Failed++
		}
	}
	var all []store.DeliveryCount
	for _, c := range by {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b store.DeliveryCount) int { return cmp.Compare(a.Channel, b.Channel) })
	return all, nil
}

// add puts an entry on its way; its sequence number is its delivery's key.
func (m *memory) add(leg chat.LegKey, ch chat.ChannelID, entry chat.Entry) chat.DeliveryKey {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := chat.DeliveryKey(len(m.rows) + 1)
	entry.Seq = int64(key)
	m.rows = append(m.rows, &row{entry: entry, Delivery: chat.Delivery{
		Key: key, Seq: entry.Seq, Leg: leg, Channel: ch, Status: chat.DeliveryWaiting, DueAt: time.Now(), CreatedAt: time.Now(),
	}})
	return key
}

func (m *memory) say(leg chat.LegKey, ch chat.ChannelID, text string) chat.DeliveryKey {
	return m.add(leg, ch, chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Content: chat.TextContent(text)}})
}

// at returns a copy of a row.
func (m *memory) at(key chat.DeliveryKey) row {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := *m.rows[key-1]
	r.parts = slices.Clone(r.parts)
	return r
}

// change changes a row.
func (m *memory) change(key chat.DeliveryKey, how func(*row)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how(m.rows[key-1])
}

func (m *memory) newBoot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.living = store.Owner{Node: "node-1", Boot: m.living.Boot + 1}
}

func (m *memory) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) owner() store.Owner {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.living
}
