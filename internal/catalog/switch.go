package catalog

import (
	"context"

	"parley/internal/store"
)

// SetDisabled takes a channel out of service, or puts it back: its settings,
// secrets and conversations stay. Doing it twice changes nothing. An unknown
// name is fault.NotFound.
func (s *Service) SetDisabled(ctx context.Context, name string, disabled bool, actor string) (Result, error) {
	return twice(func() (Result, error) {
		now, err := s.load(ctx)
		if err != nil {
			return Result{}, err
		}
		old, ok := now.channels[name]
		if !ok {
			return Result{}, unknownName("channel", name, keys(now.channels))
		}
		p, note := newPlan(s, now), "enable"
		if disabled {
			note = "disable"
		}
		if old.Disabled == disabled {
			p.unchanged(store.ItemChannel, name, old.version)
			return s.commit(ctx, p, actor, note)
		}
		next := old
		next.Disabled = disabled
		if err := p.changeChannel(name, next); err != nil {
			return Result{}, err
		}
		if err := p.together(ctx); err != nil {
			return Result{}, err
		}
		return s.commit(ctx, p, actor, note)
	})
}
