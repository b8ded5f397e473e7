package conversation

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Run looks for due turns that nobody works on - second attempts, and what a
// crash left behind - until ctx ends. Then it waits for running turns, for at
// most grace, gives the others back unharmed, and returns.
func (s *Service) Run(ctx context.Context, grace time.Duration) {
	tick := time.NewTicker(s.Policy.Tick)
	defer tick.Stop()
	for {
		s.recheck(ctx)
		s.claimDue(ctx)
		select {
		case <-ctx.Done():
			s.drain(grace)
			return
		case <-tick.C:
		}
	}
}

func (s *Service) drain(grace time.Duration) {
	s.work.close()
	done := make(chan struct{})
	go func() {
		s.work.running.Wait()
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	s.stop()
	<-done
}

// claimDue takes over due turns until there are no more or no free slot.
func (s *Service) claimDue(ctx context.Context) {
	for ctx.Err() == nil {
		limit := min(cap(s.slots)-s.work.count(), 64)
		if limit <= 0 {
			return
		}
		owner := s.Owner()
		out, err := store.Do(ctx, s.Store, store.ClaimTurns{Owner: owner, Limit: limit, Now: s.Now()})
		if err != nil {
			if ctx.Err() == nil && !fault.Is(err, fault.Unavailable) {
				s.Logger.Error("due turns could not be claimed", "error", err)
			}
			return
		}
		for _, turn := range out.Turns {
			s.start(turn, owner)
		}
		if len(out.Turns) < limit {
			return
		}
	}
}

// start runs a claimed turn, and the turns that follow it, in the background.
func (s *Service) start(turn chat.Turn, owner store.Owner) {
	ok, runs := s.work.begin(turn.Key, owner)
	switch {
	case !ok:
		s.giveBack(turn, owner, 0, "the node stopped", false)
	case runs:
		// It may have been given back a moment ago, and be about to be left.
		s.work.doubt(turn.Conversation)
	default:
		go s.runAll(turn, owner)
	}
}

func (s *Service) runAll(turn chat.Turn, owner store.Owner) {
	defer s.work.running.Done()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-s.work.closing:
	}
	for next := &turn; next != nil; {
		now := *next
		if s.work.isClosed() {
			s.postpone(now, owner, 0, "the node stopped", false)
			next = nil
		} else {
			next = s.run(now, owner)
		}
		s.work.leave(now.Key, owner)
	}
}

// run makes one attempt at a turn and returns the next one, if this node owns
// it now.
func (s *Service) run(turn chat.Turn, owner store.Owner) *chat.Turn {
	began := time.Now()
	s.Announcer.Announce(channel.News{Conversation: turn.Conversation, Typing: channel.TypingStarted})
	defer s.Announcer.Announce(channel.News{Conversation: turn.Conversation, Typing: channel.TypingStopped})
	var out store.FinishedTurn
	var result string
	finish, err := s.attempt(turn, owner)
	if err == nil {
		out, result, err = s.finish(finish)
	}
	if err != nil {
		out, result = s.failed(turn, owner, err)
	}
	s.Observe.TurnEnded(result, time.Since(began))
	return out.Next
}

// failed has a turn tried again after a pause or, after the last attempt, ends
// it with an honest message.
func (s *Service) failed(turn chat.Turn, owner store.Owner, err error) (out store.FinishedTurn, result string) {
	stopped := s.turns.Err() != nil
	delay := s.delay(turn.Attempts)
	if stopped {
		delay = 0 // the next boot may try at once
	}
	if stopped || turn.Attempts+1 < s.Policy.Attempts {
		s.Logger.Warn("turn failed; it will be tried again", "turn", turn.Key, "attempt", turn.Attempts+1, "stopped", stopped, "error", err)
		s.postpone(turn, owner, delay, err.Error(), !stopped)
		return out, "postponed"
	}
	s.Logger.Error("turn failed for good", "turn", turn.Key, "conversation", turn.Conversation, "attempts", turn.Attempts+1, "error", err)
	out, result, err = s.finish(s.failure(turn, owner, err))
	if err != nil {
		s.Logger.Error("the end of a turn could not be stored; it will be tried again", "turn", turn.Key, "error", err)
		s.postpone(turn, owner, delay, err.Error(), true)
		return out, "postponed"
	}
	return out, result
}

// attempt asks the assistant. A defect of ours is a failure like any other: it
// must not end the process and, after its restart, end it again.
func (s *Service) attempt(turn chat.Turn, owner store.Owner) (store.FinishTurn, error) {
	return safely(s.Logger, func() (store.FinishTurn, error) { return s.ask(turn, owner) })
}

