package mattermost

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxWait is how long a call waits for the server's limits at most.
	maxWait = 30 * time.Second
	// defaultPause is for a 429 that does not say how long to wait.
	defaultPause = time.Second
	// longestPause bounds what a server may ask for, against nonsense.
	longestPause = time.Hour
	// spacing is kept between requests while the limit is near; the server's
	// default is 10 requests a second.
	spacing = 100 * time.Millisecond
)

// gate holds back the requests of a client while the server wants fewer. The
// server counts by address unless told otherwise, so being careful with one
// account does not make 429 impossible: it is waited out as well.
type gate struct {
	now func() time.Time

	mu    sync.Mutex
	until time.Time // nothing goes out before
	near  bool      // go one by one, spacing apart
}

// wait returns when a request may go out. When that is not before the given
// time or the deadline of ctx, it returns an *Error at once.
func (g *gate) wait(ctx context.Context, latest time.Time) error {
	for {
		pause := g.take()
		if pause <= 0 {
			return ctx.Err()
		}
		if !g.allows(ctx, latest, pause) {
			return &Error{Status: http.StatusTooManyRequests, RetryAfter: pause}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// take gives how long to wait, or 0 for a request that may go now.
func (g *gate) take() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if pause := g.until.Sub(now); pause > 0 {
		return pause
	}
	if g.near {
		g.until = now.Add(spacing)
	}
	return 0
}

// allows reports whether a pause ends in time.
func (g *gate) allows(ctx context.Context, latest time.Time, pause time.Duration) bool {
	end := g.now().Add(pause)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(latest) {
		latest = deadline
	}
	return end.Before(latest)
}

// observe learns from an answer.
func (g *gate) observe(resp *http.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if resp.StatusCode == http.StatusTooManyRequests {
		g.near = true
		if until := g.now().Add(retryAfter(resp.Header, g.now())); until.After(g.until) {
			g.until = until
		}
		return
	}
	remaining, err := strconv.Atoi(resp.Header.Get("X-Ratelimit-Remaining"))
	limit, err2 := strconv.Atoi(resp.Header.Get("X-Ratelimit-Limit"))
	if err != nil || err2 != nil {
		g.near = false // the limit was switched off
		return
	}
	g.near = remaining <= min(limit/10, 10)
}

// retryAfter is how long a 429 asks to wait: Retry-After in seconds or as a
// date, else X-Ratelimit-Reset in seconds, else a second.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	pause := defaultPause
	if date, err := http.ParseTime(text); err == nil {
		pause = date.Sub(now)
	} else if s, err := strconv.ParseUint(text, 10, 31); err == nil {
		pause = time.Duration(s) * time.Second
	} else if s, err := strconv.ParseUint(strings.TrimSpace(h.Get("X-Ratelimit-Reset")), 10, 31); err == nil {
		pause = time.Duration(s) * time.Second
	}
	return min(max(pause, spacing), longestPause)
}
