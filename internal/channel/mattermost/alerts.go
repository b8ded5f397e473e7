package mattermost

import (
	"context"
	"time"
)

// Conditions of a link that are alerts.
const (
	alertToken = "token"
	alertLink  = "link"
)

// alert is the name of an alert about the link's channel.
func (l *link) alert(what string) string { return Name + "." + what + "." + string(l.id()) }

// withdraw takes back the alerts about a channel that is disabled or gone: there
// is nothing left to mend, and nobody would clear them any more.
func (l *link) withdraw() {
	<-l.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), 3*time.Second)
	defer cancel()
	l.d.Alerts.Clear(ctx, l.alert(alertToken))
	l.d.Alerts.Clear(ctx, l.alert(alertLink))
}
