package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	// pollEvery is how often the revision is read, which bounds how long a
	// change made on another node takes to be in force here.
	pollEvery = time.Second
	// retryBroken is how long a revision that could not be built is left in
	// peace: building it again costs more than reading a number.
	retryBroken = 30 * time.Second
	// readTimeout bounds one look at the database.
	readTimeout = 10 * time.Second
)

// Sources are what [Published] is built from.
type Sources struct {
	Store  store.Catalog
	Sealer Sealer
	Kinds  []assistant.Kind
	// Drivers run the channels. Each is told of all its channels with every
	// revision, also of none.
	Drivers []channel.Driver
	Log     *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Published is what is in force on this node. Reading it takes no lock.
type Published struct {
	store   store.Catalog
	sealer  Sealer
	kinds   map[string]assistant.Kind
	drivers map[string]channel.Driver
	log     *slog.Logger
	now     func() time.Time

	state  atomic.Pointer[state]
	status atomic.Pointer[Status]
	older  versions

	// refreshing lets one refresh run at a time.
	refreshing sync.Mutex
	broken     int64
	retryAt    time.Time
}

// Channel is one channel in force.
type Channel struct {
	Name      string         `json:"name"`
	ID        chat.ChannelID `json:"id"`
	Type      string         `json:"type"`
	Assistant string         `json:"assistant"`
	// AssistantVersion is what the channel is pinned to; 0 follows the version
	// that is in force for everybody.
	AssistantVersion int64 `json:"assistant_version,omitempty"`
	Disabled         bool  `json:"disabled,omitempty"`
	Demo             bool  `json:"demo,omitempty"`
	Version          int64 `json:"version"`
}

// Status tells how fresh the published state is.
type Status struct {
	// Revision is in force; Stored is the newest one known to be stored.
	Revision int64 `json:"revision"`
	Stored   int64 `json:"stored"`
	// Problem says why Revision is behind or incomplete; empty when it is not.
	Problem string `json:"problem,omitempty"`
	// Since is when Revision came into force here.
	Since time.Time `json:"since"`

	// cause is behind Problem, for the log.
	cause error
}

// state is one revision, built. It is never changed.
type state struct {
	revision int64
	// partial is set when items were left out.
	partial    bool
	assistants map[string]compiled
	// pinned are versions that only single channels use.
	pinned   map[versionKey]compiled
	channels map[chat.ChannelID]Channel
}

// at finds a version that is in force, for everybody or for some channel.
func (s *state) at(name string, version int64) (compiled, bool) {
	if got, ok := s.assistants[name]; ok && got.version == version {
		return got, true
	}
	got, ok := s.pinned[versionKey{name, version}]
	return got, ok
}

// compiled is an assistant with its version.
type compiled struct {
	version  int64
	instance assistant.Assistant
}

// NewPublished returns an empty state; call [Published.Refresh] before use.
func NewPublished(s Sources) (*Published, error) {
	kinds, err := byName(s.Kinds)
	if err != nil {
		return nil, fmt.Errorf("assistant kinds: %w", err)
	}
	drivers, err := byName(s.Drivers)
	if err != nil {
		return nil, fmt.Errorf("channel drivers: %w", err)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	p := &Published{store: s.Store, sealer: s.Sealer, kinds: kinds, drivers: drivers, log: s.Log, now: s.Now}
	p.state.Store(&state{})
	p.status.Store(&Status{})
	return p, nil
}

// Watch keeps the state fresh until the context ends. It returns nil then.
func (p *Published) Watch(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var told Status
	for {
		told = p.tell(told)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.look(ctx)
		}
	}
}

// tell logs what is new in the status since it was told last. [Published.Refresh]
// returns its errors and logs nothing.
func (p *Published) tell(before Status) Status {
	now := *p.Status()
	switch {
	case now.Problem != "" && now.Problem != before.Problem:
		p.log.Error("the catalog is not in force as stored", "problem", now.Problem,
			"revision", now.Revision, "stored", now.Stored, "error", now.cause)
	case now.Problem == "" && (now.Revision != before.Revision || before.Problem != ""):
		p.log.Info("catalog in force", "revision", now.Revision)
	}
	return now
}

// look refreshes when the revision has moved. What goes wrong is in the status.
func (p *Published) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	revision, err := p.store.CatalogRevision(ctx)
	if err == nil && revision == p.state.Load().revision && p.Status().Problem == "" {
		return
	}
	if err == nil && p.leaveInPeace(revision) {
		return
	}
	// A failure to read the revision goes the same way, because Refresh keeps
	// the status; it fails in the same manner.
	_ = p.Refresh(ctx)
}

func (p *Published) leaveInPeace(revision int64) bool {
	p.refreshing.Lock()
	defer p.refreshing.Unlock()
	return p.broken == revision && p.now().Before(p.retryAt)
}

