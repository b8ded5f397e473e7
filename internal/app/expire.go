package app

import (
	"context"
	"time"

	"parley/internal/store"
)

// expireEvery is how often expired rows are looked for; while there are more
// than one step deletes, the next step follows at once.
const expireEvery = time.Minute

// expire deletes rows that are past their time, in small steps.
func (a *App) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		swept, err := store.Do(ctx, a.store, store.Sweep{Now: a.Now(), Limit: 1000})
		if err != nil && ctx.Err() == nil {
			a.Logger.Warn("expired rows could not be deleted", "error", err)
		}
		if err == nil && swept.More {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
