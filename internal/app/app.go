// Package app wires Parley together: the one place that knows every
// implementation, in the order things begin and, backwards, end.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/adminapi"
	"parley/internal/alert"
	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/assistant/flow/demo"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/channel/mmwebhook"
	"parley/internal/channel/rtm"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/conversation"
	"parley/internal/delivery"
	"parley/internal/httpd"
	"parley/internal/live"
	"parley/internal/secret"
	"parley/internal/socket"
	"parley/internal/telemetry"
)

// Options are what a program may set beside its settings.
type Options struct {
	Settings config.Settings
	// Version is shown by `parley version`, /metrics and the admin API.
	Version string
	Logger  *slog.Logger
	// Listener, if set, is used instead of Settings.Listen. It is closed by
	// Stop, and by a Start that fails.
	Listener net.Listener
	// Now is the clock; nil means time.Now. Tests step it.
	Now func() time.Time
	// Kinds are further kinds of assistant; tests bring scripted ones.
	Kinds []assistant.Kind
	// Policy replaces the default limits of turns; tests shorten them.
	Policy *conversation.Policy
}

// App is a running Parley.
type App struct {
	Options
	parts lifecycle

	metrics *prometheus.Registry
	store   engine
	box     *secret.Box
	lease   *lease
	hub     *live.Hub
	traces  *live.Traces
	rtm     *rtm.Driver
	// mattermost and hooks are the drivers of Mattermost accounts and webhooks.
	mattermost *mattermost.Driver
	hooks      *mmwebhook.Driver
	deliveries *delivery.Service
	alerts     *alert.Service
	// delivered is told of deliveries to send, failed of those given up.
	delivered, failed chan struct{}
	// failedSync is told when the disk failed to keep pages.
	failedSync chan struct{}
	// deleted is told of changes after which channels may be gone.
	deleted  chan struct{}
	talk     *conversation.Service
	inForce  *catalog.Published
	catalog  *catalog.Service
	address  config.Address
	demo     atomic.Pointer[catalog.Demo]
	demoFile sync.Mutex // held while demo.json is brought up to date
	requests *telemetry.HTTP
	health   *httpd.Health
	// stopping is closed when Stop begins.
	stopping chan struct{}
	stopOnce sync.Once
	socket   net.Listener
	public   *httpd.Server
	// admin is nil without a port of its own.
	admin  *httpd.Server
	owners *httpd.Server // on the admin socket
}

// How long the parts may take to end.
const (
	// Together the first three stay below the ten seconds after which service
	// managers commonly kill.
	requestGrace = 3 * time.Second
	turnGrace    = 3 * time.Second
	socketGrace  = 2 * time.Second
	partGrace    = 2 * time.Second
	storeGrace   = 30 * time.Second
)

// Start begins everything and returns once requests are served. When it fails,
// what had begun is ended again.
func Start(ctx context.Context, o Options) (_ *App, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{
		Options: o, parts: lifecycle{logger: o.Logger}, traces: live.NewTraces(),
		metrics: telemetry.NewRegistry(o.Version), address: o.Settings.Address(), stopping: make(chan struct{}),
		delivered: make(chan struct{}, 1), failed: make(chan struct{}, 1), failedSync: make(chan struct{}, 1), deleted: make(chan struct{}, 1),
	}
	a.parts.workers = telemetry.NewWorkers(o.Logger, a.metrics)
	if o.Listener != nil {
		a.closePort(o.Listener)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.parts.end())
		}
	}()
	for _, begin := range []func(context.Context) error{
		a.beginStore,
		a.beginKeys,
		a.beginSocket,
		a.beginLease,
		a.beginTalk,
		a.beginPush,
		a.beginCatalog,
		a.beginBackground,
		a.beginServing,
	} {
		if err := begin(ctx); err != nil {
			return nil, namingFolder(err, o.Settings)
		}
	}
	return a, nil
}

