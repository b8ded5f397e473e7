package mmwebhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/secret"
)

// Store is the part of the store the driver reads.
type Store interface {
	ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error)
	EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error)
	VisiblePage(ctx context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error)
}

// Signer makes and checks tokens; secret.Signer is one.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Open(purpose, token string, now time.Time) ([]byte, error)
}

// Options are what a driver needs. All fields without a default are required.
type Options struct {
	Gateway channel.Gateway
	Store   Store
	Signer  Signer
	// CallbackBase is the address under which Mattermost reaches this server,
	// without a path, or empty when none is known: choices are then words to
	// type only. It defaults to none.
	CallbackBase func() string
	Logger       *slog.Logger
	// Metrics, if set, gets the driver's collectors.
	Metrics prometheus.Registerer
	// Now is the clock; it defaults to time.Now.
	Now func() time.Time
}

// Driver runs the channels of type mattermost-webhook. Make one with [New], put
// channels in force with [Driver.Prepare], serve [Driver.Handler], end with
// [Driver.Stop].
type Driver struct {
	Kind
	Options
	metrics *metrics
	loops   *loops
	state   atomic.Pointer[state]

	// calls are those under way. A WaitGroup alone would not do: none may be
	// added while Stop waits.
	mu      sync.Mutex
	calls   int
	stopped bool
	idle    chan struct{}
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
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	d := &Driver{Options: o, metrics: m, loops: newLoops(), idle: make(chan struct{})}
	d.state.Store(&state{})
	return d, nil
}

// state is the channels in force. It is replaced as a whole.
type state struct {
	channels map[chat.ChannelID]*hook
	// byKey finds a channel by the hash of a callback key, so that the time a
	// look-up takes tells nothing about the keys.
	byKey map[[sha256.Size]byte]keyed
}

type keyed struct {
	hook  *hook
	until time.Time
}

// hook is one channel in force.
type hook struct {
	id     chat.ChannelID
	name   string
	body   Body
	tokens []proof
	// incoming is the address of the incoming webhook, and client what posts
	// there; neither is set without one.
	incoming secret.Text
	client   *mm.Client
}

// proof is a token, with the time it stops counting; zero for never.
type proof struct {
	value secret.Text
	until time.Time
}

func counts(until, now time.Time) bool { return until.IsZero() || now.Before(until) }

// accepts tries all tokens, so that the time it takes does not tell which one
// was near.
func (h *hook) accepts(token string, now time.Time) bool {
	found := false
	for _, p := range h.tokens {
		if p.value.Matches(token) && counts(p.until, now) {
			found = true
		}
	}
	return found
}

// Prepare implements [channel.Driver].
func (d *Driver) Prepare(channels []channel.Configured) (func(), error) {
	next := &state{channels: map[chat.ChannelID]*hook{}, byKey: map[[sha256.Size]byte]keyed{}}
	for _, c := range channels {
		if c.Disabled {
			continue
		}
		if err := d.add(next, c); err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Name, err)
		}
	}
	return func() {
		before := d.state.Swap(next)
		for _, h := range before.channels {
			h.letGo()
		}
	}, nil
}

// letGo closes idle connections. Requests under way go on.
func (h *hook) letGo() {
	if h.client != nil {
		_ = h.client.Close(context.Background()) // it has no session that could fail to end
	}
}

func (d *Driver) add(st *state, c channel.Configured) error {
	body, err := ParseBody(c.Body)
	if err != nil {
		return err
	}
	h := &hook{id: c.ID, name: c.Name, body: body}
	for i, p := range body.Tokens {
		made, err := openProof(p, c.Secret, TokenSecret(body.ID, i))
		if err != nil {
			return fmt.Errorf("outgoing_token: %w", err)
		}
		h.tokens = append(h.tokens, made)
	}
	for i, p := range body.Keys {
		made, err := openProof(p, c.Secret, KeySecret(body.ID, i))
		if err != nil {
			return fmt.Errorf("callback_key: %w", err)
		}
		sum := sha256.Sum256([]byte(made.value.Reveal()))
		if other, twice := st.byKey[sum]; twice {
			return fault.New(fault.Conflict, "channels %q and %q have one callback_key; each needs its own", other.hook.name, c.Name)
		}
		st.byKey[sum] = keyed{h, made.until}
	}
	if err := h.connect(d, c); err != nil {
		return err
	}
	st.channels[c.ID] = h
	return nil
}

func openProof(p ProofBody, open func(string) (string, error), id string) (proof, error) {
	until, err := parseUntil(p.Until)
	if err != nil {
		return proof{}, err
	}
	value, err := open(id)
	if err != nil {
		return proof{}, fmt.Errorf("open it: %w", err)
	}
	if value == "" {
		return proof{}, errors.New("is missing; give it again")
	}
	return proof{secret.NewText(value), until}, nil
}

func parseUntil(s string) (time.Time, error) {
	if s == never {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("until: %w", err)
	}
	return until, nil
}

// connect makes the client that posts through the incoming webhook.
func (h *hook) connect(d *Driver, c channel.Configured) error {
	if h.body.Server == "" {
		return nil
	}
	address, err := c.Secret(IncomingSecret(h.body.ID))
	if err != nil {
		return fmt.Errorf("open incoming_url: %w", err)
	}
	h.incoming = secret.NewText(address)
	h.client, err = mm.New(mm.Options{
		Server: h.body.Server, CAFile: h.body.CAFile, Proxy: h.body.Proxy, Now: d.Now, Logger: d.Logger.With("channel", c.Name),
	})
	return err
}

// hook returns a channel in force, or nil.
func (d *Driver) hook(id chat.ChannelID) *hook { return d.state.Load().channels[id] }

// hookByKey returns the channel of a callback key, or nil.
func (d *Driver) hookByKey(key string) *hook {
	if len(key) > maxProof {
		return nil
	}
	k, ok := d.state.Load().byKey[sha256.Sum256([]byte(key))]
	if !ok || !counts(k.until, d.Now()) {
		return nil
	}
	return k.hook
}

// begin notes a call under way; it is false once the driver was stopped.
func (d *Driver) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.calls++
	return true
}

func (d *Driver) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls--
	if d.stopped && d.calls == 0 {
		close(d.idle)
	}
}

// Stop refuses further calls with 503 and waits for those under way, until ctx
// ends. It may be called more than once.
func (d *Driver) Stop(ctx context.Context) error {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		if d.calls == 0 {
			close(d.idle)
		}
	}
	d.mu.Unlock()
	select {
	case <-d.idle:
	case <-ctx.Done():
		return fmt.Errorf("calls of outgoing webhooks did not end in time: %w", ctx.Err())
	}
	for _, h := range d.state.Load().channels {
		h.letGo()
	}
	return nil
}
