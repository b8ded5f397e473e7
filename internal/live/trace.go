package live

import (
	"strings"
	"sync"
	"sync/atomic"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Traces hands frames and refusals to whoever watches the place they belong to.
// It implements [channel.Trace]; without watchers it costs one atomic load.
type Traces struct {
	watching atomic.Int32

	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

var _ channel.Trace = (*Traces)(nil)

type watcher struct {
	channel chat.ChannelID
	user    string
	records chan channel.TraceRecord
	missed  atomic.Int64
}

// watchBuffer is how many records a slow watcher may be behind before it
// misses some; a watcher never slows a conversation down.
const watchBuffer = 256

// NewTraces returns a trace nobody watches.
func NewTraces() *Traces {
	return &Traces{watchers: make(map[*watcher]struct{})}
}

func (w *watcher) wants(ch chat.ChannelID, place string) bool {
	return (w.channel == "" || w.channel == ch) && (w.user == "" || strings.Contains(place, w.user))
}

// Watch returns the records of places on a channel (empty for all channels)
// whose key holds user, until stop is called. missed tells how many records
// were left out because the reader was too slow.
func (t *Traces) Watch(ch chat.ChannelID, user string) (records <-chan channel.TraceRecord, missed func() int64, stop func()) {
	w := &watcher{channel: ch, user: user, records: make(chan channel.TraceRecord, watchBuffer)}
	t.mu.Lock()
	t.watchers[w] = struct{}{}
	t.mu.Unlock()
	t.watching.Add(1)
	var once sync.Once
	return w.records, w.missed.Load, func() {
		once.Do(func() {
			t.watching.Add(-1)
			t.mu.Lock()
			delete(t.watchers, w)
			t.mu.Unlock()
		})
	}
}

// Watched implements [channel.Trace].
func (t *Traces) Watched(ch chat.ChannelID, place string) bool {
	if t.watching.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		if w.wants(ch, place) {
			return true
		}
	}
	return false
}

// Record implements [channel.Trace].
func (t *Traces) Record(ch chat.ChannelID, place string, r channel.TraceRecord) {
	if t.watching.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		if !w.wants(ch, place) {
			continue
		}
		select {
		case w.records <- r:
		default:
			w.missed.Add(1)
		}
	}
}
