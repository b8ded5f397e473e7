package socket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"parley/internal/fault"
)

const (
	// readBuffer is kept by every open session: one client frame of ordinary
	// size arrives in one system call, larger payloads bypass the buffer.
	readBuffer = 512
	// writeBuffer holds the largest control frame (2 + 125 bytes), so that
	// each leaves in one piece; data frames are collected by conn.
	writeBuffer = 128
)

// HandshakeError is a request that was not upgraded. Nothing has been written
// to it: the caller answers in the form its protocol expects. Headers that
// RFC 6455 wants on the refusal are already set.
type HandshakeError struct {
	// Status is the HTTP status that fits.
	Status int
	// Fault holds the safe message, and the library's words as its cause.
	Fault *fault.Error
}

// Error gives the text for the log.
func (e *HandshakeError) Error() string { return "websocket handshake: " + e.Fault.Error() }

// Unwrap returns the fault.
func (e *HandshakeError) Unwrap() error { return e.Fault }

// Accept upgrades a request to a session, selecting the first of protocols
// that the client offers, if any. Errors are *[HandshakeError].
//
// Accept takes any Origin and any client: the caller has checked both. After
// it returns, start the reader with [Session.Go] and leave the handler, since
// net/http keeps the request and its buffers for as long as the handler runs.
func (g *Group) Accept(w http.ResponseWriter, r *http.Request, protocols ...string) (*Session, error) {
	if !canHijack(w) {
		return nil, &HandshakeError{http.StatusNotImplemented, fault.New(fault.Invalid,
			"this connection cannot carry a WebSocket; use HTTP/1.1")}
	}
	if err := g.reserve(); err != nil {
		return nil, &HandshakeError{http.StatusServiceUnavailable, err}
	}
	s := &Session{group: g, done: make(chan struct{})}
	s.nc.session = s
	up := &upgrade{ResponseWriter: w, session: s}
	ws, err := websocket.Accept(up, r, &websocket.AcceptOptions{
		Subprotocols:       protocols,
		InsecureSkipVerify: true, // the caller checks Origin, against a list this package does not know
		CompressionMode:    websocket.CompressionDisabled,
		OnPongReceived:     s.pongReceived,
	})
	if err != nil {
		g.release()
		if s.nc.Conn != nil {
			_ = s.nc.Conn.Close() // hijacked, and then given up
		}
		return nil, up.refusal(err)
	}
	ws.SetReadLimit(int64(g.opt.ReadLimit))
	s.ws = ws
	g.add(s)
	return s, nil
}

// upgrade stands in for the ResponseWriter during the handshake. It keeps the
// library's own error page back and slims the buffers when the connection is
// taken over.
type upgrade struct {
	http.ResponseWriter
	session *Session
	refused int
}

// WriteHeader passes only the successful upgrade on.
func (u *upgrade) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		u.ResponseWriter.WriteHeader(status)
		return
	}
	u.refused = status
}

// Write swallows the library's error text; [upgrade.refusal] tells it.
func (u *upgrade) Write(p []byte) (int, error) { return len(p), nil }

// Hijack takes the connection over and leaves net/http's two 4 KB buffers to
// the garbage collector.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, buffers, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &u.session.nc
	c.Conn = raw
	if n := buffers.Reader.Buffered(); n > 0 {
		early, err := buffers.Reader.Peek(n)
		if err != nil {
			return nil, nil, err
		}
		c.early = bytes.Clone(early)
	}
	return c, bufio.NewReadWriter(bufio.NewReaderSize(c, readBuffer), bufio.NewWriterSize(c, writeBuffer)), nil
}

// refusal gives the error for a request the library did not upgrade.
func (u *upgrade) refusal(cause error) *HandshakeError {
	var safe string
	switch u.refused {
	case http.StatusUpgradeRequired:
		safe = "this address speaks WebSocket; send Connection: Upgrade and Upgrade: websocket over HTTP/1.1"
	case http.StatusMethodNotAllowed:
		safe = "a WebSocket is opened with GET"
	case http.StatusBadRequest:
		safe = "send Sec-WebSocket-Version: 13 and one Sec-WebSocket-Key of 16 bytes in base64"
	default:
		return &HandshakeError{http.StatusInternalServerError,
			fault.Wrap(cause, fault.Internal, "the connection could not be upgraded")}
	}
	return &HandshakeError{u.refused, fault.Wrap(cause, fault.Invalid, "%s", safe)}
}

// canHijack looks through wrappers of middleware, as [http.ResponseController]
// does, before the library has answered 101.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
