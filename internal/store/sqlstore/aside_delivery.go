package sqlstore

import (
	"context"
	"fmt"

	"parley/internal/chat"
)

// before is what a delivery has before it in its leg.
type before struct {
	// head is the leg's head, if that is another delivery.
	head chat.DeliveryKey
	// busy is set when another one is being sent, which was its head before
	// an older one was sent again.
	busy bool
}

// aheadOf is the head of the leg of d, if that is another one.
const aheadOf = `COALESCE((SELECT o.key FROM delivery o
	WHERE o.channel = d.channel AND o.leg = d.leg AND o.status IN (1, 2, 3) AND o.seq < d.seq ORDER BY o.seq LIMIT 1), 0)`

func (x single) ahead(ctx context.Context, keys []chat.DeliveryKey) (map[chat.DeliveryKey]before, error) {
	all := make(map[chat.DeliveryKey]before, len(keys))
	err := inLists(keys, 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var key chat.DeliveryKey
			var b before
			var busy int64
			err := r.Scan((*int64)(&key), (*int64)(&b.head), &busy)
			b.busy = busy != 0
			all[key] = b
			return err
		}, "SELECT d.key, "+aheadOf+`,
			COALESCE((SELECT c.key FROM delivery c WHERE c.channel = d.channel AND c.leg = d.leg AND c.status = 2 ORDER BY c.key LIMIT 1), 0)
			FROM delivery d WHERE d.key IN (`+list+")", args...)
	})
	if err != nil {
		return nil, fmt.Errorf("read what is ahead in the legs: %w", err)
	}
	return all, nil
}

// setAside marks deliveries that are behind others. Each head is locked: who
// ends it afterwards sees what is behind it, and who is ending it now is left
// alone. It returns how many it has marked.
func (x single) setAside(ctx context.Context, ahead map[chat.DeliveryKey]before) (int, error) {
	heads := make(map[chat.DeliveryKey]bool)
	for _, a := range ahead {
		if a.head != 0 {
			heads[a.head] = false
		}
	}
	err := inLists(sortedKeys(heads), 1, func(list string, args []any) error {
		return x.Query(ctx, func(r Row) error {
			var key chat.DeliveryKey
			var status int64
			err := r.Scan((*int64)(&key), &status)
			is := deliveryStatuses.value(status)
			heads[key] = is == chat.DeliveryWaiting || is == chat.DeliveryClaimed
			return err
		}, "SELECT d.key, d.status FROM delivery d WHERE d.key IN ("+list+") "+x.engine.SkipLocked("d"), args...)
	})
	if err != nil {
		return 0, fmt.Errorf("lock the heads of legs: %w", err)
	}
	behind := make(map[chat.DeliveryKey]bool)
	for key, a := range ahead {
		if a.head != 0 && heads[a.head] {
			behind[key] = true
		}
	}
	err = inLists(sortedKeys(behind), 1, func(list string, args []any) error {
		_, err := x.Exec(ctx, "UPDATE delivery SET status = 3 WHERE key IN ("+list+")", args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("set deliveries aside: %w", err)
	}
	return len(behind), nil
}
