package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

const (
	// lookAt is how many due deliveries of an endpoint are looked at at once,
	// and looks how often: what is behind in its leg is put aside meanwhile.
	lookAt = 64
	looks  = 8
	// claimAgain is the pause before something is looked for that is due and
	// could not be had for a reason that passes.
	claimAgain = 100 * time.Millisecond
)

// endpoint is a channel with something to send.
type endpoint struct {
	key int64
	// due is when the first waiting delivery becomes due; 0 for none.
	due int64
	// claimed is set when there are claims.
	claimed bool
	limit   int
	// full is set when its limit was reached, more when some are left that
	// could have been claimed.
	full, more bool
}

// picked is a delivery that is claimed.
type picked struct {
	key       chat.DeliveryKey
	uncertain bool
}

// claimDeliveries goes by endpoints first: what an endpoint costs does not
// depend on how much waits for it.
func (x single) claimDeliveries(ctx context.Context, s store.ClaimDeliveries) (any, error) {
	if ordered := x.engine.Ordered(); ordered != "" {
		if _, err := x.Exec(ctx, ordered); err != nil {
			return nil, fmt.Errorf("set the planner: %w", err)
		}
	}
	endpoints, err := x.endpoints(ctx, s)
	if err != nil {
		return nil, err
	}
	now := millis(s.Now)
	slices.SortFunc(endpoints, func(a, b *endpoint) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.key, b.key)) })
	var all []picked
	for _, e := range endpoints {
		if !e.claimed && (e.due == 0 || e.due > now) {
			continue
		}
		got, err := x.claimEndpoint(ctx, e, s, s.Limit-len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	out := store.ClaimedDeliveries{}
	if out.NextDue, err = x.nextDue(ctx, endpoints, s, len(all) > 0); err != nil {
		return nil, err
	}
	if len(all) > 0 {
		out.Deliveries, err = x.completed(ctx, all, now)
	}
	return out, err
}

// endpoints lists the channels with open deliveries that may be sent to.
func (x single) endpoints(ctx context.Context, s store.ClaimDeliveries) ([]*endpoint, error) {
	var all []*endpoint
	err := x.Query(ctx, func(r Row) error {
		e := &endpoint{limit: s.PerEndpoint}
		var id string
		var claimed int64
		if err := r.Scan(&e.key, &id, &e.due, &claimed); err != nil {
			return err
		}
		e.claimed = claimed != 0
		if limit, ok := s.Limits[chat.ChannelID(id)]; ok {
			e.limit = limit
		}
		if e.limit > 0 && (e.due != 0 || e.claimed) {
			all = append(all, e)
		}
		return nil
	}, `SELECT h.key, h.id,
		COALESCE((SELECT d.due_at FROM delivery d WHERE d.channel = h.key AND d.status = 1 ORDER BY d.due_at, d.key LIMIT 1), 0),
		COALESCE((SELECT d.key FROM delivery d WHERE d.channel = h.key AND d.status = 2 ORDER BY d.leg, d.key LIMIT 1), 0) FROM channel h`)
	if err != nil {
		return nil, fmt.Errorf("find endpoints: %w", err)
	}
	return all, nil
}

// nextDue looks again, if something was claimed.
func (x single) nextDue(ctx context.Context, endpoints []*endpoint, s store.ClaimDeliveries, changed bool) (time.Time, error) {
	state := make(map[int64]*endpoint, len(endpoints))
	for _, e := range endpoints {
		state[e.key] = e
	}
	if changed {
		var err error
		if endpoints, err = x.endpoints(ctx, s); err != nil {
			return time.Time{}, err
		}
	}
	now, next := millis(s.Now), int64(0)
	for _, e := range endpoints {
		was, due := state[e.key], e.due
		switch {
		case was == nil || was.full || due == 0:
			continue
		case due <= now && was.more:
			due = now
		case due <= now:
			due = now + claimAgain.Milliseconds()
		}
		if next == 0 || due < next {
			next = due
		}
	}
	return timeOf(next), nil
}

// claimEndpoint claims at most so many deliveries of an endpoint. Its row is
// locked first: two nodes together must not claim more than its limit.
func (x single) claimEndpoint(ctx context.Context, e *endpoint, s store.ClaimDeliveries, most int) ([]picked, error) {
	if most <= 0 {
		e.more = true
		return nil, nil
	}
	free, err := x.one(ctx, func(r Row) error { return r.Scan(&e.key) }, "SELECT h.key FROM channel h WHERE h.key = $1 "+x.engine.SkipLocked("h"), e.key)
	if err != nil {
		return nil, fmt.Errorf("lock an endpoint: %w", err)
	}
	if !free { // another node claims
		return nil, nil
	}
	all, living, err := x.claimLost(ctx, e, s, most)
	if err != nil {
		return nil, err
	}
	room := e.limit - living - len(all)
	for range looks {
		want := min(room, most-len(all))
		if want <= 0 {
			break
		}
		took, more, err := x.claimDue(ctx, e, s, want)
		if err != nil {
			return nil, err
		}
		all, room = append(all, took...), room-len(took)
		if e.more = more; !more {
			break
		}
	}
	e.full = room <= 0
	e.more = e.more || len(all) == most
	return all, nil
}

// claimLost claims heads whose owner is gone, and counts those whose owner
// lives.
func (x single) claimLost(ctx context.Context, e *endpoint, s store.ClaimDeliveries, most int) (all []picked, living int, err error) {
	err = x.Query(ctx, func(r Row) error {
		var key chat.DeliveryKey
		var void, ahead int64
		if err := r.Scan((*int64)(&key), &void, &ahead); err != nil {
			return err
		}
		switch {
		case void == 0:
			living++
		case ahead == 0:
			all = append(all, picked{key, true})
		}
		return nil
	}, fmt.Sprintf(`SELECT d.key, CASE WHEN %s THEN 1 ELSE 0 END, %s
		FROM delivery d WHERE d.channel = $3 AND d.status = 2 ORDER BY d.leg, d.key`, x.void("d", "$1", "$2"), aheadOf), s.Owner.Node, s.Owner.Boot, e.key)
	if err != nil {
		return nil, 0, fmt.Errorf("find lost claims: %w", err)
	}
	slices.SortFunc(all, func(a, b picked) int { return cmp.Compare(a.key, b.key) }) // the order of locks
	all = all[:min(len(all), max(e.limit-living, 0), most)]
	// Whoever had one may be ending it right now.
	var still []picked
	for _, p := range all {
		n, err := x.Exec(ctx, `UPDATE delivery SET owner = $1, boot = $2, uncertain = 1 WHERE key = $3 AND status = 2`, s.Owner.Node, s.Owner.Boot, int64(p.key))
		if err != nil {
			return nil, 0, fmt.Errorf("claim a delivery: %w", err)
		}
		if n == 1 {
			still = append(still, p)
		}
	}
	return still, living, nil
}

// claimDue looks at the first due deliveries of an endpoint and claims those
// that are the heads of their legs. The others are put aside. more is set when
// another look may find others.
func (x single) claimDue(ctx context.Context, e *endpoint, s store.ClaimDeliveries, want int) (took []picked, more bool, err error) {
	var due []chat.DeliveryKey
	err = x.Query(ctx, func(r Row) error {
		var key chat.DeliveryKey
		err := r.Scan((*int64)(&key))
		due = append(due, key)
		return err
	}, fmt.Sprintf(`SELECT d.key FROM delivery d WHERE d.channel = $1 AND d.status = 1 AND d.due_at <= $2 ORDER BY d.due_at, d.key LIMIT %d %s`,
		lookAt, x.engine.SkipLocked("d")), e.key, millis(s.Now))
	if err != nil {
		return nil, false, fmt.Errorf("find due deliveries: %w", err)
	}
	// What was read before the lock may be old.
	ahead, err := x.ahead(ctx, due)
	if err != nil {
		return nil, false, err
	}
	var heads []chat.DeliveryKey
	for _, key := range due {
		if a, ok := ahead[key]; ok && a.head == 0 && !a.busy && len(heads) < want {
			heads = append(heads, key)
			took = append(took, picked{key: key})
		}
	}
	aside, err := x.setAside(ctx, ahead)
	if err != nil {
		return nil, false, err
	}
	err = inLists(heads, 3, func(list string, args []any) error {
		_, err := x.Exec(ctx, "UPDATE delivery SET status = 2, owner = $1, boot = $2 WHERE key IN ("+list+")", append([]any{s.Owner.Node, s.Owner.Boot}, args...)...)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("claim deliveries: %w", err)
	}
	return took, len(due) == lookAt && len(took)+aside > 0, nil
}
