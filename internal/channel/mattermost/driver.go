package mattermost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// Store is the part of the store the driver uses.
type Store interface {
	store.Writer
	ConversationByPlace(ctx context.Context, channel chat.ChannelID, place string) (chat.Conversation, error)
	ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error)
	Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error)
	Entries(ctx context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error)
	EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error)
	VisiblePage(ctx context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error)
	Turns(ctx context.Context, f store.TurnFilter) ([]chat.Turn, error)
	Reference(ctx context.Context, ch chat.ChannelID, external string) (chat.Reference, error)
	References(ctx context.Context, key chat.ConversationKey, seq int64) ([]chat.Reference, error)
	HasPart(ctx context.Context, id string) (bool, error)
	Rooms(ctx context.Context, ch chat.ChannelID) ([]store.Room, error)
}

// Signer makes and checks tokens; secret.Signer is one.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Open(purpose, token string, now time.Time) ([]byte, error)
}

// Alerts tells the owner of conditions that last. Raising one that holds, and
// clearing one that does not, changes nothing.
type Alerts interface {
	Raise(ctx context.Context, name, text string)
	Clear(ctx context.Context, name string)
}

// Options are what a driver needs. All fields without a default are required.
type Options struct {
	Gateway channel.Gateway
	Feed    channel.Feed
	Store   Store
	Signer  Signer
	// Owner names this node's claim on links; it changes when a lease lapsed.
	Owner func() store.Owner
	// CallbackBase is the address under which Mattermost reaches this server,
	// without a slash at the end, or empty when none is known: choices are then
	// words to type only. It defaults to none.
	CallbackBase func() string
	// Connected, if set, is told of each new connection: what waits to be sent
	// to that channel may go. It must not block.
	Connected func(chat.ChannelID)
	// Alerts, if set, hears of refused tokens and links that stay down.
	Alerts Alerts
	Logger *slog.Logger
	// Metrics, if set, gets the driver's collectors.
	Metrics prometheus.Registerer
	// Now is the clock; it defaults to time.Now.
	Now   func() time.Time
	Times Times

	// dial replaces the client in tests.
	dial func(account) (api, error)
}

// Times are the driver's periods; zero values take the defaults.
type Times struct {
	// Flush is how often positions of ignored posts are written (500 ms).
	Flush time.Duration
	// Alive is how often it is noted that the link hears all (30 s).
	Alive time.Duration
	// Watch is how often owner and length of an outage are looked at (1 s).
	Watch time.Duration
	// FirstRetry and LastRetry bound the pause between connections (500 ms, 30 s).
	FirstRetry, LastRetry time.Duration
	// Refused is the pause after a refused token (3 min).
	Refused time.Duration
	// Down is how long a link may be down before an alert (5 min).
	Down time.Duration
	// Typing is how long a turn takes before typing is shown (300 ms), and
	// TypingEvery how often it is shown again (4 s).
	Typing, TypingEvery time.Duration
	// Ping is how often the client asks whether its stream lives (30 s).
	Ping time.Duration
}

func (t Times) withDefaults() Times {
	for _, p := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&t.Flush, 500 * time.Millisecond}, {&t.Alive, 30 * time.Second}, {&t.Watch, time.Second},
		{&t.FirstRetry, 500 * time.Millisecond}, {&t.LastRetry, 30 * time.Second}, {&t.Refused, 3 * time.Minute},
		{&t.Down, 5 * time.Minute}, {&t.Typing, 300 * time.Millisecond}, {&t.TypingEvery, 4 * time.Second},
	} {
		if *p.value == 0 {
			*p.value = p.def
		}
	}
	return t
}

// Driver runs the channels of type mattermost. Make one with [New], put
// channels in force with [Driver.Prepare], let them connect with [Driver.Run],
// serve [Driver.Handler], end with [Driver.Stop].
type Driver struct {
	Kind
	Options
	metrics *metrics

	base   context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	running bool
	stopped bool
	links   map[chat.ChannelID]*link
	// accounts tells which channel runs an account, by server and user id.
	accounts map[string]*link
}

var (
	_ channel.Driver = (*Driver)(nil)
	_ channel.Sender = (*Driver)(nil)
)

// New returns a driver without channels.
func New(o Options) (*Driver, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CallbackBase == nil {
		o.CallbackBase = func() string { return "" }
	}
	if o.Alerts == nil {
		o.Alerts = noAlerts{}
	}
	o.Times = o.Times.withDefaults()
	d := &Driver{Options: o, links: map[chat.ChannelID]*link{}, accounts: map[string]*link{}}
	if d.dial == nil {
		d.dial = d.dialServer
	}
	d.base, d.cancel = context.WithCancel(context.Background())
	var err error
	if d.metrics, err = newMetrics(o.Metrics, d); err != nil {
		d.cancel()
		return nil, err
	}
	return d, nil
}

