package mattermost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"parley/internal/chat"
	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// link is the one connection of an account. It is made for a channel in force
// and ends with it, or with a change of account.
type link struct {
	d        *Driver
	account  account
	planned  *settings
	settings atomic.Pointer[settings]
	client   api
	log      *slog.Logger

	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	started bool // guarded by Driver.mu

	users  *users
	opened *generations[string, openedPlace]
	typing *typing
	loops  *loops

	// These belong to the goroutine of run.
	resume mm.Resume
	hold   *hold
	owner  store.Owner
	key    string // of the claim

	mu sync.Mutex
	// me is our own account; its id is empty until the server has told it.
	me      mm.User
	maxPost int
	// alertsIn is the room for alerts, once it was found.
	alertsIn namedRoom
	state    linkState
	// up is closed while the link is connected.
	up chan struct{}
}

func newLink(d *Driver, a account, set *settings, client api) *link {
	l := &link{
		d: d, account: a, planned: set, client: client, done: make(chan struct{}), up: make(chan struct{}),
		log: d.Logger.With("channel", set.name), opened: newGenerations[string, openedPlace](4096), loops: newLoops(),
	}
	l.settings.Store(set)
	l.ctx, l.cancel = context.WithCancel(d.base)
	l.users = newUsers(client, d.Now)
	l.typing = newTyping(l)
	l.state.since = d.Now()
	return l
}

func (l *link) id() chat.ChannelID { return l.account.channel }

// ended reports whether the link will not connect again by itself.
func (l *link) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.gaveUp || l.ctx.Err() != nil
}

// run connects, again and again, until the link is cancelled.
func (l *link) run() {
	defer close(l.done)
	defer l.finish()
	l.d.work.Go(l.watchOutage)
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = l.d.Times.FirstRetry, l.d.Times.LastRetry
	for l.ctx.Err() == nil {
		began := l.d.Now()
		err := l.guarded(l.session)
		if l.ctx.Err() != nil {
			return
		}
		if errors.Is(err, errElsewhere) {
			l.drop() // only the holder of the claim may go on with the rooms
		}
		if l.wasUp(began) {
			pauses.Reset()
		}
		pause := l.judgeEnd(err, pauses.NextBackOff())
		if !sleep(l.ctx, pause) {
			return
		}
	}
}

// guarded runs f and turns a panic into an error, so that a mistake in one link
// does not end the others.
func (l *link) guarded(f func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			l.d.metrics.panics.Inc()
			l.log.Error("panic in a Mattermost link", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f(l.ctx)
}

// self is our own account; its id is empty until the server has told it.
func (l *link) self() mm.User {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.me
}

// finish gives the link back.
func (l *link) finish() {
	l.typing.stop()
	l.drop()
	l.d.unregister(l)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), 3*time.Second)
	defer cancel()
	if l.key != "" {
		if _, err := store.Do(ctx, l.d.Store, store.FreeLink{Account: l.key, Owner: l.owner}); err != nil {
			l.log.Warn("the link could not be given back; another node takes it when this node's lease ends", "error", err)
		}
	}
	if err := l.client.Close(ctx); err != nil {
		l.log.Debug("the session at Mattermost could not be ended", "error", err)
	}
}

// sleep waits and reports whether ctx is still going on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
