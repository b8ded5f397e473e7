package catalog

import (
	"context"
	"slices"

	"parley/internal/chat"
	"parley/internal/store"
)

// DropGone drops the open deliveries of those of the channels that are not in
// the catalog any more, and returns these channels. Deleting a channel does so
// by itself; what came later, such as the answer of a turn that was under way,
// is left to this.
func (s *Service) DropGone(ctx context.Context, ids []chat.ChannelID) (gone []chat.ChannelID, dropped int64, err error) {
	_, err = twice(func() (struct{}, error) {
		now, err := s.load(ctx)
		if err != nil {
			return struct{}{}, err
		}
		gone = slices.DeleteFunc(unique(ids), func(id chat.ChannelID) bool {
			for _, c := range now.channels {
				if c.ID == id {
					return true
				}
			}
			return false
		})
		if len(gone) == 0 {
			return struct{}{}, nil
		}
		stored, err := store.Do(ctx, s.store, store.PutCatalog{Base: now.revision, Gone: gone, Actor: "parley", Now: s.now()})
		dropped = stored.Dropped
		return struct{}{}, err
	})
	if err != nil {
		return nil, 0, err
	}
	return gone, dropped, nil
}
