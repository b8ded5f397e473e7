package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/store"
)

// unreadable is the error of a delivery whose entry is not there or cannot be
// read. It must not hold up what can be sent.
const unreadable = "the entry cannot be read"

// completed reads what sending the picked deliveries needs.
func (x single) completed(ctx context.Context, all []picked, now int64) ([]store.ClaimedDelivery, error) {
	found := make(map[chat.DeliveryKey]*store.ClaimedDelivery, len(all))
	keys := make([]chat.DeliveryKey, 0, len(all))
	for _, p := range all {
		keys = append(keys, p.key)
	}
	for _, read := range []func(context.Context, []chat.DeliveryKey, map[chat.DeliveryKey]*store.ClaimedDelivery) error{
		x.readHeads, x.readEntries, x.readConversations, x.readParts, x.readTargets, x.readQuestions,
	} {
		if err := read(ctx, keys, found); err != nil {
			return nil, fmt.Errorf("read claimed deliveries: %w", err)
		}
	}
	var out []store.ClaimedDelivery
	for _, p := range all {
		d := found[p.key]
		if d != nil {
			slices.SortFunc(d.Parts, func(a, b chat.Part) int { return cmp.Compare(a.Number, b.Number) })
			slices.SortFunc(d.Targets, bySeq)
			slices.SortFunc(d.Questions, bySeq)
		}
		if d != nil && d.Entry.Seq != 0 && d.Conversation.Key != 0 {
			out = append(out, *d)
			continue
		}
		if err := x.giveUp(ctx, p.key, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func bySeq(a, b chat.Reference) int {
	return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Part, b.Part), strings.Compare(a.External, b.External))
}

// giveUp ends a claimed delivery that cannot be sent by anybody.
func (x single) giveUp(ctx context.Context, key chat.DeliveryKey, now int64) error {
	var channel, leg int64
	_, err := x.one(ctx, func(r Row) error { return r.Scan(&channel, &leg) }, "SELECT d.channel, d.leg FROM delivery d WHERE d.key = $1", int64(key))
	if err != nil {
		return fmt.Errorf("give a delivery up: %w", err)
	}
	if _, err := x.Exec(ctx, `UPDATE delivery SET status = 5, owner = '', boot = 0, last_error = $1, ended_at = $2 WHERE key = $3`, unreadable, now, int64(key)); err != nil {
		return fmt.Errorf("give a delivery up: %w", err)
	}
	return x.promote(ctx, channel, leg)
}

func scanDelivery(r Row, d *chat.Delivery, more ...any) error {
	var channel string
	var status, attempts, due, created, ended int64
	dest := append([]any{(*int64)(&d.Key), (*int64)(&d.Conversation), &d.Seq, (*int64)(&d.Leg), &channel, &status, &attempts, &due, &d.LastError, &created, &ended}, more...)
	if err := r.Scan(dest...); err != nil {
		return err
	}
	d.Channel, d.Attempts = chat.ChannelID(channel), int(attempts)
	if d.Status = deliveryStatuses.value(status); d.Status == deliveryBehind {
		d.Status = chat.DeliveryWaiting
	}
	d.DueAt, d.CreatedAt, d.EndedAt = timeOf(due), timeOf(created), timeOf(ended)
	return nil
}

func (x single) readHeads(ctx context.Context, keys []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	return inLists(keys, 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			d := &store.ClaimedDelivery{}
			var uncertain, kind, mode int64
			l := &d.Leg
			if err := scanDelivery(r, &d.Delivery, &uncertain, (*int64)(&l.Key), (*int64)(&l.Conversation), (*int64)(&l.Episode), &kind, &mode, &l.Place, &l.Thread); err != nil {
				return err
			}
			d.Uncertain, l.Kind, l.Mode, l.Channel = uncertain != 0, legKinds.value(kind), legModes.value(mode), d.Channel
			found[d.Key] = d
			return nil
		}, "SELECT "+deliveryColumns+`, d.uncertain, l.key, l.conversation, l.episode, l.kind, l.mode, l.place, l.thread
			FROM delivery d JOIN channel g ON g.key = d.channel JOIN leg l ON l.key = d.leg WHERE d.key IN (`+list+")", args...)
	})
}

