package sqlstore

import (
	"context"
	"fmt"

	"parley/internal/store"
)

// dropGone drops what waits for channels that are in force no more, and what is
// being sent to them: its sender ends without a word when its claim is gone.
// Nothing is promoted, since nothing of these legs stays open.
func (x single) dropGone(ctx context.Context, s store.PutCatalog) (int64, error) {
	dropped, now := int64(0), max(millis(s.Now), 1)
	for i, gone := range s.Gone {
		id := string(gone)
		if err := keyText(fmt.Sprintf("gone[%d]", i), id); err != nil {
			return 0, err
		}
		// Who claims for the endpoint locks its row first, and leaves it alone
		// while somebody else has it.
		if _, err := x.Exec(ctx, `UPDATE channel SET type = type WHERE id = $1`, id); err != nil {
			return 0, fmt.Errorf("lock a deleted channel: %w", err)
		}
		n, err := x.Exec(ctx, `UPDATE delivery SET status = 6, owner = '', boot = 0, last_error = $1, ended_at = $2
			WHERE status IN (1, 2, 3) AND channel = (SELECT h.key FROM channel h WHERE h.id = $3)`, store.ChannelGone, now, id)
		if err != nil {
			return 0, fmt.Errorf("drop the deliveries of a deleted channel: %w", err)
		}
		if n == 0 {
			continue
		}
		dropped += n
		_, err = x.Exec(ctx, `INSERT INTO audit (key, at, actor, verb, subject, note) VALUES ($1, $2, $3, $4, $5, $6)`,
			x.keys.take(), now, s.Actor, "delivery.drop", "channel "+id, fmt.Sprintf("%d deliveries: %s", n, store.ChannelGone))
		if err != nil {
			return 0, fmt.Errorf("audit: %w", err)
		}
	}
	return dropped, nil
}