type noAlerts struct{}

func (noAlerts) Raise(context.Context, string, string) {}
func (noAlerts) Clear(context.Context, string)         {}

// Run connects all channels in force, and those that come into force later,
// until ctx ends; then it waits until all links have ended.
func (d *Driver) Run(ctx context.Context) {
	d.mu.Lock()
	d.running = true
	for _, l := range d.links {
		d.start(l, nil)
	}
	d.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-d.base.Done():
	}
	d.halt()
	d.work.Wait()
}

// Stop ends all links, gives them back and waits for their goroutines, until
// ctx ends. It may be called more than once.
func (d *Driver) Stop(ctx context.Context) error {
	d.halt()
	done := make(chan struct{})
	go func() {
		d.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("links to Mattermost did not end in time: %w", ctx.Err())
	}
}

func (d *Driver) halt() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.cancel()
}

// start lets a link run, once the one it replaces has ended. The caller holds
// d.mu.
func (d *Driver) start(l, before *link) {
	if l.started || d.stopped {
		return
	}
	l.started = true
	d.work.Go(func() {
		if before != nil && before.started {
			<-before.done
		}
		l.run()
	})
}

// account is what a connection is made with.
type account struct {
	channel  chat.ChannelID
	server   string
	user     string
	secret   secret.Text
	caFile   string
	proxy    string
	identity [sha256.Size]byte // of all of them
}

func newAccount(c channel.Configured, b Body) (account, error) {
	a := account{channel: c.ID, server: b.Server, user: b.User, caFile: b.CAFile, proxy: b.Proxy}
	id, what := TokenSecret(c.ID), "token"
	if b.User != "" {
		id, what = PasswordSecret(c.ID), "password"
	}
	value, err := c.Secret(id)
	if err != nil {
		return a, fmt.Errorf("open its %s: %w", what, err)
	}
	if value == "" {
		return a, fault.Field(what, "is missing; give it again")
	}
	a.secret = secret.NewText(value)
	sum := sha256.New()
	for _, part := range []string{a.server, a.user, value, a.caFile, a.proxy} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	sum.Sum(a.identity[:0])
	return a, nil
}

// Prepare implements [channel.Driver]. A link whose account stays the same is
// kept; only a change of account makes a new connection.
func (d *Driver) Prepare(channels []channel.Configured) (func(), error) {
	next := map[chat.ChannelID]*link{}
	for _, c := range channels {
		if c.Disabled {
			continue
		}
		l, err := d.prepare(c)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Name, err)
		}
		for _, other := range next {
			if other.account.sameAccount(l.account) {
				return nil, onOneAccount(other.planned.name, c.Name, l.account.server)
			}
		}
		next[c.ID] = l
	}
	return func() { d.apply(next) }, nil
}

// sameAccount reports whether two channels certainly speak for one account.
func (a account) sameAccount(b account) bool {
	if a.server != b.server || (a.user == "") != (b.user == "") {
		return false
	}
	if a.user != "" {
		return a.user == b.user
	}
	return a.secret.Equal(b.secret)
}

// prepare makes the link of a channel.
func (d *Driver) prepare(c channel.Configured) (*link, error) {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil, err
	}
	set, err := newSettings(c.Name, body)
	if err != nil {
		return nil, err
	}
	a, err := newAccount(c, body)
	if err != nil {
		return nil, err
	}
	client, err := d.dial(a)
	if err != nil {
		return nil, err
	}
	return newLink(d, a, set, client), nil
}

func (d *Driver) apply(next map[chat.ChannelID]*link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, old := range d.links {
		l := next[id]
		if l != nil && l.account.identity == old.account.identity && !old.ended() {
			old.settings.Store(l.planned)
			next[id] = old
			continue
		}
		old.cancel()
		if l == nil && old.started && !d.stopped {
			d.work.Go(old.withdraw)
		}
	}
	for id, l := range next {
		if d.running {
			d.start(l, d.links[id])
		}
	}
	d.links = next
}

// link returns the link of a channel in force, or nil.
func (d *Driver) link(id chat.ChannelID) *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.links[id]
}

// register notes that a link speaks for an account, unless another one does.
func (d *Driver) register(l *link, key string) (other *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if had := d.accounts[key]; had != nil && had != l {
		return had
	}
	d.accounts[key] = l
	return nil
}

func (d *Driver) unregister(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, had := range d.accounts {
		if had == l {
			delete(d.accounts, key)
		}
	}
}

var errNoLink = errors.New("this channel is disabled or gone")
