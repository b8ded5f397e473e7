package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// far is a far side that fails as it is told.
type far struct {
	mu sync.Mutex
	// taken are the ids of accepted parts, in order, repeats included.
	taken []string
	texts []string
	legs  map[chat.LegKey][]string
	// requests counts everything that was asked, by channel.
	requests map[chat.ChannelID]int
	failed   []chat.DeliveryKey
	busy     map[chat.ChannelID]int
	busiest  map[chat.ChannelID]int

	takes time.Duration
	// blind far sides cannot be asked.
	blind bool
	// send decides about a part: whether it arrives, and what the sender says.
	send   func(o channel.Outgoing, p chat.Part) (arrives bool, err error)
	find   func(o channel.Outgoing) error
	render func(o channel.Outgoing) ([][]byte, error)
	// mark decides about showing a failure.
	mark func() error
}

func newFar() *far {
	return &far{legs: map[chat.LegKey][]string{}, requests: map[chat.ChannelID]int{}, busy: map[chat.ChannelID]int{}, busiest: map[chat.ChannelID]int{}}
}

func (*far) Name() string { return "far" }

// Render makes a part of each line.
func (f *far) Render(_ context.Context, o channel.Outgoing) ([][]byte, error) {
	if f.render != nil {
		return f.render(o)
	}
	var parts [][]byte
	for line := range slices.Values(splitLines(o.Entry.Content.Text)) {
		parts = append(parts, []byte(line))
	}
	return parts, nil
}

func splitLines(text string) (lines []string) {
	from := 0
	for i := range len(text) {
		if text[i] == '\n' {
			lines = append(lines, text[from:i])
			from = i + 1
		}
	}
	return append(lines, text[from:])
}

func (f *far) Send(ctx context.Context, o channel.Outgoing, p chat.Part) (string, error) {
	f.enter(o.Leg.Channel)
	defer f.leave(o.Leg.Channel)
	if f.takes > 0 {
		timer := time.NewTimer(f.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	arrives, err := true, error(nil)
	if f.send != nil {
		arrives, err = f.send(o, p)
	}
	if arrives {
		f.mu.Lock()
		f.taken = append(f.taken, p.ID)
		f.texts = append(f.texts, string(p.Body))
		f.legs[o.Leg.Key] = append(f.legs[o.Leg.Key], string(p.Body))
		f.mu.Unlock()
	}
	if err != nil {
		return "", err
	}
	return "ref-" + p.ID, nil
}

func (f *far) enter(ch chat.ChannelID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests[ch]++
	f.busy[ch]++
	f.busiest[ch] = max(f.busiest[ch], f.busy[ch])
}

func (f *far) leave(ch chat.ChannelID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[ch]--
}

func (f *far) Find(_ context.Context, o channel.Outgoing, p chat.Part) (string, bool, error) {
	if f.blind {
		return "", false, fmt.Errorf("look: %w", channel.ErrCannotFind)
	}
	f.enter(o.Leg.Channel)
	defer f.leave(o.Leg.Channel)
	if f.find != nil {
		if err := f.find(o); err != nil {
			return "", false, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return "ref-" + p.ID, slices.Contains(f.taken, p.ID), nil
}

func (f *far) Failed(_ context.Context, o channel.Outgoing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = append(f.failed, o.Delivery)
	if f.mark != nil {
		return f.mark()
	}
	return nil
}

// got returns copies of what arrived.
func (f *far) got() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.texts)
}

func (f *far) asked(ch chat.ChannelID) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[ch]
}

func says(o channel.SendOutcome, endpoint bool) *channel.SendError {
	return &channel.SendError{Outcome: o, Endpoint: endpoint, Cause: errors.New("no luck")}
}
