package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// maxFrame bounds an event, in bytes: the largest post of 300 kB, all of it
	// characters that are escaped twice, has about 2 MB.
	maxFrame = 8 << 20
	// waiting is how many events are read ahead of the caller.
	waiting = 64
)

// Resume says where an earlier [Stream] ended. The zero value starts anew.
type Resume struct {
	// ConnectionID is the server's name of the connection.
	ConnectionID string
	// Next is the sequence number of the first event not yet handled.
	Next int64
}

// Stream is an open WebSocket. Next is called by one goroutine at a time; the
// rest from any.
type Stream struct {
	client *Client
	ws     *websocket.Conn
	cancel context.CancelFunc
	work   sync.WaitGroup // reader and pinger
	events chan Event
	alive  chan int64 // sequence numbers of answered pings

	lost     bool
	first    *Event // read while connecting
	expected int64  // of the reader: the next event on the wire

	heard      atomic.Int64 // when the last frame came, Unix nanoseconds
	delivering atomic.Bool  // the reader waits for the caller, not for the server

	mu     sync.Mutex
	resume Resume
	err    error
}

// Next waits for the next event: in order, each once, none missing.
//
// When ctx ends first, its error is returned and the stream goes on. Any other
// error has ended the stream and comes again with each call: [ErrCut],
// [ErrSilent] and [ErrGap] ask for a new connection with [Stream.Resume]; an
// error for which [IsUnauthorized] is true needs the owner. Answers to pings
// are no events, nor is the hello.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-s.events:
		s.mu.Lock()
		defer s.mu.Unlock()
		if !ok {
			return Event{}, s.err
		}
		if s.resume != (Resume{}) { // else it failed while e was waiting
			s.resume.Next = e.Seq + 1
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Resume is what to hand to the next [Client.Connect] after the events that
// Next has returned so far. It is zero when resuming would bring the same
// trouble again.
func (s *Stream) Resume() Resume {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resume
}

// Lost reports whether events before this stream may be missing: it began
// anew, or what was asked to resume is gone.
func (s *Stream) Lost() bool { return s.lost }

// Close ends the stream and waits until nothing of it runs any more. A Next
// under way returns [ErrCut]. Closing twice does no harm.
func (s *Stream) Close() {
	s.fail(fmt.Errorf("%w: closed by us", ErrCut), true)
	s.work.Wait()
}

// fail ends the stream for a reason; the first one counts. Without resumable
// the next connection starts anew.
func (s *Stream) fail(cause error, resumable bool) {
	s.mu.Lock()
	if s.err == nil {
		if s.err = cause; asError(cause) == nil {
			s.err = &Error{Op: "listen", cause: cause}
		}
		if !resumable {
			s.resume = Resume{}
		}
	}
	s.mu.Unlock()
	s.cancel()
	_ = s.ws.CloseNow()
}

// start lets the stream run, once it is known to be alive.
func (s *Stream) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.events, s.alive = make(chan Event, waiting), make(chan int64, 1)
	s.heard.Store(time.Now().UnixNano())
	s.work.Go(func() { defer close(s.events); s.read(ctx) })
	s.work.Go(func() { s.ping(ctx) })
}

// read takes frames until the stream ends.
func (s *Stream) read(ctx context.Context) {
	if s.first != nil && !s.deliver(ctx, *s.first) {
		return
	}
	for {
		f, err := readFrame(ctx, s.ws)
		if err != nil {
			s.fail(err, !isMalformed(err))
			return
		}
		s.heard.Store(time.Now().UnixNano())
		if !s.handle(ctx, f) {
			return
		}
	}
}

// handle deals with one frame and reports whether to go on.
func (s *Stream) handle(ctx context.Context, f frame) bool {
	switch {
	case f.Event == "":
		if f.unauthorized() {
			s.fail(s.verdict(ctx), true)
			return false
		}
		select {
		case s.alive <- f.SeqReply:
		default: // an older answer is waiting still; any proves life
		}
		return true
	case f.Event == EventHello:
		// Resuming was taken for granted, and the server began anew.
		s.fail(fmt.Errorf("%w: the server began anew", ErrGap), false)
		return false
	case *f.Seq < s.expected:
		return true // sent again after resuming
	case *f.Seq > s.expected:
		s.fail(fmt.Errorf("%w: number %d came in place of %d", ErrGap, *f.Seq, s.expected), true)
		return false
	}
	s.expected++
	return s.deliver(ctx, f.event())
}

func (s *Stream) deliver(ctx context.Context, e Event) bool {
	s.delivering.Store(true)
	defer func() {
		s.heard.Store(time.Now().UnixNano())
		s.delivering.Store(false)
	}()
	select {
	case s.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// verdict asks whether the account itself is refused, or only this connection.
func (s *Stream) verdict(ctx context.Context) error {
	if _, err := s.client.Me(ctx); IsUnauthorized(err) {
		return err
	}
	return fmt.Errorf("%w: its session has ended", ErrCut)
}

// ping asks the server at intervals whether the session behind the connection
// still lives. Nothing else shows that: after a token is revoked the connection
// stays open, is pinged, and carries no events.
func (s *Stream) ping(ctx context.Context) {
	every := time.NewTicker(s.client.pingEvery)
	defer every.Stop()
	for seq := int64(2); ; seq++ { // 1 is the ping of Connect
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
		err := writePing(ctx, s.ws, seq, s.client.pingWait)
		if errors.Is(err, net.ErrClosed) {
			return // whoever has closed it says why
		}
		if err != nil {
			s.fail(fmt.Errorf("%w: ping: %w", ErrCut, err), true)
			return
		}
		if !s.answered(ctx, seq) {
			return
		}
	}
}

// answered waits for the answer to a ping. Other frames extend the time, and
// so does a caller that holds up the reader: the server is not to blame.
func (s *Stream) answered(ctx context.Context, seq int64) bool {
	asked := time.Now()
	timer := time.NewTimer(s.client.pingWait)
	defer timer.Stop()
	for {
		select {
		case n := <-s.alive:
			if n >= seq {
				return true
			}
		case <-ctx.Done():
			return false
		case <-timer.C:
			since := asked
			if heard := time.Unix(0, s.heard.Load()); heard.After(since) {
				since = heard
			}
			if s.delivering.Load() {
				since = time.Now()
			}
			left := s.client.pingWait - time.Since(since)
			if left <= 0 {
				s.fail(fmt.Errorf("%w for %v", ErrSilent, s.client.pingWait), true)
				return false
			}
			timer.Reset(left)
		}
	}
}

// Queued is how many events were read and not yet handed out by Next.
func (s *Stream) Queued() int { return len(s.events) }