// Run serves until ctx ends, Stop is called or serving fails, then ends
// everything in order.
func (a *App) Run(ctx context.Context) error {
	var admin <-chan struct{}
	if a.admin != nil {
		admin = a.admin.Done()
	}
	var failed error
	select {
	case <-ctx.Done():
		a.Logger.Info("stopping")
	case <-a.public.Done():
		failed = a.public.Err()
	case <-admin:
		failed = a.admin.Err()
	case <-a.owners.Done():
		failed = a.owners.Err()
	}
	if failed != nil {
		failed = fmt.Errorf("serving ended: %w", failed)
	}
	return errors.Join(failed, a.Stop())
}

// Stop ends everything: no new connections, requests and turns finish, sockets
// are flushed and dropped, the store commits what is queued. Stopping twice is
// the same as once.
func (a *App) Stop() error {
	a.stopOnce.Do(func() { close(a.stopping) })
	a.health.Drain()
	a.rtm.Drain()
	return a.parts.end()
}

// Addr is the address of the public listener.
func (a *App) Addr() net.Addr { return a.public.Addr() }

func (a *App) beginStore(ctx context.Context) error {
	s, err := openStore(ctx, a.Settings, a.Logger, hooks{
		commit: a.observeCommits(), delivery: func() { poke(a.delivered) }, failedSync: func() { poke(a.failedSync) },
	})
	if err != nil {
		return err
	}
	a.store = s
	a.parts.onEnd("store", storeGrace, func(context.Context) error { return s.Close() })
	return nil
}

func (a *App) beginKeys(ctx context.Context) error {
	box, err := openKeys(ctx, a.Settings.KeyFile, a.store, a.Logger, true)
	a.box = box
	return err
}

// beginSocket opens the admin socket, which is served once everything else has
// begun.
func (a *App) beginSocket(context.Context) error {
	socket, err := adminapi.Listen(a.Settings.Data)
	if err != nil {
		return err
	}
	a.socket = socket
	a.parts.onEnd("admin socket", partGrace, func(context.Context) error {
		if a.owners != nil {
			return nil // the server has closed it, and the file may be another's by now
		}
		return socket.Close()
	})
	return nil
}

