package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley/internal/store"
)

// A node that has not renewed its lease for leaseLife has lost its claims.
const (
	leaseLife  = 15 * time.Second
	leaseRenew = 5 * time.Second
)

// lease holds this node's right to claims.
type lease struct {
	store  store.Writer
	node   string
	logger *slog.Logger

	mu   sync.Mutex
	boot int64
	// asked is when the renewal that succeeded last was asked for.
	asked time.Time
}

// takeLease begins a new boot of the node.
func takeLease(ctx context.Context, w store.Writer, node string, logger *slog.Logger) (*lease, error) {
	asked := time.Now()
	got, err := store.Do(ctx, w, store.RenewLease{Node: node, Life: leaseLife})
	if err != nil {
		return nil, err
	}
	return &lease{store: w, node: node, logger: logger, boot: got.Boot, asked: asked}, nil
}

// owner names the claims made now.
func (l *lease) owner() store.Owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return store.Owner{Node: l.node, Boot: l.boot}
}

// living is the owner while the lease certainly holds, and nobody otherwise. It
// is for what cannot be fenced by the store: a request to somebody else, which a
// process that was paused must not send on the strength of a lost claim.
func (l *lease) living() store.Owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.asked) >= leaseLife {
		return store.Owner{}
	}
	return store.Owner{Node: l.node, Boot: l.boot}
}

// run renews the lease until ctx ends.
func (l *lease) run(ctx context.Context) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.renew(ctx); err != nil && ctx.Err() == nil {
			l.logger.Warn("the node's lease could not be renewed", "error", err)
		}
	}
}

// renew holds the lease for another leaseLife. When it had lapsed - the process
// was paused, the database was away - the node goes on under a new boot, and
// what it had claimed before is claimed anew.
func (l *lease) renew(ctx context.Context) error {
	before := l.owner().Boot
	asked := time.Now()
	got, err := store.Do(ctx, l.store, store.RenewLease{Node: l.node, Boot: before, Life: leaseLife})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.boot, l.asked = got.Boot, asked
	l.mu.Unlock()
	if got.Boot != before {
		l.logger.Warn("the node's lease had lapsed; it goes on under a new boot", "boot", got.Boot)
	}
	return nil
}
