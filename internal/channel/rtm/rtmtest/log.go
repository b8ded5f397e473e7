package rtmtest

import (
	"context"
	"fmt"
	"slices"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Subscribe implements [channel.Feed].
func (g *Gateway) Subscribe(key chat.ConversationKey, _ int64, tell func(channel.News)) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.talks[key]
	id := t.nextSub
	t.nextSub++
	t.subs[id] = tell
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(t.subs, id)
	}
}

// Subscribers counts the readers of all conversations.
func (g *Gateway) Subscribers() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, t := range g.talks {
		n += len(t.subs)
	}
	return n
}

// Entries implements [channel.Log].
func (g *Gateway) Entries(_ context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	if g.down != nil {
		return nil, g.down
	}
	entries := g.talks[key].entries
	first := min(int(after), len(entries))
	return slices.Clone(entries[first:min(first+limit, len(entries))]), nil
}

// Reads counts how often entries were read from the log.
func (g *Gateway) Reads() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

// VisiblePage implements [channel.Log].
func (g *Gateway) VisiblePage(_ context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return chat.VisiblePage{}, g.down
	}
	var seen []chat.Entry
	for _, e := range g.talks[key].entries {
		if e.VisibleSeq > 0 {
			seen = append(seen, e)
		}
	}
	last := max(int64(len(seen))-page.Offset, 0)
	first := max(last-int64(page.Limit), 0)
	return chat.VisiblePage{Entries: slices.Clone(seen[first:last]), Total: int64(len(seen))}, nil
}

// Change edits a stored entry, for edits and deletions.
func (g *Gateway) Change(ch chat.ChannelID, place string, seq int64, change func(*chat.Entry)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.places[string(ch)+"\x00"+place].entries[seq-1])
}

// ConversationByPlace implements [channel.Log].
func (g *Gateway) ConversationByPlace(_ context.Context, ch chat.ChannelID, place string) (chat.Conversation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return chat.Conversation{}, g.down
	}
	t := g.places[string(ch)+"\x00"+place]
	if t == nil {
		return chat.Conversation{}, fault.New(fault.NotFound, "there is no such conversation")
	}
	return t.conv, nil
}

// Confirmed implements [channel.Log].
func (g *Gateway) Confirmed(_ context.Context, key chat.ConversationKey, reader string) (int64, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return 0, false, g.down
	}
	if seq, found := g.confirmed[key][reader]; found {
		return seq, true, nil
	}
	seq, found := g.newest[key]
	return seq, found, nil
}

// Position returns the newest confirmed position of a place, -1 for none.
func (g *Gateway) Position(ch chat.ChannelID, place string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.places[string(ch)+"\x00"+place]
	if t == nil {
		return -1
	}
	seq, found := g.newest[t.conv.Key]
	if !found {
		return -1
	}
	return seq
}

// Commit implements [store.Writer] for the two steps the driver uses.
func (g *Gateway) Commit(_ context.Context, step store.Step) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return nil, g.down
	}
	switch s := step.(type) {
	case store.UseOnce:
		at := s.Kind + "\x00" + s.Key
		first := !g.used[at]
		g.used[at] = true
		return store.UsedOnce{First: first}, nil
	case store.ConfirmRead:
		if g.confirmed[s.Conversation] == nil {
			g.confirmed[s.Conversation] = map[string]int64{}
		}
		g.confirmed[s.Conversation][s.Reader] = max(g.confirmed[s.Conversation][s.Reader], s.Seq)
		g.newest[s.Conversation] = g.confirmed[s.Conversation][s.Reader]
		return store.ConfirmedRead{}, nil
	}
	return nil, fmt.Errorf("step %T is not known here", step)
}
