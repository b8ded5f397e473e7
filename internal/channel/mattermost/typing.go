package mattermost

import (
	"context"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	// maxWatched bounds the conversations whose turns are watched at once.
	maxWatched = 256
	// typingMost is how long typing is shown for one turn.
	typingMost = 5 * time.Minute
)

// typing shows in Mattermost that an answer is being worked on. It watches the
// conversations that were written in last.
type typing struct {
	l *link

	mu      sync.Mutex
	stopped bool
	watched map[chat.ConversationKey]*watched
	// order is the watched conversations, the longest unused first.
	order []chat.ConversationKey
}

type watched struct {
	cancel func()
	room   string
	root   string
	stop   context.CancelFunc // of the typing that is shown, or nil
}

func newTyping(l *link) *typing {
	return &typing{l: l, watched: map[chat.ConversationKey]*watched{}}
}

// watch lets typing be shown for the coming turns of a conversation.
func (t *typing) watch(c chat.Conversation) {
	at, ok := parsePlace(c.Place)
	if !ok || t.l.d.Feed == nil {
		return
	}
	t.mu.Lock()
	if t.stopped || t.watched[c.Key] != nil {
		t.touch(c.Key)
		t.mu.Unlock()
		return
	}
	w := &watched{room: at.room, root: at.root}
	t.watched[c.Key] = w
	t.order = append(t.order, c.Key)
	var old []func()
	for len(t.order) > maxWatched {
		old = append(old, t.drop(t.order[0]))
	}
	t.mu.Unlock()
	// The feed calls back under locks of its own, so it is called without ours.
	for _, cancel := range old {
		cancel()
	}
	cancel := t.l.d.Feed.Subscribe(c.Key, c.Seq, func(n channel.News) { t.hear(c.Key, n.Typing) })
	t.mu.Lock()
	w.cancel = cancel
	gone := t.watched[c.Key] != w
	t.mu.Unlock()
	if gone {
		cancel()
	}
}

// touch moves a conversation to the end of the order. The caller holds t.mu.
func (t *typing) touch(key chat.ConversationKey) {
	for i, k := range t.order {
		if k == key {
			t.order = append(append(t.order[:i:i], t.order[i+1:]...), key)
			return
		}
	}
}

// drop forgets a conversation and returns what ends its subscription. The
// caller holds t.mu.
func (t *typing) drop(key chat.ConversationKey) func() {
	w := t.watched[key]
	delete(t.watched, key)
	for i, k := range t.order {
		if k == key {
			t.order = append(t.order[:i:i], t.order[i+1:]...)
			break
		}
	}
	if w == nil {
		return func() {}
	}
	if w.stop != nil {
		w.stop()
	}
	if w.cancel == nil {
		return func() {} // watch ends it
	}
	return w.cancel
}

// hear starts and stops showing. It does not block.
func (t *typing) hear(key chat.ConversationKey, state channel.TypingState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.watched[key]
	if w == nil || state == channel.TypingUnknown {
		return
	}
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	if state != channel.TypingStarted || t.stopped {
		return
	}
	ctx, stop := context.WithTimeout(t.l.ctx, typingMost)
	w.stop = stop
	room, root := w.room, w.root
	t.l.d.work.Go(func() { t.show(ctx, room, root) })
}

// show repeats that we type until ctx ends. What goes wrong matters to nobody.
func (t *typing) show(ctx context.Context, room, root string) {
	pause := t.l.d.Times.Typing
	for sleep(ctx, pause) {
		if err := t.l.client.Typing(ctx, room, root); err != nil && ctx.Err() == nil {
			t.l.log.Debug("typing could not be shown", "error", err)
		}
		pause = t.l.d.Times.TypingEvery
	}
}

// stop ends all subscriptions.
func (t *typing) stop() {
	t.mu.Lock()
	t.stopped = true
	var cancels []func()
	for len(t.order) > 0 {
		cancels = append(cancels, t.drop(t.order[0]))
	}
	t.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}
