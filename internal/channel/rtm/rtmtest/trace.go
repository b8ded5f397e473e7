package rtmtest

import (
	"slices"
	"sync"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Trace keeps everything it is told.
type Trace struct {
	mu      sync.Mutex
	records []channel.TraceRecord
}

var _ channel.Trace = (*Trace)(nil)

// Watched implements [channel.Trace]: everything is.
func (t *Trace) Watched(chat.ChannelID, string) bool { return true }

// Record implements [channel.Trace].
func (t *Trace) Record(_ chat.ChannelID, _ string, r channel.TraceRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records = append(t.records, r)
}

// Records returns all records so far.
func (t *Trace) Records() []channel.TraceRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.records)
}
