package conversation

import (
	"context"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// handling is what the service believes about one conversation. Its mutex is
// held over a commit, which keeps the entries of a conversation in order; no
// other lock is taken while waiting for it.
type handling struct {
	mu sync.Mutex
	// known is false until the store was asked, and after a failed commit,
	// whose effect is not certain.
	known     bool
	episode   chat.Episode
	openTurns int
	lastMark  chat.Mark
	// chosen is the assistant last looked up.
	chosen Chosen
}

// fresh reports whether the next entry opens an episode.
func (h *handling) fresh(idleBefore time.Time) bool {
	return !h.episode.Open() || h.episode.LastAt.Before(idleBefore)
}

func (h *handling) forget() { h.known = false }

func (h *handling) learned(out store.Accepted) {
	h.episode = out.Episode
	switch {
	case out.Turn != nil:
		h.openTurns = max(h.openTurns, 1)
	case out.Folded:
		h.openTurns = 0
	}
	if out.Entry.VisibleSeq != 0 {
		h.lastMark = out.Entry.Content.Mark
	}
	h.heard(out.Replies)
}

func (h *handling) moved(out store.MovedControl) {
	h.episode = out.Episode
	h.heard(out.Entries)
	if out.Episode.Control != chat.ControlAssistant {
		// Waiting turns were dropped; a claimed one ends as late.
		h.known = false
	}
}

func (h *handling) finished(out store.FinishedTurn) {
	h.episode = out.Episode
	h.openTurns = 0
	if out.Next != nil {
		h.openTurns = 1
	}
	h.heard(out.Entries)
}

func (h *handling) heard(entries []chat.Entry) {
	for _, e := range entries {
		if e.VisibleSeq != 0 {
			h.lastMark = e.Content.Mark
		}
	}
}

// learn asks the store when nothing certain is known. The caller holds h.mu.
func (s *Service) learn(ctx context.Context, key chat.ConversationKey, h *handling) error {
	if h.known {
		return nil
	}
	got, err := s.Store.Handling(ctx, key)
	if err != nil {
		return err
	}
	h.episode, h.openTurns, h.lastMark, h.known = got.Episode, got.OpenTurns, got.LastMark, true
	return nil
}

// cache remembers recently used conversations. It keeps two generations: when
// the young one is full it becomes the old one, and what nobody asks for again
// is forgotten with it. Two handlings of one conversation can exist for a
// moment after that; the store's fences make this harmless.
type cache struct {
	mu         sync.Mutex
	young, old map[chat.ConversationKey]*handling
}

// cacheGeneration bounds a generation: enough for everybody who writes within
// some seconds, and some 2 MB. Who comes back later costs one read.
const cacheGeneration = 4096

func newCache() *cache {
	return &cache{young: make(map[chat.ConversationKey]*handling)}
}

func (c *cache) of(key chat.ConversationKey) *handling {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.young[key]; h != nil {
		return h
	}
	h := c.old[key]
	if h == nil {
		h = &handling{}
	}
	if len(c.young) >= cacheGeneration {
		c.old, c.young = c.young, make(map[chat.ConversationKey]*handling)
	}
	c.young[key] = h
	return h
}
