package alert

import (
	"context"
	"strings"

	"parley/internal/chat"
)

// ChannelOf is the channel that an alert is about, by its name: "deliveries:"
// and the channel's id, or what a driver raises, "DRIVER.WHAT." and the id.
// Other alerts are about no channel.
func ChannelOf(name string) (chat.ChannelID, bool) {
	id, ok := strings.CutPrefix(name, deliveriesPrefix)
	if !ok {
		_, rest, _ := strings.Cut(name, ".")
		_, id, ok = strings.Cut(rest, ".")
	}
	return chat.ChannelID(id), ok && id != ""
}

// Channels lists the channels that alerts hold for.
func (s *Service) Channels(ctx context.Context) ([]chat.ChannelID, error) {
	holding, err := s.Holding(ctx)
	if err != nil {
		return nil, err
	}
	var all []chat.ChannelID
	for _, a := range holding {
		if id, ok := ChannelOf(a.Name); ok {
			all = append(all, id)
		}
	}
	return all, nil
}

// ClearChannel clears whatever holds for a channel: one that was deleted has
// nobody left who would.
func (s *Service) ClearChannel(ctx context.Context, id chat.ChannelID) error {
	holding, err := s.Holding(ctx)
	if err != nil {
		return err
	}
	for _, a := range holding {
		if about, ok := ChannelOf(a.Name); !ok || about != id {
			continue
		}
		if err := s.Clear(ctx, a.Name); err != nil {
			return err
		}
	}
	return nil
}
