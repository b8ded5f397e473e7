package sqlstore

import (
	"context"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// How long an ended delivery is kept, to be looked at or sent again.
const (
	sentKept   = 30 * 24 * time.Hour
	failedKept = 90 * 24 * time.Hour
)

// keptFor is how long deliveries that ended so are kept.
var keptFor = []struct {
	status chat.DeliveryStatus
	life   time.Duration
}{{chat.DeliverySent, sentKept}, {chat.DeliveryDropped, sentKept}, {chat.DeliveryFailed, failedKept}}

// sweepDeliveries deletes deliveries that ended long ago with their parts, of
// each status at most limit. References stay: edits and deletions need them as
// long as the entry lives.
func (x single) sweepDeliveries(ctx context.Context, now time.Time, limit int64, out *store.Swept) error {
	for _, kept := range keptFor {
		var old []chat.DeliveryKey
		// Locked before their parts go: somebody may be about to send one again.
		err := x.Query(ctx, func(r Row) error {
			var key chat.DeliveryKey
			err := r.Scan((*int64)(&key))
			old = append(old, key)
			return err
		}, `SELECT d.key FROM delivery d WHERE d.status IN (4, 5, 6) AND d.status = $1 AND d.ended_at <= $2
			ORDER BY d.ended_at LIMIT $3 `+x.engine.SkipLocked("d"), deliveryStatuses.code(kept.status), millis(now.Add(-kept.life)), limit)
		if err != nil {
			return fmt.Errorf("find old deliveries: %w", err)
		}
		for _, of := range []string{"part WHERE delivery", "delivery WHERE key"} {
			err := inLists(old, 1, func(list string, args []any) error {
				n, err := x.Exec(ctx, "DELETE FROM "+of+" IN ("+list+")", args...)
				out.Rows += int(n)
				return err
			})
			if err != nil {
				return fmt.Errorf("sweep deliveries: %w", err)
			}
		}
		out.More = out.More || int64(len(old)) == limit
	}
	return nil
}
