package socket

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"

	"github.com/coder/websocket"
)

// closeGrace bounds the wait for the peer's answer to a close frame. Closing
// at once would reset the connection while the peer is still sending, and it
// would never see the frame that tells it why.
const closeGrace = 3 * time.Second

// run writes what is queued, does the closing, and ends when there is nothing
// to do; Send, ping and the endings start it again.
func (s *Session) run() {
	var spare [][]byte
	for {
		s.mu.Lock()
		switch {
		case s.dropped:
			s.mu.Unlock()
			s.finish()
			return
		case s.broken && s.end == nil:
			s.discardLocked()
			s.running = false
			s.mu.Unlock()
			return
		case len(s.queue) > 0 || s.pingDue:
			batch, ping, mark := s.queue, s.pingDue && s.end == nil, s.mark
			s.queue, s.pingDue, s.mark = spare[:0], false, 0
			s.mu.Unlock()
			err := s.writeBatch(batch, ping, mark)
			clear(batch)
			spare = batch
			if err != nil {
				s.writeFailed(err)
			}
		case s.closing:
			s.wakeFlushersLocked()
			s.mu.Unlock()
			s.shakeHands()
			s.finish()
			return
		default:
			s.queue = nil // an idle session keeps no buffer
			s.wakeFlushersLocked()
			s.running = false
			s.mu.Unlock()
			return
		}
	}
}

// writeBatch writes the messages of batch in order, and then a ping, with as
// few system calls as the buffer allows. The counters fall as the bytes leave
// for the connection, so that a peer which reads is never taken for a slow one.
func (s *Session) writeBatch(batch [][]byte, ping bool, mark int64) error {
	buf := s.group.buffers.Get().(*[]byte)
	*buf = (*buf)[:0]
	defer s.group.buffers.Put(buf)
	s.nc.cork(buf)
	var err error
	for _, p := range batch {
		if err == nil {
			err = s.ws.Write(context.Background(), websocket.MessageText, p)
		}
		s.mu.Lock()
		s.count--
		s.bytes -= len(p)
		s.mu.Unlock()
	}
	if err == nil && ping {
		err = s.writePing(mark)
	}
	return errors.Join(err, s.nc.uncork())
}

// writePing writes a ping frame (RFC 6455, 5.5.2), with the mark as its payload
// if there is one. The library's own Ping waits for the pong, which would keep a
// goroutine and a map per session; here any byte that arrives shows that the
// peer lives, and a pong that returns a mark is picked up by
// [Session.pongReceived]. It is called between two messages only, where a frame
// may begin.
func (s *Session) writePing(mark int64) error {
	s.pinged.Store(s.group.now())
	frame := []byte{0x89, 0x00}
	if mark > 0 {
		frame = binary.BigEndian.AppendUint64([]byte{0x89, 0x08}, uint64(mark))
		s.marked.Store(max(mark, s.marked.Load()))
	}
	_, err := s.nc.Write(frame)
	return err
}

// pongReceived notes a mark that came back. A peer may send pongs nobody asked
// for, with any payload: only marks that were written count.
func (s *Session) pongReceived(_ context.Context, payload []byte) {
	if len(payload) != 8 {
		return
	}
	mark := int64(binary.BigEndian.Uint64(payload))
	if mark > 0 && mark <= s.marked.Load() && mark > s.answered.Load() {
		s.answered.Store(mark)
	}
}

// Ping has a ping written behind everything queued so far. Its answer makes
// [Session.Answered] return mark, which must be above 0: then the peer has
// received all of that. Of several marks that wait, the highest is written.
func (s *Session) Ping(mark int64) {
	s.mu.Lock()
	if s.end != nil || s.broken {
		s.mu.Unlock()
		return
	}
	s.pingDue, s.mark = true, max(mark, s.mark)
	s.wakeAndUnlock()
}

// Answered returns the highest mark of [Session.Ping] that the peer has
// returned, 0 at first.
func (s *Session) Answered() int64 { return s.answered.Load() }

// ping has a ping written that only shows whether the peer lives.
func (s *Session) ping() { s.Ping(0) }

// writeFailed ends the session after a failed write.
func (s *Session) writeFailed(err error) {
	switch {
	case timedOut(err):
		s.drop(&EndError{Reason: ReasonSlowReader, Cause: err})
	case errors.Is(err, net.ErrClosed):
		// The library has closed the connection inside Read, which returns
		// with the better reason.
		s.mu.Lock()
		s.broken = true
		s.mu.Unlock()
	default:
		s.drop(&EndError{Reason: ReasonPeerLost, Cause: err})
	}
}

// timedOut reports whether err comes from the write deadline of conn or from
// the 5 s that the library gives a control frame.
func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// shakeHands sends the close frame, if the library has not sent it already,
// and waits for the peer's. The deadline also ends a peer that keeps sending
// what it had announced: the library reads that without a limit of its own.
func (s *Session) shakeHands() {
	_ = s.nc.SetReadDeadline(time.Now().Add(closeGrace))
	end := s.endOrNil()
	// However this ends, finish closes the connection.
	_ = s.ws.Close(websocket.StatusCode(end.Code), end.Reason.String())
}

// wakeFlushersLocked tells those in Flush that nothing is left to write.
func (s *Session) wakeFlushersLocked() {
	if s.flushed != nil {
		close(s.flushed)
		s.flushed = nil
	}
}

// finish releases everything. It runs once, last, in the run goroutine.
func (s *Session) finish() {
	_ = s.ws.CloseNow() // reports only that it was closed before
	end := s.endOrNil()
	s.group.remove(s, end.Reason)
	if onEnd := s.group.opt.OnEnd; onEnd != nil {
		onEnd(s, end)
	}
	close(s.done)
	s.group.leave()
}
