package app

import (
	"context"
	"time"

	"parley/internal/alert"
	"parley/internal/app/rtmkind"
	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/channel/mmwebhook"
	"parley/internal/chat"
	"parley/internal/delivery"
	"parley/internal/secret"
	"parley/internal/store"
)

// channelTypes lists the types of channel an owner can configure. A running
// server can test Mattermost accounts further than a command, see [App.prober].
func channelTypes(account channel.Kind) []channel.Kind {
	return []channel.Kind{rtmkind.Kind{}, account, mmwebhook.Kind{}}
}

// prober tests Mattermost channels as a running server can: Mattermost also
// calls it, at mattermost.ProbePath. It keeps nothing, so there may be several.
func (a *App) prober() *mattermost.Prober {
	return mattermost.NewProber(mattermost.ProbeOptions{CallbackBase: a.BaseURL, Signer: secret.NewSigner(a.box), Now: a.Now})
}

// beginPush makes what takes entries to places that do not read the log
// themselves: the Mattermost drivers, deliveries, and alerts, which are said
// there too.
func (a *App) beginPush(context.Context) error {
	signer := secret.NewSigner(a.box)
	a.alerts = alert.New(alert.Options{Store: a.store, Sinks: a.alertSinks, Logger: a.Logger, Now: a.Now})
	var err error
	a.mattermost, err = mattermost.New(mattermost.Options{
		Gateway:      a.talk,
		Feed:         a.hub,
		Store:        a.store,
		Signer:       signer,
		Owner:        a.lease.owner,
		CallbackBase: a.BaseURL,
		Connected:    func(id chat.ChannelID) { a.deliveries.Retry(id) },
		Alerts:       alarm{a},
		Logger:       a.Logger,
		Metrics:      a.metrics,
		Now:          a.Now,
	})
	if err != nil {
		return err
	}
	a.hooks, err = mmwebhook.New(mmwebhook.Options{
		Gateway:      a.talk,
		Store:        a.store,
		Signer:       signer,
		CallbackBase: a.BaseURL,
		Logger:       a.Logger,
		Metrics:      a.metrics,
		Now:          a.Now,
	})
	if err != nil {
		return err
	}
	a.deliveries, err = delivery.New(delivery.Options{
		Store:       a.store,
		SenderFor:   a.senderFor,
		ChannelName: a.channelName,
		Owner:       a.lease.living,
		Logger:      a.Logger,
		Now:         a.Now,
		Policy:      delivery.DefaultPolicy(),
		Metrics:     a.metrics,
		OnFailed:    func(context.Context, delivery.Failure) { poke(a.failed) },
	})
	return err
}

// offerDelivery has an instant answer sent by the commit that stores it. The
// conversations exist before what sends for them.
func (a *App) offerDelivery(o channel.Outgoing) (*store.Take, func(*store.ClaimedDelivery, bool)) {
	return a.deliveries.Offer(o)
}

// sendGrace is how long deliveries under way may take at the end.
const sendGrace = 2 * time.Second

// beginPushing runs what [App.beginPush] made. What is begun first ends last:
// links stop reading before turns end, and deliveries go on until the turns are
// done.
func (a *App) beginPushing() {
	a.parts.background("deliveries", sendGrace+partGrace, func(ctx context.Context) {
		a.deliveries.Run(ctx, sendGrace)
	})
	a.parts.background("delivery news", partGrace, a.wakeDeliveries)
	a.parts.background("alerts", partGrace, a.alerts.Run)
	a.parts.background("delivery alerts", partGrace, func(ctx context.Context) {
		a.alerts.WatchDeliveries(ctx, a.store, a.channelName, a.failed)
	})
	a.parts.background("disk alert", partGrace, func(ctx context.Context) {
		a.alerts.WatchDisk(ctx, a.lease.owner().Node, a.Settings.Data)
	})
	a.parts.background("sync alert", partGrace, func(ctx context.Context) {
		a.alerts.WatchSyncs(ctx, a.lease.owner().Node, a.Settings.Data, a.failedSync)
	})
}

// beginLinks connects to Mattermost.
func (a *App) beginLinks() {
	a.parts.background("links to Mattermost", partGrace, a.mattermost.Run)
}

// poke tells a goroutine that there is work, unless it was told already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakeDeliveries passes on what the store tells: it opened before there were
// deliveries to wake.
func (a *App) wakeDeliveries(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.delivered:
			a.deliveries.Wake()
		}
	}
}

// deliveriesChanged is told of an operator's word on a delivery.
func (a *App) deliveriesChanged() {
	a.deliveries.Wake()
	poke(a.failed)
}

// retryDeliveries has shut endpoints tried at once: what was changed may have
// mended them.
func (a *App) retryDeliveries() {
	for _, c := range a.inForce.Channels() {
		if _, ok := a.senderFor(c.ID); ok {
			a.deliveries.Retry(c.ID)
		}
	}
}

// senderFor finds the driver of a channel in force.
func (a *App) senderFor(id chat.ChannelID) (channel.Sender, bool) {
	c, ok := a.inForce.Channel(id)
	if !ok || c.Disabled {
		return nil, false
	}
	switch c.Type {
	case a.mattermost.Name():
		return a.mattermost, true
	case a.hooks.Name():
		return a.hooks, true
	default:
		return nil, false
	}
}

func (a *App) channelName(id chat.ChannelID) string {
	c, _ := a.inForce.Channel(id)
	return c.Name
}

func (a *App) alertSinks() []alert.Sink {
	if !a.mattermost.Alerting() {
		return nil
	}
	return []alert.Sink{a.mattermost}
}

// alarm lets a driver raise alerts; a store that is away is told by itself.
type alarm struct{ a *App }

func (l alarm) Raise(ctx context.Context, name, text string) {
	if err := l.a.alerts.Raise(ctx, name, text); err != nil && ctx.Err() == nil {
		l.a.Logger.Warn("an alert could not be raised", "alert", name, "text", text, "error", err)
	}
}

func (l alarm) Clear(ctx context.Context, name string) {
	if err := l.a.alerts.Clear(ctx, name); err != nil && ctx.Err() == nil {
		l.a.Logger.Warn("an alert could not be cleared", "alert", name, "error", err)
	}
}
