package socket_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/socket"
)

// patience bounds every wait; a test that reaches it has failed.
const patience = time.Minute

// server is a group behind a real listener.
type server struct {
	*httptest.Server
	group    *socket.Group
	sessions chan *socket.Session // each accepted session, reader already started
}

// serve starts a server whose sessions are read by read, or drained when it is
// nil. It is stopped when the test ends, and must then stop cleanly.
func serve(t testing.TB, opt socket.Options, read func(*socket.Session)) *server {
	t.Helper()
	return serveOn(t, opt, read, (*httptest.Server).Start)
}

func serveOn(t testing.TB, opt socket.Options, read func(*socket.Session), start func(*httptest.Server)) *server {
	t.Helper()
	group, err := socket.NewGroup(opt)
	if err != nil {
		t.Fatal(err)
	}
	if read == nil {
		read = drain
	}
	s := &server{group: group, sessions: make(chan *socket.Session, 20_000)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := group.Accept(w, r, "parley")
		if err != nil {
			refuse(w, err)
			return
		}
		session.Go(func() { read(session) })
		s.sessions <- session
	}))
	start(s.Server)
	t.Cleanup(func() {
		s.Close()
		if err := group.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return s
}

// refuse answers a failed handshake the way a driver would.
func refuse(w http.ResponseWriter, err error) {
	status := 500
	var h *socket.HandshakeError
	if errors.As(err, &h) {
		status = h.Status
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"refused":%q}`, h.Fault.Safe)
}

// drain reads until the session ends.
func drain(s *socket.Session) {
	for {
		if _, _, err := s.Read(); err != nil {
			return
		}
	}
}

// echo sends every message back, after its type.
func echo(s *socket.Session) {
	for {
		typ, p, err := s.Read()
		if err != nil {
			return
		}
		if err := s.Send(fmt.Appendf(nil, "%d:%s", typ, p)); err != nil {
			return
		}
	}
}

// next returns the session of the connection opened last.
func (s *server) next(t testing.TB) *socket.Session {
	t.Helper()
	select {
	case session := <-s.sessions:
		return session
	case <-time.After(patience):
		t.Fatal("no session was accepted")
		return nil
	}
}

// dial opens a session with the library's client.
func (s *server) dial(t testing.TB) *websocket.Conn {
	t.Helper()
	return s.dialWith(t, &websocket.DialOptions{HTTPClient: s.Client()})
}

func (s *server) dialWith(t testing.TB, opt *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http"), opt)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// raw is a client that does nothing by itself: no pongs, no close frames.
type raw struct {
	net.Conn
	in *bufio.Reader
}

const handshake = "GET /rtm HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// dialRaw opens a session; early is sent in the same write as the handshake.
func (s *server) dialRaw(t testing.TB, early string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	r := &raw{c, bufio.NewReader(c)}
	r.write(t, handshake+early)
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered %s", resp.Status)
	}
	return r
}

func (r *raw) write(t testing.TB, p string) {
	t.Helper()
	if _, err := io.WriteString(r, p); err != nil {
		t.Fatal(err)
	}
}

// frame makes a client frame; first is FIN, RSV and opcode. The mask is zero.
func frame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

// next reads one server frame.
func (r *raw) next() (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var long [2]byte
		_, err = io.ReadFull(r.in, long[:])
		n = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		_, err = io.ReadFull(r.in, long[:])
		n = binary.BigEndian.Uint64(long[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r.in, payload)
	return head[0], payload, err
}

// wantEnd waits for the session's end and checks the reason everywhere it shows.
func wantEnd(t *testing.T, g *socket.Group, s *socket.Session, want socket.Reason) *socket.EndError {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatalf("the session did not end, reason so far %s", s.Reason())
	}
	if got := s.Reason(); got != want {
		t.Errorf("Reason = %s, want %s", got, want)
	}
	if g.Ended(want) == 0 {
		t.Errorf("%s was not counted", want)
	}
	var end *socket.EndError
	if err := s.Send([]byte("late")); !errors.As(err, &end) || end.Reason != want {
		t.Errorf("Send after the end: %v", err)
	}
	if _, _, err := s.Read(); !errors.As(err, &end) || end.Reason != want {
		t.Errorf("Read after the end: %v", err)
	}
	return end
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
