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

// linkState is what an operator may see of a link.
type linkState struct {
	connected bool
	// since is when connected last changed.
	since     time.Time
	lastEvent time.Time
	recovered int64
	late      int64
	loops     int64
	problem   string
	refused   bool
	gaveUp    bool
	standby   string
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

var (
	errElsewhere = errors.New("another node has the connection of this account")
	errTwice     = errors.New("another channel is on the same account")
)

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

// judgeEnd notes why a session ended and says how long to wait.
func (l *link) judgeEnd(err error, pause time.Duration) time.Duration {
	text := problemText(err)
	l.mu.Lock()
	repeated := l.state.problem == text
	l.state.problem = text
	l.state.standby = ""
	first := !l.state.refused
	switch {
	case errors.Is(err, errElsewhere):
		l.state.problem, l.state.standby = "", text
		pause = l.d.Times.Watch
	case errors.Is(err, errTwice):
		pause = 2 * l.d.Times.Watch // the other one may be about to end
	case mm.IsUnauthorized(err):
		l.state.refused = true
		l.state.gaveUp = l.account.user != ""
		pause = l.d.Times.Refused
	}
	gaveUp := l.state.gaveUp
	l.mu.Unlock()
	switch {
	case errors.Is(err, errElsewhere), errors.Is(err, errTwice) && repeated:
	case mm.IsUnauthorized(err):
		if first {
			l.log.Error("Mattermost refuses the account", "error", err)
			l.d.Alerts.Raise(l.ctx, l.alert("token"), fmt.Sprintf("Mattermost channel %s: the account is refused: %s", label(l.settings.Load().name, l.account.server), text))
		}
		if gaveUp {
			// Each further try counts against the account until it is locked.
			<-l.ctx.Done()
		}
	default:
		l.log.Warn("the connection to Mattermost is down", "error", err, "again_in", pause)
	}
	return pause
}

func (l *link) alert(what string) string { return "mattermost." + what + "." + string(l.id()) }

func (l *link) wasUp(began time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.since.After(began) && l.state.problem == "" && !l.state.connected
}

// session is one connection, from the first question to its end.
func (l *link) session(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	if err := l.identify(ctx); err != nil {
		return err
	}
	if err := l.claim(ctx); err != nil {
		return err
	}
	dialing, stop := context.WithTimeout(ctx, time.Minute)
	s, err := l.client.Connect(dialing, l.resume)
	stop()
	if err != nil {
		l.resume = mm.Resume{}
		return err
	}
	defer s.Close()
	if s.Lost() {
		l.hold.expectGap()
		l.hold.wantSync()
	}
	l.online(s.Lost())
	defer l.offline()
	h := l.hold
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel(nil)
	helpers.Go(func() { l.keepClaim(ctx, cancel) })
	helpers.Go(func() { h.syncLoop(ctx) })
	for {
		e, err := s.Next(ctx)
		if err != nil {
			l.resume = s.Resume()
			if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
				err = cause
			}
			return err
		}
		l.hear(e)
	}
}

// identify asks the server who we are, which also proves the credentials.
func (l *link) identify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	me, err := l.client.Me(ctx)
	if err != nil {
		return err
	}
	key := "mattermost " + l.account.server + " " + me.ID
	if other := l.d.register(l, key); other != nil {
		return fmt.Errorf("%w: channel %q uses it already; each needs an account of its own", errTwice, other.settings.Load().name)
	}
	if l.key != "" && l.key != key {
		l.drop() // the same credentials belong to another account now
	}
	l.key = key
	config, err := l.client.Config(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.me, l.maxPost = me, config.MaxPostSize
	return nil
}

// self is our own account; its id is empty until the server has told it.
func (l *link) self() mm.User {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.me
}

// claim takes or keeps the account's one connection and, with it, its rooms.
func (l *link) claim(ctx context.Context) error {
	owner := l.d.Owner()
	out, err := store.Do(ctx, l.d.Store, store.ClaimLink{Account: l.key, Owner: owner, Now: l.d.Now()})
	if err != nil {
		return err
	}
	if !out.Held {
		return errElsewhere
	}
	l.owner = owner
	if l.hold == nil {
		if err := beginHold(ctx, l); err != nil {
			return err
		}
		l.resume = mm.Resume{}
	}
	return nil
}

