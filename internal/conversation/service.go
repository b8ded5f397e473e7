// Package conversation accepts what people say, owes them an answer, and keeps
// who has control.
//
// An inbound entry and, when the assistant can answer at once, its answer are
// one commit (the fold). Otherwise the entry commits with a turn, and the
// answer commits later, fenced by the turn's claim and the episode's epoch.
// Nothing is announced before it is on disk.
//
// What the service remembers about a conversation is a guess that the store
// checks: a guess that turns out to be old costs a second commit, never a
// wrong answer.
package conversation

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Store is the part of the store the service uses.
type Store interface {
	store.Writer
	Handling(ctx context.Context, key chat.ConversationKey) (store.Handling, error)
	Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error)
	EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error)
	Turns(ctx context.Context, f store.TurnFilter) ([]chat.Turn, error)
}

// Chosen is an assistant in one version.
type Chosen struct {
	Name      string
	Version   int64
	Assistant assistant.Assistant
}

// Assistants finds who answers.
type Assistants interface {
	// ForChannel returns the published assistant of a channel.
	ForChannel(id chat.ChannelID) (Chosen, error)
	// At returns one version of an assistant, published or not.
	At(ctx context.Context, name string, version int64) (Chosen, error)
}

// Announcer hears of everything that was committed.
type Announcer interface {
	Announce(channel.News)
}

// Desk tells whether a person can be reached.
type Desk interface {
	// Reachable reports whether somebody serves the queue at all.
	Reachable(queue string) bool
}

// NoDesk is the desk of an owner who has configured none.
type NoDesk struct{}

// Reachable is false: there is nobody.
func (NoDesk) Reachable(string) bool { return false }

// Options are what a service needs. All fields without a default are required.
type Options struct {
	Store      Store
	Assistants Assistants
	Announcer  Announcer
	// Desk defaults to [NoDesk].
	Desk Desk
	// Check refuses content that the channel's clients could not show; the
	// gateway then says its plain text instead. It defaults to accepting all.
	Check func(chat.ChannelID, chat.Content) error
	// Owner names this node's claim; it changes when a lease lapsed.
	Owner  func() store.Owner
	Logger *slog.Logger
	// Now is the clock; it defaults to time.Now.
	Now    func() time.Time
	Policy Policy
	// Observe, if set, hears of ended turns.
	Observe Observer
}

// Observer counts what happens to turns.
type Observer interface {
	// TurnEnded is told the result ("folded", "answered", "late", "postponed",
	// "failed", "lost") and how long the answer took.
	TurnEnded(result string, took time.Duration)
}

// Policy are the limits of turns and episodes.
type Policy struct {
	// Idle is the silence after which the next message opens a new episode.
	Idle time.Duration
	// TurnTimeout bounds one attempt.
	TurnTimeout time.Duration
	// Attempts is how often a turn is tried before it fails.
	Attempts int
	// FirstRetry and LastRetry bound the back-off between attempts.
	FirstRetry, LastRetry time.Duration
	// Running bounds the turns that run at once on this node.
	Running int
	// Tick is how often due turns without a living owner are looked for.
	Tick time.Duration
	// DedupeLife is how long a repeat of an inbound entry is recognised.
	DedupeLife time.Duration
	// RawLife is how long the raw input is kept.
	RawLife time.Duration
}

// DefaultPolicy returns the limits that hold without configuration.
func DefaultPolicy() Policy {
	return Policy{
		Idle:        24 * time.Hour,
		TurnTimeout: time.Minute,
		Attempts:    5,
		FirstRetry:  time.Second,
		LastRetry:   30 * time.Second,
		Running:     256,
		Tick:        time.Second,
		DedupeLife:  48 * time.Hour,
		RawLife:     30 * 24 * time.Hour,
	}
}

// Service implements [channel.Gateway].
type Service struct {
	Options
	known *cache

	// turns ends the attempts under way, at Run's end.
	turns context.Context
	stop  context.CancelFunc
	slots chan struct{}
	work  *work
}

var _ channel.Gateway = (*Service)(nil)

// New returns a service. [Service.Run] has to run for turns that need a second
// attempt or were left behind by a crash.
func New(o Options) *Service {
	if o.Desk == nil {
		o.Desk = NoDesk{}
	}
	if o.Check == nil {
		o.Check = func(chat.ChannelID, chat.Content) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = unobserved{}
	}
	s := &Service{Options: o, known: newCache(), slots: make(chan struct{}, o.Policy.Running), work: newWork()}
	s.turns, s.stop = context.WithCancel(context.Background())
	return s
}

