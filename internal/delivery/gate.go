package delivery

import (
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"parley/internal/channel"
	"parley/internal/chat"
)

// gates are the breakers of this node, one per endpoint that has failed since
// it last answered.
type gates struct {
	policy Policy

	mu        sync.Mutex
	byChannel map[chat.ChannelID]*gate
	// recovered are endpoints whose waiting deliveries are to be made due.
	recovered map[chat.ChannelID]struct{}
}

// gate is what is known of an endpoint that has failed.
type gate struct {
	// failures counts the endpoint's failures since it last answered.
	failures int
	// shut is set when nothing but probes may pass.
	shut bool
	// since is when it was shut.
	since time.Time
	// probeAt is when the next probe may start.
	probeAt   time.Time
	pauses    *backoff.ExponentialBackOff
	lastError string
}

func newGates(p Policy) *gates {
	return &gates{policy: p, byChannel: make(map[chat.ChannelID]*gate), recovered: make(map[chat.ChannelID]struct{})}
}

// limits are the bounds of claims for endpoints that are shut: none before the
// time of a probe, then one.
func (g *gates) limits(now time.Time) map[chat.ChannelID]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	var limits map[chat.ChannelID]int
	for ch, one := range g.byChannel {
		if !one.shut {
			continue
		}
		if limits == nil {
			limits = make(map[chat.ChannelID]int)
		}
		limits[ch] = 0
		if !now.Before(one.probeAt) {
			limits[ch] = 1
		}
	}
	return limits
}

// isShut reports whether an endpoint is open to probes only.
func (g *gates) isShut(ch chat.ChannelID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.byChannel[ch]
	return one != nil && one.shut
}

// nextProbe is when the next probe may start; zero for none to come.
func (g *gates) nextProbe(now time.Time) (next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.byChannel {
		if one.shut && one.probeAt.After(now) && (next.IsZero() || one.probeAt.Before(next)) {
			next = one.probeAt
		}
	}
	return next
}

// failed counts a failure of the endpoint. It returns when the next probe may
// start - zero while the endpoint is open - and whether it was shut by this.
//
// A far side that limits us as a whole shuts at once for the time it asks for:
// what would follow would only be refused as well.
func (g *gates) failed(ch chat.ChannelID, now time.Time, e *channel.SendError, text string) (probeAt time.Time, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.byChannel[ch]
	if one == nil {
		one = &gate{}
		g.byChannel[ch] = one
	}
	one.failures++
	one.lastError = text
	limited := e.Outcome == channel.SendLimited
	switch {
	case !one.shut && (limited || one.failures >= g.policy.BreakAfter):
		shut = true
		one.shut, one.since = true, now
		one.pauses = g.pauses()
		one.probeAt = now.Add(one.pauses.NextBackOff())
	case one.shut && !now.Before(one.probeAt):
		one.probeAt = now.Add(one.pauses.NextBackOff())
	}
	if limited {
		if asked := now.Add(g.policy.asked(e.Delay)); asked.After(one.probeAt) {
			one.probeAt = asked
		}
	}
	if !one.shut {
		return time.Time{}, false
	}
	return one.probeAt, shut
}

// answered notes that the endpoint lives. It returns since when it was shut, and
// whether it was.
func (g *gates) answered(ch chat.ChannelID) (since time.Time, wasShut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.byChannel[ch]
	if one == nil {
		return time.Time{}, false
	}
	delete(g.byChannel, ch)
	if one.shut {
		g.recovered[ch] = struct{}{}
	}
	return one.since, one.shut
}

// retry lets a probe of a shut endpoint start now. It is false for one that is
// open.
func (g *gates) retry(ch chat.ChannelID, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.byChannel[ch]
	if one == nil || !one.shut {
		return false
	}
	one.probeAt = now
	one.pauses.Reset()
	g.recovered[ch] = struct{}{}
	return true
}

func (g *gates) recover(ch chat.ChannelID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.recovered[ch] = struct{}{}
}

func (g *gates) takeRecovered() []chat.ChannelID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []chat.ChannelID
	for ch := range g.recovered {
		all = append(all, ch)
	}
	clear(g.recovered)
	return all
}

// known returns a copy of what is known of endpoints that have failed.
func (g *gates) known() map[chat.ChannelID]gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make(map[chat.ChannelID]gate, len(g.byChannel))
	for ch, one := range g.byChannel {
		all[ch] = *one
	}
	return all
}

// pauses are those between probes: between a half and one and a half of a time
// that doubles from FirstRetry, and never above LastProbe.
func (g *gates) pauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = g.policy.FirstRetry, g.policy.LastProbe*2/3, 2, 0.5
	return b
}

// delay is the pause before the attempt after the given number of failures: a
// random time up to FirstRetry doubled that often ("full jitter"), at most
// LastRetry.
func (p Policy) delay(failures int) time.Duration {
	b := backoff.NewExponentialBackOff()
	// The library draws from the interval plus and minus its factor: all of it.
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = p.FirstRetry/2, p.LastRetry/2, 2, 1
	d := b.NextBackOff()
	for range min(failures, 32) {
		d = b.NextBackOff()
	}
	return d
}

// asked is the pause a far side asks for, within bounds.
func (p Policy) asked(d time.Duration) time.Duration {
	if d <= 0 {
		d = p.FirstRetry
	}
	return min(d, p.MaxDelay)
}
