package rtmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// frames is what a listening socket has received and nobody has taken.
type frames struct {
	mu      sync.Mutex
	list    []Frame
	err     error
	changed chan struct{} // closed and replaced on each change
	done    chan struct{}
}

// Listen reads frames in a goroutine that ends with the connection, and keeps
// them for the Expect methods.
func (s *Socket) Listen() *Socket {
	f := &frames{changed: make(chan struct{}), done: make(chan struct{})}
	s.frames = f
	go func() {
		defer close(f.done)
		for {
			got, err := s.Read(context.Background())
			f.mu.Lock()
			if err != nil {
				f.err = err
			} else {
				f.list = append(f.list, got)
			}
			close(f.changed)
			f.changed = make(chan struct{})
			f.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// Expect takes the first frame that match accepts, now or later, leaving
// others. It fails when ctx or the connection ends first.
func (s *Socket) Expect(ctx context.Context, what string, match func(Frame) bool) (Frame, error) {
	f := s.frames
	if f == nil {
		return Frame{}, errors.New("call Listen first")
	}
	for {
		f.mu.Lock()
		if i := slices.IndexFunc(f.list, match); i >= 0 {
			got := f.list[i]
			f.list = slices.Delete(f.list, i, i+1)
			f.mu.Unlock()
			return got, nil
		}
		changed, err, seen := f.changed, f.err, f.summary()
		f.mu.Unlock()
		if err != nil {
			return Frame{}, fmt.Errorf("waiting for %s: %w; seen: %s", what, err, seen)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Frame{}, fmt.Errorf("waiting for %s: %w; seen: %s", what, ctx.Err(), seen)
		}
	}
}

func (f *frames) summary() string {
	var all []string
	for _, got := range f.list {
		all = append(all, string(got.Raw))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// ExpectType takes the first frame of a type.
func (s *Socket) ExpectType(ctx context.Context, typ string) (Frame, error) {
	return s.Expect(ctx, typ, func(f Frame) bool { return f.Type == typ })
}

// ExpectAck takes the ack whose replyto is written as id, such as `12` or
// `"a"`.
func (s *Socket) ExpectAck(ctx context.Context, id string) (Frame, error) {
	return s.Expect(ctx, "ack of "+id, func(f Frame) bool { return f.Type == "ack" && string(f.ReplyTo) == id })
}

// ExpectText takes the first bot_response or user_message that says text.
func (s *Socket) ExpectText(ctx context.Context, typ, text string) (Frame, error) {
	return s.Expect(ctx, typ+" "+text, func(f Frame) bool { return f.Type == typ && f.Text() == text })
}

// Pending returns the frames nobody has taken, in order.
func (s *Socket) Pending() []Frame {
	s.frames.mu.Lock()
	defer s.frames.mu.Unlock()
	return slices.Clone(s.frames.list)
}

// Ended waits for the end of the connection and returns why.
func (s *Socket) Ended(ctx context.Context) error {
	select {
	case <-s.frames.done:
		return s.frames.err
	case <-ctx.Done():
		return fmt.Errorf("the connection is still open: %w", ctx.Err())
	}
}
