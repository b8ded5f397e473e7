package catalog

import (
	"context"

	"parley/internal/fault"
)

// RollbackOptions say how far an assistant goes back, and where.
type RollbackOptions struct {
	// To is a version that was in force before; 0 means the last one.
	To int64
	// Channels go back alone; without any, everybody does except for channels
	// that are pinned.
	Channels []string
	// Actor is recorded with the change.
	Actor string
}

// Rollback puts the version in force again that was in force before. Repeated,
// it goes further back each time: a version that was rolled back is not gone
// back to; publish it to have it again. A channel that goes back alone is
// pinned to what answered on it before, unless that is what is in force for
// everybody and it followed that then. When there is nothing to go back to,
// the error is a fault.Conflict.
func (s *Service) Rollback(ctx context.Context, name string, o RollbackOptions) (Result, error) {
	o.Channels = unique(o.Channels)
	return twice(func() (Result, error) { return s.rollbackOnce(ctx, name, o) })
}

func (s *Service) rollbackOnce(ctx context.Context, name string, o RollbackOptions) (Result, error) {
	p, err := s.assistantPlan(ctx, name, o.Channels)
	if err != nil {
		return Result{}, err
	}
	inForce, published := p.now.assistants[name]
	if !published {
		return Result{}, fault.New(fault.Conflict, "assistant %q is only a draft; nothing of it was ever in force", name)
	}
	h, err := s.history(ctx, name)
	if err != nil {
		return Result{}, err
	}
	if len(o.Channels) == 0 {
		target, ok := h.trail().before(o.To)
		if !ok {
			return Result{}, nothingBefore(name, "", inForce.version, o.To)
		}
		if err := p.publishVersion(h, target.version, nil, true); err != nil {
			return Result{}, err
		}
		return s.commit(ctx, p, o.Actor, "roll back")
	}
	for _, on := range o.Channels {
		rows, err := s.channelRows(ctx, on)
		if err != nil {
			return Result{}, err
		}
		target, ok := h.trailOn(rows).before(o.To)
		if !ok {
			now := p.now.channels[on].AssistantVersion
			if now == 0 {
				now = inForce.version
			}
			return Result{}, nothingBefore(name, on, now, o.To)
		}
		if target.pin == 0 && target.version == inForce.version {
			err = p.pin([]string{on}, 0, true)
		} else {
			err = p.publishVersion(h, target.version, []string{on}, true)
		}
		if err != nil {
			return Result{}, err
		}
	}
	return s.commit(ctx, p, o.Actor, "roll back")
}

func nothingBefore(name, channel string, now, to int64) error {
	where := ""
	if channel != "" {
		where = " on channel " + channel
	}
	if to > 0 {
		return fault.New(fault.Conflict,
			"version %d of %s was not in force before version %d%s; to have it, publish it (parley assistant publish %s --version %d)", to, name, now, where, name, to)
	}
	return fault.New(fault.Conflict, "version %d of %s is the first%s; there is nothing to go back to", now, name, where)
}