// Refresh reads the newest revision, builds everything in it, and puts it in
// force as a whole. On an error the last good state stays, which
// [Published.Status] tells. When there is no good state yet (a start), what can
// be built is put in force without the rest, so that one bad item does not
// silence all others; that too is an error.
func (p *Published) Refresh(ctx context.Context) error {
	p.refreshing.Lock()
	defer p.refreshing.Unlock()
	old := *p.Status()
	items, revision, err := p.store.PublishedItems(ctx)
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			p.note(Status{Revision: old.Revision, Stored: old.Stored, Since: old.Since,
				Problem: "the catalog cannot be read: " + fault.Message(err)}, err)
		}
		return fmt.Errorf("read catalog: %w", err)
	}
	from := newContents(items, revision)
	if err := from.readPinned(ctx, p.store); err != nil {
		p.note(Status{Revision: old.Revision, Stored: revision, Since: old.Since,
			Problem: "the versions that channels are pinned to cannot be read: " + fault.Message(err)}, err)
		return fmt.Errorf("read pinned versions: %w", err)
	}
	secrets, err := from.readSecrets(ctx, p.store)
	if err != nil {
		p.note(Status{Revision: old.Revision, Stored: revision, Since: old.Since,
			Problem: "the catalog's secrets cannot be read: " + fault.Message(err)}, err)
		return fmt.Errorf("read secrets: %w", err)
	}
	b := p.newBuild(from, secrets)
	err = b.run()
	if good := p.state.Load(); err != nil && good.revision != 0 && !good.partial {
		p.broken, p.retryAt = revision, p.now().Add(retryBroken)
		p.note(Status{Revision: old.Revision, Stored: revision, Since: old.Since,
			Problem: fmt.Sprintf("revision %d cannot be put in force: %s", revision, fault.Message(err))}, err)
		return err
	}
	b.next.partial = err != nil
	p.putInForce(b)
	next := Status{Revision: revision, Stored: revision, Since: p.now()}
	p.broken = 0
	if err != nil {
		p.broken, p.retryAt = revision, p.now().Add(retryBroken)
		next.Problem = "some items are left out: " + fault.Message(err)
	}
	p.note(next, err)
	return err
}

// putInForce swaps. Assistants come first, so that a new channel finds the one
// it names.
func (p *Published) putInForce(b *build) {
	before := p.state.Load()
	p.older.keep(before, b.next)
	p.state.Store(b.next)
	for _, apply := range b.apply {
		apply()
	}
}

// note keeps the status with the cause of its problem.
func (p *Published) note(next Status, cause error) {
	next.cause = cause
	p.status.Store(&next)
}

// Status tells how fresh the state is.
func (p *Published) Status() *Status { return p.status.Load() }

// Revision is the one in force.
func (p *Published) Revision() int64 { return p.state.Load().revision }

// ForChannel returns what answers new episodes of a channel: the version it is
// pinned to, or else the one that is in force for everybody. An unknown
// channel is fault.NotFound; one whose assistant could not be built is
// fault.Unavailable.
func (p *Published) ForChannel(id chat.ChannelID) (name string, version int64, a assistant.Assistant, err error) {
	s := p.state.Load()
	c, ok := s.channels[id]
	if !ok {
		return "", 0, nil, fault.New(fault.NotFound, "there is no channel %q", string(id))
	}
	got, ok := s.assistants[c.Assistant]
	if c.AssistantVersion > 0 {
		got, ok = s.at(c.Assistant, c.AssistantVersion)
	}
	if !ok {
		return "", 0, nil, fault.New(fault.Unavailable, "assistant %q of channel %q cannot be used now", c.Assistant, c.Name)
	}
	return c.Assistant, got.version, got.instance, nil
}

// At returns one version of an assistant, for episodes that began with it. An
// older one is read and compiled once and then kept.
func (p *Published) At(ctx context.Context, name string, version int64) (assistant.Assistant, error) {
	if got, ok := p.state.Load().at(name, version); ok {
		return got.instance, nil
	}
	if a, ok := p.older.get(name, version); ok {
		return a, nil
	}
	item, err := p.store.ItemVersion(ctx, store.ItemAssistant, name, version)
	if err != nil {
		return nil, fmt.Errorf("assistant %s version %d: %w", name, version, err)
	}
	stored := newContents([]store.Item{item}, item.Revision)
	body, ok := stored.assistants[name]
	if !ok {
		return nil, fmt.Errorf("assistant %s version %d is not readable: %w", name, version, errors.Join(stored.failures()...))
	}
	a, err := compile(p.kinds, name, body)
	if err != nil {
		return nil, err
	}
	p.older.put(name, version, a)
	return a, nil
}

// Channels lists the channels in force, by name.
func (p *Published) Channels() []Channel {
	s := p.state.Load()
	all := make([]Channel, 0, len(s.channels))
	for _, c := range s.channels {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Channel) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Channel returns the channel with an id.
func (p *Published) Channel(id chat.ChannelID) (Channel, bool) {
	c, ok := p.state.Load().channels[id]
	return c, ok
}
