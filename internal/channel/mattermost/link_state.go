package mattermost

import (
	"context"
	"errors"
	"fmt"
	"time"

	mm "parley/internal/mattermost"
)

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
			l.d.Alerts.Raise(l.ctx, l.alert(alertToken), fmt.Sprintf("Mattermost channel %s: the account is refused: %s", label(l.settings.Load().name, l.account.server), text))
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

func (l *link) wasUp(began time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.since.After(began) && l.state.problem == "" && !l.state.connected
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
	l.d.Alerts.Clear(l.ctx, l.alert(alertToken))
	l.d.Alerts.Clear(l.ctx, l.alert(alertLink))
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
			l.d.Alerts.Raise(l.ctx, l.alert(alertLink), fmt.Sprintf("Mattermost channel %s has been down for %s: %s", label(l.settings.Load().name, l.account.server), down.Round(time.Second), s.problem))
		}
	}
}
