package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const selectDelivery = "SELECT " + deliveryColumns + " FROM delivery d JOIN channel g ON g.key = d.channel"

// Delivery implements [store.Deliveries].
func (q *Reader) Delivery(ctx context.Context, key chat.DeliveryKey) (chat.Delivery, []chat.Part, error) {
	var d chat.Delivery
	found, err := q.one(ctx, "a delivery", func(r Row) error { return scanDelivery(r, &d) }, selectDelivery+" WHERE d.key = $1", int64(key))
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no delivery %d", key)
	}
	if err != nil {
		return d, nil, err
	}
	parts := []chat.Part{}
	err = q.rows(ctx, "parts", func(r Row) error {
		var p chat.Part
		_, err := scanPart(r, &p)
		parts = append(parts, p)
		return err
	}, "SELECT "+partColumns+" FROM part p WHERE p.delivery = $1 ORDER BY p.part", int64(key))
	return d, parts, err
}

// Deliveries implements [store.Deliveries].
func (q *Reader) Deliveries(ctx context.Context, f store.DeliveryFilter) ([]chat.Delivery, error) {
	limit, err := listLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	if err := keyText("channel", string(f.Channel)); err != nil {
		return nil, err
	}
	switch f.Status {
	case "":
		// Two lists, each with an index of its own.
		open, err := q.deliveries(ctx, f, "d.status IN (1, 2, 3)", limit)
		if err != nil {
			return nil, err
		}
		failed, err := q.deliveries(ctx, f, "d.status = 5", limit)
		if err != nil {
			return nil, err
		}
		all := append(open, failed...)
		slices.SortFunc(all, func(a, b chat.Delivery) int { return int(b.Key - a.Key) })
		return all[:min(limit, len(all))], nil
	case chat.DeliveryWaiting:
		return q.deliveries(ctx, f, "d.status IN (1, 2, 3) AND d.status <> 2", limit)
	case chat.DeliveryClaimed, chat.DeliverySent, chat.DeliveryFailed, chat.DeliveryDropped:
		return q.deliveries(ctx, f, fmt.Sprintf("d.status = %d", deliveryStatuses.code(f.Status)), limit)
	default:
		return nil, fault.Field("status", "%q is not known", f.Status)
	}
}

func (q *Reader) deliveries(ctx context.Context, f store.DeliveryFilter, status string, limit int) ([]chat.Delivery, error) {
	var w where
	w.add(status)
	if f.Channel != "" {
		w.add("d.channel = (SELECT h.key FROM channel h WHERE h.id = $?)", string(f.Channel))
	}
	if f.Conversation != 0 {
		w.add("d.conversation = $?", int64(f.Conversation))
	}
	if f.Before != 0 {
		w.add("d.key < $?", int64(f.Before))
	}
	// "+" keeps the engines from walking all deliveries by key for the few that
	// are open or failed, or of one conversation.
	order := "+d.key"
	if ended := f.Status == chat.DeliverySent || f.Status == chat.DeliveryDropped; ended && f.Conversation == 0 {
		order = "d.key"
	}
	all := []chat.Delivery{}
	err := q.rows(ctx, "deliveries", func(r Row) error {
		var d chat.Delivery
		err := scanDelivery(r, &d)
		all = append(all, d)
		return err
	}, selectDelivery+" WHERE d.key IN (SELECT d.key FROM delivery d"+w.text()+fmt.Sprintf(" ORDER BY %s DESC LIMIT %d) ORDER BY d.key DESC", order, limit), w.args...)
	return all, err
}