func (s *Service) ask(turn chat.Turn, owner store.Owner) (store.FinishTurn, error) {
	ctx, cancel := context.WithTimeout(s.turns, s.Policy.TurnTimeout)
	defer cancel()
	conv, err := s.Store.Conversation(ctx, turn.Conversation)
	if err != nil {
		return store.FinishTurn{}, err
	}
	handling, err := s.Store.Handling(ctx, turn.Conversation)
	if err != nil {
		return store.FinishTurn{}, err
	}
	all, err := s.Store.EntriesBetween(ctx, turn.Conversation, turn.FirstSeq, turn.LastSeq)
	if err != nil {
		return store.FinishTurn{}, err
	}
	owed := contactEntries(all)
	if len(owed) == 0 {
		// Everything was deleted while it waited.
		return store.FinishTurn{Conversation: turn.Conversation, Turn: turn.Key, Owner: owner, Epoch: turn.Epoch}, nil
	}
	ep := handling.Episode
	chosen, err := s.Assistants.At(ctx, ep.Assistant, ep.Version)
	if err != nil {
		return store.FinishTurn{}, err
	}
	in := assistant.Turn{
		Input:        assistant.Input{State: ep.State, Entries: owed, Lang: owed[len(owed)-1].Content.Lang, Now: s.Now()},
		Conversation: conv.ID, Episode: ep.ID, Attempt: turn.Attempts + 1,
		Key: fmt.Sprintf("%s-t%d", ep.ID, turn.Key),
	}
	reply, err := chosen.Assistant.Answer(ctx, in)
	if err != nil {
		return store.FinishTurn{}, err
	}
	return store.FinishTurn{
		Conversation: turn.Conversation, Turn: turn.Key, Owner: owner, Epoch: turn.Epoch,
		Reply: s.reply(conv.Channel, chosen.Name, reply, s.Now()),
	}, nil
}

// contactEntries are the entries a turn owes an answer to: what the contact
// said, or, when nothing was said, the event that asks for a greeting.
func contactEntries(all []chat.Entry) []chat.Entry {
	var said, events []chat.Entry
	for _, e := range all {
		switch {
		case e.Author.Kind != chat.ByContact || e.Deleted:
		case e.Purpose == chat.Message:
			said = append(said, e)
		case e.Purpose == chat.Event:
			events = append(events, e)
		}
	}
	if len(said) == 0 && len(events) > 0 {
		return events[len(events)-1:]
	}
	return said
}

// failureText ends a turn that could not be answered.
const failureText = "Sorry, I could not answer that: something went wrong on our side. It has been noted; please try again in a while."

func (s *Service) failure(turn chat.Turn, owner store.Owner, cause error) store.FinishTurn {
	content := chat.TextContent(failureText)
	content.Mark = chat.MarkFailure
	return store.FinishTurn{
		Conversation: turn.Conversation, Turn: turn.Key, Owner: owner, Epoch: turn.Epoch,
		Failed: true, Error: cause.Error(),
		Reply: store.Reply{Entries: []chat.Draft{{
			Author:     chat.Author{Kind: chat.BySystem},
			Purpose:    chat.Message,
			Visibility: chat.VisibleToAll,
			Content:    content,
		}}},
	}
}

// finish commits the end of a turn. While the store is away it keeps trying
// with the same answer: the claim tells whether it still counts. An error means
// that the store does not take this answer.
func (s *Service) finish(step store.FinishTurn) (out store.FinishedTurn, result string, err error) {
	out, err = backoff.Retry(s.turns, func() (store.FinishedTurn, error) {
		out, err := s.finishOnce(&step)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			err = backoff.Permanent(err)
		}
		return out, err
	}, backoff.WithBackOff(s.backOff()), backoff.WithMaxElapsedTime(0))
	switch {
	case err != nil && s.turns.Err() != nil:
		// The claim stays; the next boot of this node takes the turn up again.
		s.Logger.Error("the end of a turn could not be stored before the stop", "turn", step.Turn, "error", err)
		return out, "lost", nil
	case err != nil:
		return out, "", err
	case out.Lost:
		return out, "lost", nil
	case out.Late:
		return out, "late", nil
	case step.Failed:
		return out, "failed", nil
	default:
		return out, "answered", nil
	}
}

func (s *Service) finishOnce(step *store.FinishTurn) (store.FinishedTurn, error) {
	step.Now = s.Now()
	h := s.known.of(step.Conversation)
	h.mu.Lock()
	defer h.mu.Unlock()
	out, err := store.Do(context.WithoutCancel(s.turns), s.Store, *step)
	if err != nil || out.Lost {
		// An earlier try may have been stored after all, and with it a claim on
		// the next turn.
		h.forget()
		s.work.doubt(step.Conversation)
		return out, err
	}
	if out.Next != nil {
		s.work.follow(out.Next.Key, step.Owner)
	}
	h.finished(out)
	// Announced under the lock, so that news of one conversation is told in the
	// order of its commits.
	s.Announcer.Announce(channel.News{Conversation: step.Conversation, Entries: out.Entries})
	return out, nil
}

// postpone gives a turn back and forgets what was believed about its
// conversation: the store drops a turn that has lost its right to answer.
func (s *Service) postpone(turn chat.Turn, owner store.Owner, delay time.Duration, why string, count bool) {
	s.giveBack(turn, owner, delay, why, count)
	h := s.known.of(turn.Conversation)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget()
}

func (s *Service) giveBack(turn chat.Turn, owner store.Owner, delay time.Duration, why string, count bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.turns), 5*time.Second)
	defer cancel()
	_, err := store.Do(ctx, s.Store, store.PostponeTurn{
		Conversation: turn.Conversation, Turn: turn.Key, Owner: owner,
		DueAt: s.Now().Add(delay), Error: why, CountAttempt: count,
	})
	if err != nil {
		s.work.doubt(turn.Conversation)
		s.Logger.Error("a turn could not be given back; that is tried again", "turn", turn.Key, "error", err)
	}
}

func (s *Service) backOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = s.Policy.FirstRetry, s.Policy.LastRetry
	return b
}

// delay is the pause before the attempt after the given number of failures.
func (s *Service) delay(failures int) time.Duration {
	b := s.backOff()
	d := b.NextBackOff()
	for range failures {
		d = b.NextBackOff()
	}
	return d
}
