package mattermost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	mm "parley/internal/mattermost"
	"parley/internal/store"
)

var (
	errElsewhere = errors.New("another node has the connection of this account")
	errTwice     = errors.New("another channel is on the same account")
)

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