type unobserved struct{}

func (unobserved) TurnEnded(string, time.Duration) {}

// Open finds or makes the conversation of a place.
func (s *Service) Open(ctx context.Context, p channel.Place) (chat.Conversation, error) {
	if p.Channel == "" || p.Key == "" || p.Person.ExternalID == "" {
		return chat.Conversation{}, fault.New(fault.Invalid, "a place needs a channel, a key and a person")
	}
	opened, err := store.Do(ctx, s.Store, store.OpenPlace{
		Channel: p.Channel, ChannelType: p.Type, Place: p.Key, Person: p.Person,
		Mode: p.Mode, Thread: p.Thread, Now: s.Now(),
	})
	return opened.Conversation, err
}

// Accept stores an inbound entry, and its answer when there is one at once.
func (s *Service) Accept(ctx context.Context, in channel.Inbound) (channel.Receipt, error) {
	if err := in.Content.Validate(); err != nil {
		return channel.Receipt{}, fault.Wrap(err, fault.Invalid, "content: %v", err)
	}
	if in.Content.Lang == "" {
		in.Content.Lang = in.Lang
	}
	h := s.known.of(in.Conversation.Key)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := s.learn(ctx, in.Conversation.Key, h); err != nil {
		return channel.Receipt{}, err
	}
	step, err := s.inboundStep(in)
	if err != nil {
		return channel.Receipt{}, err
	}
	if step.OwesTurn {
		if err := s.answerer(ctx, in.Conversation, h, &step); err != nil {
			return channel.Receipt{}, err
		}
		s.fold(in.Conversation.Channel, h, &step)
	}
	return s.commit(ctx, in.Conversation, h, step, in.Committed)
}

func (s *Service) inboundStep(in channel.Inbound) (store.Accept, error) {
	now := s.Now()
	step := store.Accept{
		Conversation: in.Conversation.Key,
		Origin:       in.Conversation.Leg,
		Draft: chat.Draft{
			Author:     chat.Author{Kind: chat.ByContact, ID: string(in.Conversation.ContactID)},
			Purpose:    in.Purpose,
			Visibility: chat.VisibleToAll,
			Content:    in.Content,
		},
		Raw:        in.Raw,
		RawLife:    s.Policy.RawLife,
		IdleBefore: now.Add(-s.Policy.Idle),
		OwesTurn:   in.Purpose == chat.Message,
		Owner:      s.claimant(),
		Now:        now,
	}
	if in.DedupeKey != "" {
		step.Dedupe = &store.Dedupe{Key: in.DedupeKey, Life: s.Policy.DedupeLife}
		if !in.KeyDecides {
			encoded, err := chat.EncodeContent(in.Content)
			if err != nil {
				return step, err
			}
			sum := sha256.Sum256(encoded)
			step.Dedupe.Hash = sum[:16]
		}
	}
	return step, nil
}

// claimant is who claims the turn of an inbound entry: nobody when this node
// begins no further turns.
func (s *Service) claimant() store.Owner {
	if s.work.isClosed() {
		return store.Owner{}
	}
	return s.Owner()
}

// answerer fills in who answers when the step opens an episode, and remembers
// the assistant of the open one.
func (s *Service) answerer(ctx context.Context, c chat.Conversation, h *handling, step *store.Accept) error {
	now, err := s.Assistants.ForChannel(c.Channel)
	if h.fresh(step.IdleBefore) {
		if err != nil {
			return err
		}
		h.chosen = now
		step.Answerer = answererOf(now)
		return nil
	}
	s.choose(ctx, h)
	if err != nil {
		// The channel has gone; its open episodes are answered to their end.
		now = h.chosen
	}
	// It counts if the episode was closed on another node meanwhile.
	step.Answerer = answererOf(now)
	return nil
}

// choose looks up the assistant of the open episode.
func (s *Service) choose(ctx context.Context, h *handling) {
	name, version := h.episode.Assistant, h.episode.Version
	if h.chosen.Assistant != nil && h.chosen.Name == name && h.chosen.Version == version {
		return
	}
	chosen, err := s.Assistants.At(ctx, name, version)
	if err != nil {
		// The turn will find out again, retry, and end in a listed failure.
		s.Logger.WarnContext(ctx, "assistant of an open episode cannot be used", "assistant", name, "version", version, "error", err)
		chosen = Chosen{Name: name, Version: version}
	}
	h.chosen = chosen
}

