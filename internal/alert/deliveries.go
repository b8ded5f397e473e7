package alert

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// Deliveries reads which deliveries were given up.
type Deliveries interface {
	DeliveryCounts(ctx context.Context) ([]store.DeliveryCount, error)
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]chat.Delivery, error)
}

const (
	// failedFor is how long a failed delivery keeps its channel's alert up,
	// unless it is sent again or dropped before.
	failedFor = time.Hour
	// deliveriesEvery is how often failed deliveries are looked for without
	// being told.
	deliveriesEvery = time.Minute
	// newestFailed is how many failed deliveries of a channel are looked at.
	newestFailed     = 200
	deliveriesPrefix = "deliveries:"
)

// WatchDeliveries raises an alert for each channel on which deliveries have
// failed for good, until ctx ends. name is what an owner calls a channel; for one
// that is not in force it is empty, and nothing is raised. check has it look at
// once, after a failure or an operator's word. The state is read from the store,
// so every node may watch.
func (s *Service) WatchDeliveries(ctx context.Context, from Deliveries, name func(chat.ChannelID) string, check <-chan struct{}) {
	ticker := time.NewTicker(deliveriesEvery)
	defer ticker.Stop()
	for {
		if err := s.checkDeliveries(ctx, from, name); err != nil && ctx.Err() == nil {
			s.Logger.Warn("failed deliveries cannot be looked for; that is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-check:
		}
	}
}

func (s *Service) checkDeliveries(ctx context.Context, from Deliveries, name func(chat.ChannelID) string) error {
	counts, err := from.DeliveryCounts(ctx)
	if err != nil {
		return err
	}
	failing := make(map[string]struct{})
	for _, c := range counts {
		if c.Failed == 0 {
			continue
		}
		fresh, err := s.freshFailure(ctx, from, c.Channel)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		alert := deliveriesPrefix + string(c.Channel)
		failing[alert] = struct{}{}
		called := name(c.Channel)
		if called == "" {
			continue // whoever clears it knows whether the channel is gone
		}
		if err := s.Raise(ctx, alert, deliveriesText(called)); err != nil {
			return err
		}
	}
	holding, err := s.Holding(ctx)
	if err != nil {
		return err
	}
	for _, a := range holding {
		if _, still := failing[a.Name]; still || !strings.HasPrefix(a.Name, deliveriesPrefix) {
			continue
		}
		if err := s.Clear(ctx, a.Name); err != nil {
			return err
		}
	}
	return nil
}

// freshFailure reports whether a delivery of the channel failed lately.
func (s *Service) freshFailure(ctx context.Context, from Deliveries, ch chat.ChannelID) (bool, error) {
	newest, err := from.Deliveries(ctx, store.DeliveryFilter{Channel: ch, Status: chat.DeliveryFailed, Limit: newestFailed})
	if err != nil {
		return false, err
	}
	oldest := s.Now().Add(-failedFor)
	for _, d := range newest {
		if d.EndedAt.After(oldest) {
			return true, nil
		}
	}
	return false, nil
}

// deliveriesText names the channel and the commands; what went wrong stays with
// the operators, who see it in the list.
func deliveriesText(name string) string {
	return fmt.Sprintf("Messages to channel %s could not be delivered and were given up. `parley delivery list --channel %s --status failed` shows them with the reason; `parley delivery resend` tries one again, `parley delivery drop` gives it up.", name, name)
}
