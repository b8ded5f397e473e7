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
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

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
	if o.Offer == nil {
		o.Offer = noOffer
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
func (s *Service) Open(ctx context.Context, p channel.Place) (channel.Opened, error) {
	if p.Channel == "" || p.Key == "" || p.Person.ExternalID == "" {
		return channel.Opened{}, fault.New(fault.Invalid, "a place needs a channel, a key and a person")
	}
	opened, err := store.Do(ctx, s.Store, store.OpenPlace{
		Channel: p.Channel, ChannelType: p.Type, Place: p.Key, Person: p.Person,
		Mode: p.Mode, Thread: p.Thread, Now: s.Now(),
	})
	return channel.Opened{Conversation: opened.Conversation, Speaker: opened.Speaker, Created: opened.Created}, err
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
	step := s.inboundStep(in)
	if step.Draft.Purpose == chat.Message { // it may open an episode, whether or not it owes a turn
		if err := s.answerer(ctx, in.Conversation, h, &step); err != nil {
			return channel.Receipt{}, err
		}
	}
	if step.OwesTurn {
		s.fold(in.Conversation.Channel, h, &step)
	}
	return s.commit(ctx, in.Conversation, h, step, in.Committed)
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
	sending := s.offer(c, &step)
	out, err := s.accept(ctx, step)
	sending(out, err)
	if err != nil {
		return channel.Receipt{}, err
	}
	receipt := channel.Receipt{Entry: c.EntryID(out.Entry.Seq), Seq: out.Entry.Seq, Duplicate: out.Duplicate}
	if out.Carried {
		receipt.Carried = out.Replies
	}
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
