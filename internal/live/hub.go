// Package live tells readers of conversations what was committed, and lets an
// integrator watch the frames of one person.
//
// News travel after the commit and may be lost: whoever reads a feed keeps the
// last sequence number it has shown and reads the rest from the log. The hub's
// sweep finds readers that have missed something and tells them so.
package live

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Heads reads the newest sequence number of conversations.
type Heads interface {
	Heads(ctx context.Context, keys []chat.ConversationKey) (map[chat.ConversationKey]int64, error)
}

// Hub implements [channel.Feed].
type Hub struct {
	heads  Heads
	logger *slog.Logger

	mu   sync.RWMutex
	subs map[chat.ConversationKey][]*subscription

	// repaired counts subscriptions the sweep had to tell about lost news.
	repaired atomic.Int64
}

var _ channel.Feed = (*Hub)(nil)

// NewHub returns a hub without subscribers.
func NewHub(heads Heads, logger *slog.Logger) *Hub {
	return &Hub{heads: heads, logger: logger, subs: make(map[chat.ConversationKey][]*subscription)}
}

type subscription struct {
	key chat.ConversationKey
	// mu keeps calls of tell from overlapping. It is taken after Hub.mu is let
	// go, never the other way round.
	mu     sync.Mutex
	tell   func(channel.News)
	told   int64
	closed bool
}

// Subscribe implements [channel.Feed].
func (h *Hub) Subscribe(key chat.ConversationKey, since int64, tell func(channel.News)) (cancel func()) {
	s := &subscription{key: key, tell: tell, told: since}
	h.mu.Lock()
	h.subs[key] = append(h.subs[key], s)
	h.mu.Unlock()
	return func() { h.remove(s) }
}

func (h *Hub) remove(s *subscription) {
	h.mu.Lock()
	// The old slice may be in the hands of an Announce: make a new one.
	var rest []*subscription
	for _, other := range h.subs[s.key] {
		if other != s {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(h.subs, s.key)
	} else {
		h.subs[s.key] = rest
	}
	h.mu.Unlock()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

// Announce tells every reader of the conversation.
func (h *Hub) Announce(n channel.News) {
	h.mu.RLock()
	subs := h.subs[n.Conversation]
	h.mu.RUnlock()
	for _, s := range subs {
		s.hear(n)
	}
}

func (s *subscription) hear(n channel.News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if last := len(n.Entries) - 1; last >= 0 {
		s.told = max(s.told, n.Entries[last].Seq)
	}
	s.tell(n)
}

// Repaired counts the readers that the sweep has told about lost news.
func (h *Hub) Repaired() int64 { return h.repaired.Load() }

// Subscribers counts the readers now.
func (h *Hub) Subscribers() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	for _, subs := range h.subs {
		n += len(subs)
	}
	return n
}

// Run sweeps all watched conversations once per interval until ctx ends.
func (h *Hub) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := h.Sweep(ctx); err != nil && ctx.Err() == nil {
				h.logger.Warn("could not look for lost news", "error", err)
			}
		}
	}
}

// sweepChunk bounds the conversations asked for in one query.
const sweepChunk = 500

// Sweep tells every reader that is behind its log.
func (h *Hub) Sweep(ctx context.Context) error {
	h.mu.RLock()
	keys := make([]chat.ConversationKey, 0, len(h.subs))
	for key := range h.subs {
		keys = append(keys, key)
	}
	h.mu.RUnlock()
	for len(keys) > 0 {
		chunk := keys[:min(sweepChunk, len(keys))]
		keys = keys[len(chunk):]
		heads, err := h.heads.Heads(ctx, chunk)
		if err != nil {
			return err
		}
		for _, key := range chunk {
			h.repair(key, heads[key])
		}
	}
	return nil
}

func (h *Hub) repair(key chat.ConversationKey, head int64) {
	h.mu.RLock()
	subs := h.subs[key]
	h.mu.RUnlock()
	for _, s := range subs {
		if s.catchUp(head) {
			h.repaired.Add(1)
		}
	}
}

func (s *subscription) catchUp(head int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.told >= head {
		return false
	}
	s.told = head
	s.tell(channel.News{Conversation: s.key})
	return true
}
