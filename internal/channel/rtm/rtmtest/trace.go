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
	places  []string
}

var _ channel.Trace = (*Trace)(nil)

// Watched implements [channel.Trace]: everything is.
func (t *Trace) Watched(chat.ChannelID, string) bool { return true }

// Record implements [channel.Trace].
func (t *Trace) Record(_ chat.ChannelID, place string, r channel.TraceRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records = append(t.records, r)
	t.places = append(t.places, place)
}

// Records returns all records so far.
func (t *Trace) Records() []channel.TraceRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.records)
}

// Of returns the records of one place so far.
func (t *Trace) Of(place string) []channel.TraceRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	var own []channel.TraceRecord
	for i, p := range t.places {
		if p == place {
			own = append(own, t.records[i])
		}
	}
	return own
}
