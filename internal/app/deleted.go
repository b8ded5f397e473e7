package app

import (
	"context"
	"time"

	"parley/internal/chat"
)

// deletedEvery is how often what deleted channels have left is looked for
// without being told.
const deletedEvery = time.Minute

// watchDeleted ends what nobody else would: alerts of channels that were deleted
// while no server ran, or on another node, and deliveries that were made after
// their channel had gone.
func (a *App) watchDeleted(ctx context.Context) {
	tick := time.NewTicker(deletedEvery)
	defer tick.Stop()
	for {
		if err := a.endDeleted(ctx); err != nil && ctx.Err() == nil {
			a.Logger.Warn("what deleted channels have left could not be ended; that is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-a.deleted:
		}
	}
}

// endDeleted asks the stored catalog about channels that are not in force here:
// they may only be new, or broken.
func (a *App) endDeleted(ctx context.Context) error {
	about, err := a.alerts.Channels(ctx)
	if err != nil {
		return err
	}
	counts, err := a.store.DeliveryCounts(ctx)
	if err != nil {
		return err
	}
	var missing []chat.ChannelID
	ask := func(id chat.ChannelID) {
		if _, inForce := a.inForce.Channel(id); !inForce {
			missing = append(missing, id)
		}
	}
	for _, id := range about {
		ask(id)
	}
	for _, c := range counts {
		if c.Open > 0 {
			ask(c.Channel)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	gone, dropped, err := a.catalog.DropGone(ctx, missing)
	if err != nil {
		return err
	}
	if dropped > 0 {
		a.Logger.Info("deliveries were dropped, because their channel was deleted", "deliveries", dropped, "channels", gone)
	}
	for _, id := range gone {
		if err := a.alerts.ClearChannel(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
