package mmwebhook_test

import (
	"context"
	"sync/atomic"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
)

type channelConfigured = channel.Configured

// switching answers by turn or at once, as the test says.
type switching struct {
	echo
	turns atomic.Bool
}

func (s *switching) Instant(in assistant.Input) (assistant.Reply, bool) {
	if s.turns.Load() {
		return assistant.Reply{}, false
	}
	return s.answer(in), true
}

// pausing takes its time over every turn.
type pausing struct{ echo }

func (p *pausing) Instant(assistant.Input) (assistant.Reply, bool) { return assistant.Reply{}, false }

func (p *pausing) Answer(ctx context.Context, t assistant.Turn) (assistant.Reply, error) {
	select {
	case <-time.After(150 * time.Millisecond): // the slowness under test
	case <-ctx.Done():
		return assistant.Reply{}, ctx.Err()
	}
	return p.answer(t.Input), nil
}
