package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// Type is the type of a data message.
type Type uint8

const (
	// Text is a message of valid UTF-8.
	Text Type = iota + 1
	// Binary is a message of any bytes.
	Binary
)

// Read waits for the next whole message, joining its fragments. The bytes are
// the caller's. Pings are answered meanwhile, so an open session needs a
// reader that comes back to Read.
//
// Errors are *[EndError]: the session has ended or is ending, and every
// further call returns the same.
func (s *Session) Read() (Type, []byte, error) {
	if end := s.endOrNil(); end != nil {
		return 0, nil, end
	}
	// Silence is counted from here: before, the caller held the peer back.
	s.nc.heard.Store(s.group.now())
	s.reading.Store(true)
	defer s.reading.Store(false)

	// The library closes the connection when a context it was given ends, so
	// it gets one that never does; Drop and deadlines end a Read.
	typ, r, err := s.ws.Reader(context.Background())
	if err != nil {
		return 0, nil, s.readFailed(err)
	}
	s.begun.Store(s.group.now())
	p, err := s.readAll(r)
	s.begun.Store(0)
	if err != nil {
		return 0, nil, s.readFailed(err)
	}
	if typ == websocket.MessageBinary {
		return Binary, p, nil
	}
	if !utf8.Valid(p) {
		s.closeWith(&EndError{Reason: ReasonBadText, Code: ReasonBadText.Code()}, true)
		return 0, nil, s.ended()
	}
	return Text, p, nil
}

// readAll reads one message. Ordinary ones pass through a shared buffer and
// are copied once, at their exact size; larger ones grow as their bytes
// arrive, so that an announced length costs nothing.
func (s *Session) readAll(r io.Reader) ([]byte, error) {
	scratch := s.group.buffers.Get().(*[]byte)
	defer s.group.buffers.Put(scratch)
	buf := (*scratch)[:0]
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			if cap(buf) == cap(*scratch) {
				return append(make([]byte, 0, len(buf)), buf...), nil
			}
			return buf, nil
		case err != nil:
			return nil, err
		case len(buf) == cap(buf):
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
	}
}

// readFailed finds out what an error of the library means and ends the session
// accordingly, unless it is already ending.
func (s *Session) readFailed(err error) error {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		// The library has answered the close frame.
		s.drop(&EndError{Reason: ReasonPeerClosed, Code: int(closed.Code), Text: closed.Reason})
	case s.nc.writeFailed.Load() && timedOut(err):
		// A pong could not be written.
		s.drop(&EndError{Reason: ReasonSlowReader, Cause: err})
	case errors.Is(err, context.DeadlineExceeded):
		// The library gives up on half a control frame after 5 s.
		s.drop(&EndError{Reason: ReasonStalled, Cause: err})
	case s.nc.readFailed.Load() || s.nc.writeFailed.Load() || s.nc.closed.Load():
		s.drop(&EndError{Reason: ReasonPeerLost, Cause: err})
	case errors.Is(err, websocket.ErrMessageTooBig):
		s.closeWith(&EndError{Reason: ReasonTooLarge, Code: ReasonTooLarge.Code(),
			Cause: fmt.Errorf("a message above %d bytes", s.group.opt.ReadLimit)}, true)
	default:
		s.closeWith(&EndError{Reason: ReasonProtocol, Code: ReasonProtocol.Code(), Cause: err}, true)
	}
	return s.ended()
}