// closePort closes the public port at the end, if its server has not done so.
func (a *App) closePort(l net.Listener) {
	a.parts.onEnd("public port", partGrace, func(context.Context) error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
}

// beginLease takes part in the database as a node. One process per data folder
// holds its lock, so the folder names the node.
func (a *App) beginLease(ctx context.Context) error {
	node, err := nodeName(a.Settings.Data)
	if err != nil {
		return err
	}
	if a.lease, err = takeLease(ctx, a.store, node, a.Logger); err != nil {
		return err
	}
	a.parts.background("lease", partGrace, a.lease.run)
	return nil
}

// beginTalk makes gateway, feed and RTM driver. The driver needs the gateway,
// the gateway finds assistants through the catalog, and the catalog hands
// channels to the driver: the published state, which is empty until the catalog
// has been read, closes the circle.
func (a *App) beginTalk(context.Context) error {
	a.hub = live.NewHub(a.store, a.Logger)
	policy := conversation.DefaultPolicy()
	if a.Policy != nil {
		policy = *a.Policy
	}
	observer, err := newTurnMetrics(a.metrics)
	if err != nil {
		return err
	}
	a.talk = conversation.New(conversation.Options{
		Store:      a.store,
		Assistants: chosen{a},
		Announcer:  a.hub,
		Check:      a.checkContent,
		Offer:      a.offerDelivery,
		Owner:      a.lease.owner,
		Logger:     a.Logger,
		Now:        a.Now,
		Policy:     policy,
		Observe:    observer,
	})
	a.rtm, err = rtm.New(rtm.Options{
		Gateway: a.talk,
		Feed:    a.hub,
		Log:     a.store,
		Trace:   a.traces,
		Writer:  a.store,
		Signer:  secret.NewSigner(a.box),
		Origin:  a.origin,
		Ready:   a.store.Ping,
		Logger:  a.Logger,
		Metrics: a.metrics,
		Sockets: socket.Options{MaxSessions: maxSockets()},
		Now:     a.Now,
	})
	if err != nil {
		return err
	}
	a.parts.onEnd("sockets", socketGrace, a.rtm.Stop)
	return nil
}

// checkContent asks the driver of the channel's type whether its clients could
// show the content.
func (a *App) checkContent(id chat.ChannelID, c chat.Content) error {
	if in, ok := a.inForce.Channel(id); ok && in.Type != rtm.Name {
		return nil // everything else is shown as text where it has to be
	}
	return rtm.Validate(c)
}

// chosen gives the gateway what the catalog has in force.
type chosen struct{ a *App }

func (c chosen) ForChannel(id chat.ChannelID) (conversation.Chosen, error) {
	name, version, as, err := c.a.inForce.ForChannel(id)
	return conversation.Chosen{Name: name, Version: version, Assistant: as}, err
}

func (c chosen) At(ctx context.Context, name string, version int64) (conversation.Chosen, error) {
	as, err := c.a.inForce.At(ctx, name, version)
	return conversation.Chosen{Name: name, Version: version, Assistant: as}, err
}

func (a *App) kinds() []assistant.Kind { return append([]assistant.Kind{flow.Kind{}}, a.Kinds...) }

func (a *App) beginCatalog(ctx context.Context) error {
	var err error
	a.inForce, err = catalog.NewPublished(catalog.Sources{
		Store: a.store, Sealer: a.box, Kinds: a.kinds(), Drivers: []channel.Driver{a.rtm, a.mattermost, a.hooks}, Log: a.Logger, Now: a.Now,
	})
	if err != nil {
		return err
	}
	a.catalog, err = catalog.New(catalog.Options{
		Store: a.store, Sealer: a.box, Kinds: a.kinds(), Types: channelTypes(a.prober()), Published: a.inForce, Demo: demo.Definition(), Now: a.Now,
	})
	if err != nil {
		return err
	}
	if _, err := a.catalog.EnsureDemo(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := a.inForce.Refresh(ctx); err != nil {
		// Channels that can be built serve; readiness and doctor tell of the rest.
		a.Logger.Error("not everything in the catalog is in force", "error", err)
	}
	return nil
}

func (a *App) beginBackground(context.Context) error {
	a.parts.background("catalog watch", partGrace, func(ctx context.Context) {
		if err := a.inForce.Watch(ctx); err != nil {
			a.Logger.Error("the catalog is no longer watched", "error", err)
		}
	})
	a.beginPushing()
	a.parts.background("deleted channels", partGrace, a.watchDeleted)
	a.parts.background("turns", turnGrace+partGrace, func(ctx context.Context) { a.talk.Run(ctx, turnGrace) })
	a.parts.background("feed sweep", partGrace, func(ctx context.Context) { a.hub.Run(ctx, a.sweepEvery()) })
	a.parts.background("expiry", partGrace, a.expire)
	a.parts.background("memory", partGrace, giveBack)
	a.beginLinks()
	return nil
}

// sweepEvery is how soon a lost announcement is repaired. With SQLite there is
// one process and news are never lost on the way; with PostgreSQL another node
// may have committed.
func (a *App) sweepEvery() time.Duration {
	if a.Settings.Database.Set() {
		return time.Second
	}
	return 10 * time.Second
}

func (a *App) beginServing(ctx context.Context) error {
	a.health = httpd.NewHealth(
		httpd.Check{Name: "store", Probe: a.store.Ping},
		httpd.Check{Name: "catalog", Probe: a.catalogReady},
	)
	a.registerGauges()
	a.requests = telemetry.NewHTTP(a.Logger, a.metrics, a.parts.workers)
	if a.Listener == nil {
		listener, err := httpd.Listen(a.Settings.Listen)
		if err != nil {
			return err
		}
		a.Listener = listener
		a.closePort(listener)
	}
	// Before the first request is answered: who sees the server ready may read
	// the file.
	if err := a.writeDemo(ctx); err != nil {
		return err
	}
	if a.demo.Load() != nil {
		a.parts.background("demo", partGrace, a.watchDemo)
	}
	if err := a.serveInternal(); err != nil {
		return err
	}
	server, err := httpd.Start(httpd.Options{
		Listener: a.Listener, CertFile: a.Settings.TLS.Cert, KeyFile: a.Settings.TLS.Key,
		Handler: a.requests.Wrap("public", a.publicRoutes()), Logger: a.Logger,
	})
	if err != nil {
		return err
	}
	a.public = server
	a.parts.onEnd("public listener", requestGrace, server.Stop)
	return nil
}
