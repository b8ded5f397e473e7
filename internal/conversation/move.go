package conversation

import (
	"context"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Notice says something in the gateway's own name.
func (s *Service) Notice(ctx context.Context, n channel.Notice) error {
	if n.Key == "" {
		return fault.New(fault.Invalid, "a notice needs a key")
	}
	if err := n.Content.Validate(); err != nil {
		return fault.Wrap(err, fault.Invalid, "content: %v", err)
	}
	key := n.Conversation.Key
	h := s.known.of(key)
	h.mu.Lock()
	defer h.mu.Unlock()
	out, err := store.Do(context.WithoutCancel(ctx), s.Store, store.Append{
		Conversation: key,
		Entries: []chat.Draft{{
			Author: chat.Author{Kind: chat.BySystem}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: n.Content,
		}},
		Dedupe: &store.Dedupe{Key: n.Key, Life: s.Policy.DedupeLife},
		Room:   roomOf(n.Position),
		Now:    s.Now(),
	})
	if err != nil || out.Duplicate {
		return err
	}
	h.heard(out.Entries)
	s.Announcer.Announce(channel.News{Conversation: key, Entries: out.Entries})
	return nil
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