// DeliveryCounts implements [store.Deliveries]. Channels that have neither are
// left out.
func (q *Reader) DeliveryCounts(ctx context.Context) ([]store.DeliveryCount, error) {
	all := []store.DeliveryCount{}
	err := q.rows(ctx, "figures of deliveries", func(r Row) error {
		var c store.DeliveryCount
		var channel string
		var waiting, claimed int64
		if err := r.Scan(&channel, &c.Open, &c.Failed, &waiting, &claimed); err != nil {
			return err
		}
		c.Channel, c.OldestOpen = chat.ChannelID(channel), timeOf(waiting)
		if waiting == 0 || claimed != 0 && claimed < waiting {
			c.OldestOpen = timeOf(claimed)
		}
		if c.Open > 0 || c.Failed > 0 {
			all = append(all, c)
		}
		return nil
	}, `SELECT h.id, (SELECT COUNT(*) FROM delivery d WHERE d.channel = h.key AND d.status IN (1, 2, 3)),
		(SELECT COUNT(*) FROM delivery d WHERE d.channel = h.key AND d.status = 5),
		COALESCE((SELECT MIN(d.created_at) FROM delivery d WHERE d.channel = h.key AND d.status = 1), 0),
		COALESCE((SELECT MIN(d.created_at) FROM delivery d WHERE d.channel = h.key AND d.status = 2), 0)
		FROM channel h ORDER BY h.id`)
	return all, err
}

const selectReference = "SELECT " + referenceColumns + " FROM reference r JOIN channel h ON h.key = r.channel"

// Reference implements [store.Deliveries].
func (q *Reader) Reference(ctx context.Context, ch chat.ChannelID, external string) (chat.Reference, error) {
	var ref chat.Reference
	if err := first(keyText("channel", string(ch)), keyText("external", external)); err != nil {
		return ref, err
	}
	found, err := q.one(ctx, "a reference", func(r Row) error { return scanReference(r, &ref) },
		selectReference+" WHERE h.id = $1 AND r.external_id = $2", string(ch), external)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "no entry is known by this id")
	}
	return ref, err
}

// References implements [store.Deliveries].
func (q *Reader) References(ctx context.Context, key chat.ConversationKey, seq int64) ([]chat.Reference, error) {
	all := []chat.Reference{}
	err := q.rows(ctx, "references", func(r Row) error {
		var ref chat.Reference
		err := scanReference(r, &ref)
		all = append(all, ref)
		return err
	}, selectReference+" WHERE r.conversation = $1 AND r.seq = $2 ORDER BY r.leg, r.part, r.external_id", int64(key), seq)
	return all, err
}

// HasPart implements [store.Deliveries].
func (q *Reader) HasPart(ctx context.Context, id string) (bool, error) {
	if keyText("id", id) != nil {
		return false, nil // nothing that is stored
	}
	var part int64
	return q.one(ctx, "a part", func(r Row) error { return r.Scan(&part) }, "SELECT p.part FROM part p WHERE p.id = $1", id)
}

// Rooms implements [store.Deliveries].
func (q *Reader) Rooms(ctx context.Context, ch chat.ChannelID) ([]store.Room, error) {
	if err := keyText("channel", string(ch)); err != nil {
		return nil, err
	}
	all := []store.Room{}
	err := q.rows(ctx, "rooms", func(r Row) error {
		var room store.Room
		var status, changed int64
		err := r.Scan(&room.Room, &status, &room.Position, &changed)
		room.Status, room.ChangedAt = roomStatuses.value(status), timeOf(changed)
		all = append(all, room)
		return err
	}, `SELECT m.room, m.status, m.position, m.changed_at FROM room m WHERE m.channel = (SELECT h.key FROM channel h WHERE h.id = $1) ORDER BY m.room`, string(ch))
	return all, err
}

// Alerts implements [store.Deliveries]; those that hold come first, then the
// newest.
func (q *Reader) Alerts(ctx context.Context, since time.Time) ([]store.Alert, error) {
	all := []store.Alert{}
	err := q.rows(ctx, "alerts", func(r Row) error {
		var a store.Alert
		err := scanAlert(r, &a)
		all = append(all, a)
		return err
	}, "SELECT "+alertColumns+` FROM alert a WHERE a.cleared_at = 0 OR a.cleared_at >= $1
		ORDER BY CASE WHEN a.cleared_at = 0 THEN 0 ELSE 1 END, a.raised_at DESC, a.name`, millis(since))
	return all, err
}