// drop lets go of the rooms.
func (l *link) drop() {
	if h := l.hold; h != nil {
		h.close()
		l.mu.Lock()
		l.hold = nil
		l.mu.Unlock()
	}
	l.resume = mm.Resume{}
}

// keepClaim claims again whenever this node has got another lease.
func (l *link) keepClaim(ctx context.Context, end context.CancelCauseFunc) {
	for sleep(ctx, l.d.Times.Watch) {
		owner := l.d.Owner()
		if owner == l.owner {
			continue
		}
		out, err := store.Do(ctx, l.d.Store, store.ClaimLink{Account: l.key, Owner: owner, Now: l.d.Now()})
		switch {
		case err != nil:
			continue
		case !out.Held:
			end(errElsewhere)
			return
		}
		l.owner = owner
	}
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

func (l *link) online(lost bool) {
	how := "resumed"
	if lost {
		how = "anew"
	}
	l.d.metrics.reconnect.WithLabelValues(l.settings.Load().name, how).Inc()
	l.mu.Lock()
	now := l.d.Now()
	down := now.Sub(l.state.since)
	l.state.connected, l.state.since, l.state.lastEvent = true, now, now
	l.state.problem, l.state.standby, l.state.refused = "", "", false
	close(l.up)
	l.mu.Unlock()
	l.log.Info("connected to Mattermost", "server", l.account.server, "account", l.self().Username, "how", how, "down_for", down)
	l.d.Alerts.Clear(l.ctx, l.alert("token"))
	l.d.Alerts.Clear(l.ctx, l.alert("link"))
	if l.d.Connected != nil {
		l.d.Connected(l.id())
	}
}

func (l *link) offline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.connected, l.state.since = false, l.d.Now()
	l.up = make(chan struct{})
}

// waitUp waits until the link is connected.
func (l *link) waitUp(ctx context.Context) {
	l.mu.Lock()
	up := l.up
	l.mu.Unlock()
	select {
	case <-up:
	case <-ctx.Done():
	}
}

// watchOutage raises an alert when the link stays down.
func (l *link) watchOutage() {
	raised := false
	for sleep(l.ctx, l.d.Times.Watch) {
		l.mu.Lock()
		s := l.state
		l.mu.Unlock()
		down := l.d.Now().Sub(s.since)
		switch {
		case s.connected || s.standby != "":
			raised = false
		case !raised && down >= l.d.Times.Down:
			raised = true
			l.d.Alerts.Raise(l.ctx, l.alert("link"), fmt.Sprintf("Mattermost channel %s has been down for %s: %s", label(l.settings.Load().name, l.account.server), down.Round(time.Second), s.problem))
		}
	}
}

// hear takes one event. It never waits for the store.
func (l *link) hear(e mm.Event) {
	l.mu.Lock()
	l.state.lastEvent = l.d.Now()
	l.mu.Unlock()
	h := l.hold
	us := e.UserID == l.self().ID
	switch {
	case e.Malformed != nil:
		l.log.Warn("an event of Mattermost could not be read; all rooms are compared instead", "event", e.Name, "error", e.Malformed)
		h.wantSync()
	case e.Name == mm.EventPosted, e.Name == mm.EventPostEdited, e.Name == mm.EventPostDeleted:
		h.room(e.ChannelID).hear(e)
	case e.Name == mm.EventUserAdded && us, e.Name == mm.EventDirectAdded, e.Name == mm.EventGroupAdded:
		h.back(e.ChannelID)
	case e.Name == mm.EventChannelBack:
		// The whole team is told, also who is not in the room and could read it
		// all the same: the list of our rooms decides.
		h.wantSync()
	case e.Name == mm.EventUserRemoved && us, e.Name == mm.EventChannelDeleted:
		h.gone(e.ChannelID)
	case e.Name == mm.EventChannelUpdated && e.Channel != nil:
		h.rename(*e.Channel)
	case (e.Name == mm.EventAddedToTeam || e.Name == mm.EventLeaveTeam) && us:
		h.wantSync()
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