func answererOf(c Chosen) store.Answerer {
	return store.Answerer{Name: c.Name, Version: c.Version, Collect: c.Assistant != nil && c.Assistant.Collects()}
}

// commit stores an accepting step, learns from its outcome, and only then tells
// the sender, the readers and the turn runner, in this order.
func (s *Service) commit(ctx context.Context, c chat.Conversation, h *handling, step store.Accept, committed func(channel.Receipt)) (channel.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, err
	}
	began := time.Now()
	known := false
	defer func() {
		if !known {
			h.forget()
			s.work.doubt(c.Key)
		}
	}()
	out, err := s.accept(ctx, step)
	if err != nil {
		return channel.Receipt{}, err
	}
	receipt := channel.Receipt{Entry: c.EntryID(out.Entry.Seq), Seq: out.Entry.Seq, Duplicate: out.Duplicate}
	if committed != nil {
		committed(receipt)
	}
	known = true
	if out.Duplicate {
		return receipt, nil
	}
	if out.ReusedKey {
		s.Logger.WarnContext(ctx, "the client used one message id for different messages", "channel", c.Channel, "conversation", c.ID)
	}
	h.learned(out)
	if out.Folded {
		s.Observe.TurnEnded("folded", time.Since(began))
	}
	s.Announcer.Announce(channel.News{Conversation: c.Key, Entries: append([]chat.Entry{out.Entry}, out.Replies...)})
	if out.Turn != nil && out.Turn.Status == chat.TurnClaimed {
		s.start(*out.Turn, step.Owner)
	}
	return receipt, nil
}

// accept stores a step whether or not the caller still waits: once it is on its
// way only its outcome tells what this node owes. The store bounds the wait.
func (s *Service) accept(ctx context.Context, step store.Accept) (store.Accepted, error) {
	ctx = context.WithoutCancel(ctx)
	out, err := store.Do(ctx, s.Store, step)
	if step.Fold == nil || !fault.Is(err, fault.Invalid) {
		return out, err
	}
	// The fault may be the answer's; a turn will tell.
	s.Logger.WarnContext(ctx, "an instant answer could not be stored; trying a turn", "conversation", step.Conversation, "error", err)
	step.Fold = nil
	return store.Do(ctx, s.Store, step)
}

// Finish ends the open episode.
func (s *Service) Finish(ctx context.Context, c chat.Conversation, outcome string) error {
	_, err := s.Move(ctx, c.Key, chat.Change{Move: chat.Finish, Outcome: outcome}, nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Move changes control of the open episode and says entries with it. Without an
// open episode it returns fault.NotFound; a move the state does not allow is a
// fault.Conflict.
func (s *Service) Move(ctx context.Context, key chat.ConversationKey, change chat.Change, say []chat.Draft) (chat.Episode, error) {
	h := s.known.of(key)
	h.mu.Lock()
	defer h.mu.Unlock()
	for try := 0; ; try++ {
		if err := s.learn(ctx, key, h); err != nil {
			return chat.Episode{}, err
		}
		if !h.episode.Open() {
			return chat.Episode{}, fault.New(fault.NotFound, "nobody is handling this conversation")
		}
		change.At = s.Now()
		if _, err := h.episode.Apply(change); err != nil {
			return chat.Episode{}, fault.Wrap(err, fault.Conflict, "%v", err)
		}
		out, err := store.Do(context.WithoutCancel(ctx), s.Store, store.MoveControl{
			Conversation: key, Episode: h.episode.Key, Epoch: h.episode.Epoch,
			Change: change, Entries: say, Now: change.At,
		})
		if err != nil {
			h.forget()
			return chat.Episode{}, err
		}
		if out.Stale && try < 3 {
			h.forget()
			continue
		}
		if out.Stale {
			h.forget()
			return chat.Episode{}, fault.New(fault.Conflict, "control keeps changing; try again")
		}
		h.moved(out)
		s.Announcer.Announce(channel.News{Conversation: key, Entries: out.Entries})
		return out.Episode, nil
	}
}
