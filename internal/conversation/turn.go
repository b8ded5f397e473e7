package conversation

import (
	"context"
	"fmt"
	"runtime/debug"
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
		s.claimDue(ctx)
		select {
		case <-ctx.Done():
			s.draining.Store(true)
			s.drain(grace)
			return
		case <-tick.C:
		}
	}
}

func (s *Service) drain(grace time.Duration) {
	done := make(chan struct{})
	go func() {
		s.running.Wait()
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
		free := cap(s.slots) - len(s.slots)
		if free == 0 {
			return
		}
		limit := min(free, 64)
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
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-s.turns.Done():
			s.postpone(turn, owner, 0, "the node stopped", false)
			return
		}
		for next := &turn; next != nil; {
			if next != &turn && s.draining.Load() {
				s.postpone(*next, owner, 0, "the node stopped", false)
				return
			}
			next = s.run(*next, owner)
		}
	}()
}

// run makes one attempt at a turn and returns the next one, if this node owns
// it now.
func (s *Service) run(turn chat.Turn, owner store.Owner) (next *chat.Turn) {
	began := time.Now()
	result := "postponed"
	defer func() {
		if p := recover(); p != nil {
			// Without this a defect of ours would end the process and, after
			// its restart, end it again.
			s.Logger.Error("turn panicked", "turn", turn.Key, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.postpone(turn, owner, s.delay(turn.Attempts), fmt.Sprint("panic: ", p), true)
			next = nil
		}
		s.Observe.TurnEnded(result, time.Since(began))
	}()
	s.Announcer.Announce(channel.News{Conversation: turn.Conversation, Typing: channel.TypingStarted})
	defer s.Announcer.Announce(channel.News{Conversation: turn.Conversation, Typing: channel.TypingStopped})

	finish, err := s.attempt(turn, owner)
	if err != nil {
		stopped := s.turns.Err() != nil
		if stopped || turn.Attempts+1 < s.Policy.Attempts {
			s.Logger.Warn("turn failed; it will be tried again", "turn", turn.Key, "attempt", turn.Attempts+1, "stopped", stopped, "error", err)
			delay := s.delay(turn.Attempts)
			if stopped {
				delay = 0 // the next boot may try at once
			}
			s.postpone(turn, owner, delay, err.Error(), !stopped)
			return nil
		}
		s.Logger.Error("turn failed for good", "turn", turn.Key, "conversation", turn.Conversation, "attempts", turn.Attempts+1, "error", err)
		finish = s.failure(turn, owner, err)
	}
	var out store.FinishedTurn
	out, result = s.finish(finish)
	return out.Next
}

// attempt asks the assistant.
func (s *Service) attempt(turn chat.Turn, owner store.Owner) (store.FinishTurn, error) {
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
	reply, err := safely(func() (assistant.Reply, error) { return chosen.Assistant.Answer(ctx, in) })
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
// with the same answer: the claim tells whether it still counts.
func (s *Service) finish(step store.FinishTurn) (store.FinishedTurn, string) {
	h := s.known.of(step.Conversation)
	out, err := backoff.Retry(s.turns, func() (store.FinishedTurn, error) {
		step.Now = s.Now()
		h.mu.Lock()
		defer h.mu.Unlock()
		out, err := store.Do(context.WithoutCancel(s.turns), s.Store, step)
		if err != nil {
			h.forget()
			if !fault.Is(err, fault.Unavailable) {
				return out, backoff.Permanent(err)
			}
			return out, err
		}
		if out.Lost {
			h.forget()
			return out, nil
		}
		h.finished(out)
		// Announced under the lock, so that news of one conversation is told
		// in the order of its commits.
		s.Announcer.Announce(channel.News{Conversation: step.Conversation, Entries: out.Entries})
		return out, nil
	}, backoff.WithBackOff(s.backOff()), backoff.WithMaxElapsedTime(0))
	switch {
	case err != nil:
		// The claim stays; the next boot of this node takes the turn up again.
		s.Logger.Error("the end of a turn could not be stored", "turn", step.Turn, "error", err)
		return out, "lost"
	case out.Lost:
		return out, "lost"
	case out.Late:
		return out, "late"
	case step.Failed:
		return out, "failed"
	default:
		return out, "answered"
	}
}

// postpone gives a turn back.
func (s *Service) postpone(turn chat.Turn, owner store.Owner, delay time.Duration, why string, count bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.turns), 5*time.Second)
	defer cancel()
	_, err := store.Do(ctx, s.Store, store.PostponeTurn{
		Conversation: turn.Conversation, Turn: turn.Key, Owner: owner,
		DueAt: s.Now().Add(delay), Error: why, CountAttempt: count,
	})
	if err != nil {
		s.Logger.Error("a turn could not be given back; it is taken up when this node's claim ends", "turn", turn.Key, "error", err)
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
