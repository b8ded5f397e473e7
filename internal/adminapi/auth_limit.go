package adminapi

import (
	"net/netip"
	"time"
)

const (
	// failuresAtOnce is how many wrong tokens an address may show in a row;
	// after that, one every failureEvery.
	failuresAtOnce = 10
	failureEvery   = 6 * time.Second
	// addressesMost bounds the addresses remembered, each for a minute at most.
	addressesMost = 4096
)

// limiter counts failures per address in bounded memory. Its user holds a lock.
type limiter struct {
	// until is when an address will have no failures left: each failure moves
	// it by failureEvery.
	until map[string]time.Time
}

func newLimiter() limiter { return limiter{until: make(map[string]time.Time)} }

const (
	debtMost = failuresAtOnce * failureEvery
	// allowed is the debt with which one more attempt is free.
	allowed = debtMost - failureEvery
)

// wait is how long an address has to wait before its next attempt; 0 for not at
// all.
func (l limiter) wait(address string, now time.Time) time.Duration {
	until, seen := l.until[network(address)]
	if !seen {
		return 0
	}
	return max(0, until.Add(-allowed).Sub(now))
}

// count notes a failure and reports whether the address has to wait from now on.
func (l limiter) count(address string, now time.Time) bool {
	key := network(address)
	until, seen := l.until[key]
	if !seen && len(l.until) >= addressesMost {
		l.makeRoom(now)
	}
	if until.Before(now) {
		until = now
	}
	before := until.Sub(now)
	until = until.Add(failureEvery)
	if until.Sub(now) > debtMost {
		until = now.Add(debtMost)
	}
	l.until[key] = until
	return before <= allowed && until.Sub(now) > allowed
}

// makeRoom forgets addresses that owe nothing, else the one that owes least.
func (l limiter) makeRoom(now time.Time) {
	var least string
	for key, until := range l.until {
		if !until.After(now) {
			delete(l.until, key)
		} else if least == "" || until.Before(l.until[least]) {
			least = key
		}
	}
	if len(l.until) >= addressesMost {
		delete(l.until, least)
	}
}

// network is what counts as one address: with IPv6, a /64, which is the least
// that one household gets.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}
