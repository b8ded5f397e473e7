package socket

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/coder/websocket"

	"parley/internal/fault"
)

// errBroken is returned by Send in the moment between the library closing the
// connection in the reader and the reader recording why.
var errBroken = errors.New("the connection is closing")

// Session is one open WebSocket connection. See the package comment for what
// may be called when.
type Session struct {
	group *Group
	ws    *websocket.Conn
	nc    conn
	done  chan struct{}

	// Read by the group's sweep, in time since the group began.
	reading atomic.Bool  // a Read is waiting for the peer
	begun   atomic.Int64 // when the first frame of an unfinished message came, or 0
	pinged  atomic.Int64 // when the last ping was written

	marked   atomic.Int64 // the highest mark written
	answered atomic.Int64 // the highest mark whose pong has come

	mu      sync.Mutex
	end     *EndError     // set once; the session takes no more messages
	closing bool          // end with a close frame after the queue
	dropped bool          // the connection is already gone
	broken  bool          // writing failed, the reader is about to say why
	running bool          // the run goroutine exists, or has finished for good
	pingDue bool          // a ping is to be written
	mark    int64         // the mark of that ping, 0 for none
	queue   [][]byte      // not yet taken by run
	count   int           // messages not yet written
	bytes   int           // bytes not yet written
	flushed chan struct{} // closed when nothing is left to write; nil when nobody waits
}

// Send queues one text message and returns at once. p must not be changed
// afterwards; it may be shared between sessions.
//
// Errors: an Invalid fault when p is not UTF-8 (the session stays open, since
// the peer would have to close it for a mistake of ours), and *[EndError] when
// the session has ended, which includes ending now because the peer does not
// read.
func (s *Session) Send(p []byte) error {
	if !utf8.Valid(p) {
		return fault.Field("message", "is not UTF-8, which a text frame must be")
	}
	s.mu.Lock()
	if s.end != nil || s.broken {
		defer s.mu.Unlock()
		return s.endLocked()
	}
	opt := &s.group.opt
	if s.count >= opt.QueueMessages || (s.count > 0 && s.bytes+len(p) > opt.QueueBytes) {
		count, bytes := s.count, s.bytes
		s.mu.Unlock()
		s.drop(&EndError{Reason: ReasonSlowReader,
			Cause: fmt.Errorf("%d messages of %d bytes wait to be written", count, bytes)})
		return s.ended()
	}
	s.queue = append(s.queue, p)
	s.count++
	s.bytes += len(p)
	s.wakeAndUnlock()
	return nil
}

// Flush waits until everything queued before the call is written to the
// connection, which does not say that the peer has read it. Errors: ctx's, or
// *[EndError] when the session ended first.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	if s.dropped || (s.end != nil && !s.closing) {
		defer s.mu.Unlock()
		return s.end
	}
	if s.count == 0 && !s.broken {
		s.mu.Unlock()
		return nil
	}
	if s.flushed == nil {
		s.flushed = make(chan struct{})
	}
	flushed := s.flushed
	s.mu.Unlock()
	select {
	case <-flushed:
		return nil
	case <-s.done:
		return s.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the session with the close frame of reason, after writing what is
// queued; a reason without a code drops the connection. It returns at once;
// Done tells when the peer has answered or has been given up on. Only the
// first ending counts.
func (s *Session) Close(reason Reason) {
	if reason.Code() == 0 {
		s.Drop(reason)
		return
	}
	s.closeWith(&EndError{Reason: reason, Code: reason.Code()}, false)
}

// Drop ends the session now, without a close frame: the queue is lost and
// clients that reconnect do so. Only the first ending counts, but dropping a
// session that is still closing cuts that short.
func (s *Session) Drop(reason Reason) { s.drop(&EndError{Reason: reason}) }

// Done is closed when the session has ended and its connection is gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// Reason returns why the session ended or is ending, [ReasonNone] while it is
// open.
func (s *Session) Reason() Reason {
	if end := s.endOrNil(); end != nil {
		return end.Reason
	}
	return ReasonNone
}

// Queued returns how many messages and bytes wait to be written.
func (s *Session) Queued() (messages, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes
}

// Protocol returns the negotiated subprotocol, empty when there is none.
func (s *Session) Protocol() string { return s.ws.Subprotocol() }

// Go runs the session's reader in a goroutine that [Group.Stop] waits for.
// read calls [Session.Read] until that fails. If it returns while the session
// is open the session is closed as normal; if it panics the session is closed
// as a fault and the stack is the EndError's cause.
func (s *Session) Go(read func()) {
	s.group.enter()
	go func() {
		defer s.group.leave()
		defer func() {
			if v := recover(); v != nil {
				s.closeWith(&EndError{Reason: ReasonFault, Code: ReasonFault.Code(),
					Cause: fmt.Errorf("panic in reader: %v\n%s", v, debug.Stack())}, true)
			}
		}()
		read()
		s.Close(ReasonNormal)
	}()
}

// closeWith begins an ending with a close frame.
func (s *Session) closeWith(end *EndError, discard bool) {
	s.mu.Lock()
	if s.end != nil {
		s.mu.Unlock()
		return
	}
	s.end = end
	s.closing = true
	if discard {
		s.discardLocked()
	}
	s.wakeAndUnlock()
}

// drop ends the session without a close frame.
func (s *Session) drop(end *EndError) {
	s.mu.Lock()
	if s.end == nil {
		s.end = end
	}
	if s.dropped {
		s.mu.Unlock()
		return
	}
	s.dropped = true
	s.discardLocked()
	hard := endings[min(s.end.Reason, reasonCount-1)].hard
	s.wakeAndUnlock()
	s.nc.abort(hard)
}

// discardLocked forgets what is queued. Messages that run has taken already
// are still counted by it.
func (s *Session) discardLocked() {
	for _, p := range s.queue {
		s.count--
		s.bytes -= len(p)
	}
	s.queue = nil
}

// wakeAndUnlock starts the run goroutine unless it runs or has finished.
func (s *Session) wakeAndUnlock() {
	start := !s.running
	s.running = true
	s.mu.Unlock()
	if start {
		go s.run()
	}
}

// ended returns the ending as an error; it is called only when there is one.
func (s *Session) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endLocked()
}

// endLocked is ended for callers that hold mu.
func (s *Session) endLocked() error {
	if s.end == nil {
		return &EndError{Reason: ReasonPeerLost, Cause: errBroken}
	}
	return s.end
}

// endOrNil returns the ending, or nil while the session is open.
func (s *Session) endOrNil() *EndError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}
