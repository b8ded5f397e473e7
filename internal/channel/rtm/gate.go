package rtm

import (
	"context"
	"runtime"
	"time"

	"parley/internal/fault"
)

// gateWait is how long a grant or a start waits for its turn. Waiting inside
// the request is what clients survive best: W10 does not retry a 503 on grant,
// and no web version survives a 429.
const gateWait = 15 * time.Second

// gate bounds the grants and starts that are worked on at once. Public keys
// make them expensive, and a herd of reconnecting clients must not starve the
// sockets that are open.
type gate chan struct{}

func newGate() gate { return make(gate, 8*runtime.GOMAXPROCS(0)) }

// enter waits for a place; the caller gives it back with leave.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case g <- struct{}{}:
		return nil
	case <-timer.C:
		return fault.New(fault.Unavailable, "too many people arrive at once; try again in a moment")
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "the request was given up")
	}
}

func (g gate) leave() { <-g }
