package rtm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/secret"
	"parley/internal/socket"
	"parley/internal/store"
)

// Options are what a driver needs. All fields without a default are required.
type Options struct {
	Gateway channel.Gateway
	Feed    channel.Feed
	Log     channel.Log
	Trace   channel.Trace
	// Writer spends single-use values and records what was read.
	Writer store.Writer
	Signer Signer
	// Origin returns scheme (http or https) and host under which the client of
	// a request reaches this server: a configured public URL, or what a
	// trusted proxy says.
	Origin func(*http.Request) *url.URL
	// Ready reports a store that does not answer, so that rtm/start refuses
	// before the client opens a socket in vain. It defaults to always ready.
	Ready  func(context.Context) error
	Logger *slog.Logger
	// Metrics, if set, gets the driver's collectors.
	Metrics prometheus.Registerer
	// Sockets are the limits of sockets; the zero value takes those of package
	// socket, with a read limit of [MaxFrame].
	Sockets socket.Options
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
	// FirstFrames is how long the first frames are held back after the upgrade;
	// it defaults to 75 ms, see [session.held].
	FirstFrames time.Duration
	// Tick is how often confirmed positions are looked after; it defaults to
	// one second.
	Tick time.Duration
}

// Driver runs the channels of type rtm. Make one with [New], put channels in
// force with [Driver.Prepare], serve [Driver.Handler], end with [Driver.Stop].
type Driver struct {
	Kind
	Options
	sockets *socket.Group
	metrics *metrics
	// grants and starts are apart, so that a store that hangs holds up only
	// the starts, which ask it.
	grants, starts gate
	state          atomic.Pointer[state]

	// base ends when Stop gives up; work counts goroutines that Stop waits for,
	// and crew are those that take messages in.
	base     context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup
	crew     crew
	draining atomic.Bool
	quit     chan struct{}
	stopOnce sync.Once

	mu    sync.Mutex
	users map[userKey]*user

	confirming confirmations
}

var _ channel.Driver = (*Driver)(nil)

// MaxFrame is the largest client frame, in bytes; a larger one ends its socket
// with code 1009.
const MaxFrame = 256 << 10

// New returns a driver without channels and starts its one goroutine, which
// looks after confirmed positions.
func New(o Options) (*Driver, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	if o.Sockets.ReadLimit == 0 {
		o.Sockets.ReadLimit = MaxFrame
	}
	if o.FirstFrames == 0 {
		o.FirstFrames = 75 * time.Millisecond
	}
	if o.Tick == 0 {
		o.Tick = time.Second
	}
	group, err := socket.NewGroup(o.Sockets)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		Options: o, sockets: group, grants: newGate(), starts: newGate(),
		users: map[userKey]*user{}, quit: make(chan struct{}),
	}
	d.base, d.cancel = context.WithCancel(context.Background())
	d.state.Store(&state{})
	if d.metrics, err = newMetrics(o.Metrics, group); err != nil {
		return nil, errors.Join(err, group.Stop(context.Background()))
	}
	d.confirming.sessions = map[*session]struct{}{}
	d.work.Go(d.confirmLoop)
	return d, nil
}

// guard runs f and, should it panic, logs the stack, counts it and goes on: a
// mistake in one conversation must not end all others.
func (d *Driver) guard(what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			d.metrics.panics.Inc()
			d.Logger.Error("panic in rtm", "in", what, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// Drain refuses new sockets with 503 from now on; open ones go on.
func (d *Driver) Drain() { d.draining.Store(true) }

// Stop drains, finishes what was read from sockets, lets queued frames leave
// until ctx ends, drops all sockets without a close frame (the only ending
// every SDK recovers from), writes confirmed positions and waits for all
// goroutines. It may be called more than once.
func (d *Driver) Stop(ctx context.Context) error {
	d.Drain()
	stop := context.AfterFunc(ctx, d.cancel)
	defer stop()
	for _, s := range d.allSessions() {
		s.release() // first frames that are still held back leave with the rest
	}
	err := d.sockets.Stop(ctx)
	d.stopOnce.Do(func() { close(d.quit) })
	d.crew.Wait()
	d.work.Wait()
	d.cancel()
	return err
}

// state is the channels in force. It is replaced as a whole.
type state struct {
	bots map[string]*bot
	// apps are all apps by id: one id may serve several bots.
	apps map[string][]*app
}

// bot is one channel in force.
type bot struct {
	id       string
	name     string
	icon     string
	disabled bool
	apps     map[string]*app
	// tail is the end of every frame that names the bot, encoded once.
	tail []byte
}

// app is one credential in force.
type app struct {
	verifier
	bot  *bot
	life time.Duration
}

// Prepare implements [channel.Driver].
func (d *Driver) Prepare(channels []channel.Configured) (func(), error) {
	next := &state{bots: map[string]*bot{}, apps: map[string][]*app{}}
	for _, c := range channels {
		if err := next.add(c); err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Name, err)
		}
	}
	return func() {
		d.state.Store(next)
		d.dropForeign(next)
	}, nil
}

func (st *state) add(c channel.Configured) error {
	body, err := ParseBody(c.Body)
	if err != nil {
		return err
	}
	if _, twice := st.bots[body.Bot.ID]; twice {
		return fmt.Errorf("bot %s belongs to another channel already", body.Bot.ID)
	}
	b := &bot{id: body.Bot.ID, name: body.Bot.Name, icon: body.Bot.Icon, disabled: c.Disabled, apps: map[string]*app{}}
	b.tail = encodeTail(b)
	for _, a := range body.Apps {
		made, err := newApp(b, a, c.Secret)
		if err != nil {
			return fmt.Errorf("app %s: %w", a.ID, err)
		}
		b.apps[a.ID] = made
		st.apps[a.ID] = append(st.apps[a.ID], made)
	}
	st.bots[b.id] = b
	return nil
}

func newApp(b *bot, body AppBody, open func(string) (string, error)) (*app, error) {
	life, err := time.ParseDuration(body.TokenLife)
	if err != nil {
		return nil, fmt.Errorf("token life: %w", err)
	}
	a := &app{bot: b, life: life, verifier: verifier{app: body}}
	if hasHMAC(body.Algorithms) {
		value, err := open(SecretID(b.id, body.ID))
		if err != nil {
			return nil, fmt.Errorf("open its secret: %w", err)
		}
		a.secret = secret.NewText(value)
	}
	if body.PublicKey != "" {
		if a.publicKey, err = parsePublicKey(body.PublicKey); err != nil {
			return nil, fmt.Errorf("public key %w", err)
		}
	}
	return a, nil
}

// dropForeign ends the sockets of bots and apps that are no longer in force.
// Their clients ask rtm/start again and are refused there.
func (d *Driver) dropForeign(st *state) {
	for _, s := range d.allSessions() {
		b := st.bots[string(s.conv.Channel)]
		if b == nil || b.disabled || b.apps[s.app] == nil {
			s.expel()
		}
	}
}

// allowsOrigin reports whether a page of the given origin may open sockets.
// Without a list all may. With one, a request without Origin is let in, since
// only browsers send it and they always do; pages opened from a file send
// "null", which has to be listed; our own pages (same) are let in.
func (a *app) allowsOrigin(origin, same string) bool {
	if len(a.app.Origins) == 0 || origin == "" || origin == same {
		return true
	}
	return slices.Contains(a.app.Origins, origin)
}

// channelID gives the id of the channel whose bot is named.
func channelID(bot string) chat.ChannelID { return chat.ChannelID(bot) }
