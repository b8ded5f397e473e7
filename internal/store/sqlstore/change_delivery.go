package sqlstore

import (
	"context"
	"fmt"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// dueMost bounds the deliveries that one step makes due.
const dueMost = 10_000

func (x single) makeEndpointDue(ctx context.Context, s store.MakeEndpointDue) (any, error) {
	n, err := x.Exec(ctx, fmt.Sprintf(`UPDATE delivery SET due_at = $1 WHERE key IN (SELECT d.key FROM delivery d
		WHERE d.channel = (SELECT h.key FROM channel h WHERE h.id = $2) AND d.status = 1 AND d.due_at > $1
		ORDER BY d.due_at, d.key LIMIT %d %s)`, dueMost, x.engine.SkipLocked("d")), millis(s.Now), string(s.Channel))
	if err != nil {
		return nil, fmt.Errorf("make deliveries due: %w", err)
	}
	return store.MadeDue{Deliveries: n}, nil
}

// The words of [store.ChangeDelivery].
const (
	resend = "resend"
	drop   = "drop"
)

func (x single) changeDelivery(ctx context.Context, s store.ChangeDelivery) (any, error) {
	var channel, leg, status int64
	find := func() error {
		found, err := x.one(ctx, func(r Row) error { return r.Scan(&channel, &leg, &status) },
			"SELECT d.channel, d.leg, d.status FROM delivery d WHERE d.key = $1", int64(s.Delivery))
		if err == nil && !found {
			err = fault.New(fault.NotFound, "there is no delivery %d", s.Delivery)
		}
		return err
	}
	if err := find(); err != nil {
		return nil, err
	}
	if err := x.lockHead(ctx, channel, leg); err != nil {
		return nil, err
	}
	if _, err := x.Exec(ctx, "UPDATE delivery SET status = status WHERE key = $1", int64(s.Delivery)); err != nil {
		return nil, fmt.Errorf("lock a delivery: %w", err)
	}
	if err := find(); err != nil {
		return nil, err
	}
	now := max(millis(s.Now), 1)
	if err := x.changeFrom(ctx, deliveryStatuses.value(status), s, now); err != nil {
		return nil, err
	}
	if err := x.promote(ctx, channel, leg); err != nil {
		return nil, err
	}
	_, err := x.Exec(ctx, `INSERT INTO audit (key, at, actor, verb, subject, note) VALUES ($1, $2, $3, $4, $5, '')`,
		x.keys.take(), now, s.Actor, "delivery."+s.Verb, fmt.Sprintf("delivery %d", s.Delivery))
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var out store.ChangedDelivery
	_, err = x.one(ctx, func(r Row) error { return scanDelivery(r, &out.Delivery) }, selectDelivery+" WHERE d.key = $1", int64(s.Delivery))
	return out, err
}

// changeFrom changes a delivery that is locked.
func (x single) changeFrom(ctx context.Context, is chat.DeliveryStatus, s store.ChangeDelivery, now int64) error {
	key, err := int64(s.Delivery), error(nil)
	switch {
	case s.Verb == resend && (is == chat.DeliveryFailed || is == chat.DeliveryDropped):
		_, err = x.Exec(ctx, `UPDATE delivery SET status = 1, attempts = 0, due_at = $1, ended_at = 0 WHERE key = $2`, now, key)
	case s.Verb == resend && (is == chat.DeliveryWaiting || is == deliveryBehind):
		_, err = x.Exec(ctx, `UPDATE delivery SET due_at = $1 WHERE key = $2 AND due_at > $1`, now, key)
	case s.Verb == drop && is != chat.DeliverySent && is != chat.DeliveryDropped:
		_, err = x.Exec(ctx, `UPDATE delivery SET status = 6, owner = '', boot = 0, ended_at = $1 WHERE key = $2`, now, key)
	case is == chat.DeliveryClaimed:
		return fault.New(fault.Conflict, "delivery %d is being sent right now; look again in a moment", s.Delivery)
	default:
		return fault.New(fault.Conflict, "delivery %d is %s already", s.Delivery, is)
	}
	if err != nil {
		return fmt.Errorf("change a delivery: %w", err)
	}
	return nil
}

// oldestOpen is the head of the leg $2 of the channel $1.
const oldestOpen = `SELECT o.key FROM delivery o WHERE o.channel = $1 AND o.leg = $2 AND o.status IN (1, 2, 3) ORDER BY o.seq LIMIT 1`

// lockHead locks the head of a leg, if it has one. Whoever ends a delivery that
// another may put in the head's place does it under this lock.
func (x single) lockHead(ctx context.Context, channel, leg int64) error {
	for range tries {
		var head int64
		found, err := x.one(ctx, func(r Row) error { return r.Scan(&head) }, oldestOpen, channel, leg)
		if err != nil || !found {
			return err
		}
		n, err := x.Exec(ctx, "UPDATE delivery SET status = status WHERE key = $1 AND status IN (1, 2, 3)", head)
		if err != nil {
			return fmt.Errorf("lock the head of a leg: %w", err)
		}
		if n == 1 {
			return nil
		}
	}
	return fault.New(fault.Unavailable, "the delivery's leg is too busy; try again in a moment")
}

// promote puts the oldest open delivery of a leg at its head.
func (x single) promote(ctx context.Context, channel, leg int64) error {
	if _, err := x.Exec(ctx, "UPDATE delivery SET status = 1 WHERE status = 3 AND key = ("+oldestOpen+")", channel, leg); err != nil {
		return fmt.Errorf("go on with a leg: %w", err)
	}
	return nil
}