// readEntries leaves out what cannot be read.
func (x single) readEntries(ctx context.Context, keys []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	return inLists(keys, 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var e entry
			var key chat.DeliveryKey
			if err := scanEntry(r, &e, (*int64)(&key)); err != nil {
				return err
			}
			content, err := chat.DecodeContent([]byte(e.content))
			if d := found[key]; d != nil && err == nil {
				d.Entry, d.Entry.Content = e.Entry, content
			}
			return nil
		}, "SELECT "+entryColumns+`, d.key FROM delivery d JOIN entry e ON e.conversation = d.conversation AND e.seq = d.seq
			WHERE d.key IN (`+list+")", args...)
	})
}

func (x single) readConversations(ctx context.Context, _ []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	of := make(map[chat.ConversationKey]chat.Conversation)
	for _, d := range found {
		of[d.Delivery.Conversation] = chat.Conversation{}
	}
	err := inLists(sortedKeys(of), 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var c chat.Conversation
			err := scanPlace(r, &c)
			of[c.Key] = c
			return err
		}, selectConversation+"WHERE v.key IN ("+list+")", args...)
	})
	for _, d := range found {
		d.Conversation = of[d.Delivery.Conversation]
	}
	return err
}

func (x single) readParts(ctx context.Context, keys []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	return inLists(keys, 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var p chat.Part
			key, err := scanPart(r, &p)
			if d := found[key]; d != nil {
				d.Parts = append(d.Parts, p)
			}
			return err
		}, "SELECT "+partColumns+" FROM part p WHERE p.delivery IN ("+list+")", args...)
	})
}

const referenceColumns = "h.id, r.external_id, r.conversation, r.seq, r.leg, r.part"

func scanReference(r Row, ref *chat.Reference, more ...any) error {
	var channel string
	var part int64
	err := r.Scan(append([]any{&channel, &ref.External, (*int64)(&ref.Conversation), &ref.Seq, (*int64)(&ref.Leg), &part}, more...)...)
	ref.Channel, ref.Part = chat.ChannelID(channel), int(part)
	return err
}

// references reads references for those of the deliveries that want them.
func (x single) references(ctx context.Context, found map[chat.DeliveryKey]*store.ClaimedDelivery, wants func(chat.Entry) bool,
	take func(*store.ClaimedDelivery, chat.Reference), from string) error {
	keys := make(map[chat.DeliveryKey]bool)
	for key, d := range found {
		if wants(d.Entry) {
			keys[key] = true
		}
	}
	return inLists(sortedKeys(keys), 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var ref chat.Reference
			var key chat.DeliveryKey
			err := scanReference(r, &ref, (*int64)(&key))
			take(found[key], ref)
			return err
		}, "SELECT "+referenceColumns+", d.key FROM delivery d JOIN entry e ON e.conversation = d.conversation AND e.seq = d.seq "+from+
			" JOIN channel h ON h.key = r.channel WHERE d.key IN ("+list+")", args...)
	})
}

// readTargets reads what an edit or a deletion changes: the message, and what
// earlier edits of it have added.
func (x single) readTargets(ctx context.Context, _ []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	return x.references(ctx, found,
		func(e chat.Entry) bool { return e.Purpose == chat.Edit || e.Purpose == chat.Deletion },
		func(d *store.ClaimedDelivery, r chat.Reference) { d.Targets = append(d.Targets, r) },
		`JOIN reference r ON r.conversation = e.conversation AND r.leg = d.leg AND r.seq IN (
			SELECT e.target UNION ALL SELECT x.seq FROM entry x
			WHERE x.conversation = e.conversation AND x.target = e.target AND x.target > 0 AND x.seq < e.seq)`)
}

func (x single) readQuestions(ctx context.Context, _ []chat.DeliveryKey, found map[chat.DeliveryKey]*store.ClaimedDelivery) error {
	return x.references(ctx, found,
		func(e chat.Entry) bool { return e.Author.Kind != chat.ByContact },
		func(d *store.ClaimedDelivery, r chat.Reference) { d.Questions = append(d.Questions, r) },
		`JOIN turn t ON t.key = e.turn JOIN entry q ON q.conversation = e.conversation AND q.seq BETWEEN t.first_seq AND t.last_seq
			AND q.turn = t.key AND q.author_kind = 1
		JOIN reference r ON r.conversation = q.conversation AND r.seq = q.seq`)
}
