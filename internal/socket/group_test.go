package socket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/fault"
	"parley/internal/socket"
)

func TestSlowReaderIsDroppedAndOthersAreNot(t *testing.T) {
	srv := serve(t, socket.Options{QueueMessages: 64, QueueBytes: 128 << 10}, nil)
	slow := srv.dialRaw(t, "")
	slowSession := srv.next(t)
	good := srv.dial(t)
	goodSession := srv.next(t)

	received := make(chan int, 1)
	go func() {
		n := 0
		for {
			_, p, err := good.Read(t.Context())
			if err != nil || !strings.HasPrefix(string(p), fmt.Sprintf("%d ", n)) {
				break
			}
			n++
		}
		received <- n
	}()

	sent, pad := 0, strings.Repeat("x", 4000)
	var err error
	for err == nil && sent < 50_000 { // far more than any kernel buffer holds
		p := fmt.Appendf(nil, "%d %s", sent, pad)
		err = slowSession.Send(p)
		if err := errors.Join(goodSession.Send(p), goodSession.Flush(t.Context())); err != nil {
			t.Fatalf("the good session suffered: %v", err)
		}
		sent++
	}
	var end *socket.EndError
	if !errors.As(err, &end) || end.Reason != socket.ReasonSlowReader {
		t.Fatalf("after %d messages Send = %v, want slow_reader", sent, err)
	}
	wantEnd(t, srv.group, slowSession, socket.ReasonSlowReader)
	slow.Close()

	goodSession.Close(socket.ReasonNormal)
	if n := <-received; n != sent {
		t.Errorf("the good session got %d of %d messages", n, sent)
	}
}

func TestWriteTimeoutDropsSlowReader(t *testing.T) {
	srv := serve(t, socket.Options{WriteTimeout: 50 * time.Millisecond}, nil)
	srv.dialRaw(t, "")
	s := srv.next(t)
	if err := s.Send(make([]byte, 64<<20)); err != nil { // one message may exceed the queue
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Error("Flush says that it was written")
	}
	wantEnd(t, srv.group, s, socket.ReasonSlowReader)
}

// A peer that pings and never reads the pongs blocks its own reader only until
// the write deadline.
func TestUnreadPongs(t *testing.T) {
	srv := serve(t, socket.Options{WriteTimeout: 50 * time.Millisecond}, nil)
	c := srv.dialRaw(t, "")
	s := srv.next(t)
	flood := strings.Repeat(frame(0x89, strings.Repeat("p", 125)), 1000)
	for {
		if _, err := io.WriteString(c, flood); err != nil {
			break
		}
	}
	wantEnd(t, srv.group, s, socket.ReasonSlowReader)
}

func TestFlushGivesUpWithItsContext(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	srv.dialRaw(t, "")
	s := srv.next(t)
	if err := s.Send(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush = %v", err)
	}
	if s.Reason() != socket.ReasonNone {
		t.Errorf("giving up on a Flush ended the session: %s", s.Reason())
	}
}

func TestPingKeepsAPeerAlive(t *testing.T) {
	srv := serve(t, socket.Options{PingInterval: 20 * time.Millisecond, PongTimeout: 10 * time.Second}, nil)
	pings := make(chan struct{}, 100)
	c := srv.dialWith(t, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
		select {
		case pings <- struct{}{}:
		default:
		}
		return true
	}})
	s := srv.next(t)
	c.CloseRead(t.Context()) // reads, and answers pings
	for range 5 {
		select {
		case <-pings:
		case <-time.After(patience):
			t.Fatal("no ping came")
		}
	}
	if err := errors.Join(s.Send([]byte("still there")), s.Flush(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestDeadPeerIsDropped(t *testing.T) {
	srv := serve(t, socket.Options{PingInterval: 20 * time.Millisecond, PongTimeout: 100 * time.Millisecond}, nil)
	c := srv.dialRaw(t, "")
	s := srv.next(t)
	if first, p, err := c.next(); err != nil || first != 0x89 || len(p) != 0 {
		t.Fatalf("got %x %q %v, want a ping", first, p, err)
	}
	wantEnd(t, srv.group, s, socket.ReasonDead)
}

func TestUnfinishedMessageIsDropped(t *testing.T) {
	srv := serve(t, socket.Options{MessageTimeout: 50 * time.Millisecond}, nil)
	for _, half := range []string{frame(0x01, "first piece"), frame(0x81, "half a frame")[:10]} {
		srv.dialRaw(t, half)
		wantEnd(t, srv.group, srv.next(t), socket.ReasonStalled)
	}
}

func TestStopWritesWhatIsQueuedAndRefusesTheRest(t *testing.T) {
	srv := serve(t, socket.Options{QueueMessages: 500}, nil)
	c := srv.dial(t)
	s := srv.next(t)
	for i := range 500 {
		if err := s.Send(fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := srv.group.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if _, p, err := c.Read(t.Context()); err != nil || string(p) != fmt.Sprint(i) {
			t.Fatalf("message %d: %q %v", i, p, err)
		}
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != -1 || err == nil {
		t.Errorf("client saw %v, want a lost connection", err)
	}
	wantEnd(t, srv.group, s, socket.ReasonRestart)
	wantRefused(t, srv, handshakeRequest(t, srv), http.StatusServiceUnavailable)
	if srv.group.Refused() != 1 {
		t.Errorf("Refused = %d", srv.group.Refused())
	}
}

func TestStopDoesNotWaitForASlowReader(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	srv.dialRaw(t, "")
	s := srv.next(t)
	if err := s.Send(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := srv.group.Stop(ctx); err != nil {
		t.Error(err)
	}
	wantEnd(t, srv.group, s, socket.ReasonRestart)
}

func TestSessionLimit(t *testing.T) {
	srv := serve(t, socket.Options{MaxSessions: 2}, nil)
	first := srv.dial(t)
	srv.next(t)
	srv.dial(t)
	srv.next(t)
	wantRefused(t, srv, handshakeRequest(t, srv), http.StatusServiceUnavailable)
	first.CloseNow()
	eventually(t, "the place is free", func() bool { return srv.group.Open() == 1 })
	srv.dial(t)
	srv.next(t)
	if srv.group.Opened() != 3 || srv.group.Refused() != 1 {
		t.Errorf("opened %d, refused %d", srv.group.Opened(), srv.group.Refused())
	}
}

func TestHandshakeRefusals(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"plain GET", func(r *http.Request) { r.Header = http.Header{} }, 426},
		{"no Upgrade header", func(r *http.Request) { r.Header.Del("Upgrade") }, 426},
		{"POST", func(r *http.Request) { r.Method = "POST" }, 405},
		{"old version", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, 400},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400},
		{"short key", func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "AAAA") }, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := handshakeRequest(t, srv)
			tt.change(r)
			wantRefused(t, srv, r, tt.status)
		})
	}
	if srv.group.Open() != 0 || srv.group.Opened() != 0 {
		t.Error("a refused request was counted as a session")
	}

	_, err := srv.group.Accept(httptest.NewRecorder(), handshakeRequest(t, srv)) // as HTTP/2 would be
	var h *socket.HandshakeError
	if !errors.As(err, &h) || h.Status != http.StatusNotImplemented || !fault.Is(err, fault.Invalid) {
		t.Errorf("a connection that cannot be taken over: %v", err)
	}
}

func TestSubprotocol(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	c := srv.dialWith(t, &websocket.DialOptions{Subprotocols: []string{"other", "parley"}})
	if got := srv.next(t).Protocol(); got != "parley" || c.Subprotocol() != "parley" {
		t.Errorf("negotiated %q, the client %q", got, c.Subprotocol())
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for field, opt := range map[string]socket.Options{
		"max_sessions": {MaxSessions: -1}, "read_limit": {ReadLimit: -1}, "queue_messages": {QueueMessages: -1},
		"queue_bytes": {QueueBytes: -1}, "write_timeout": {WriteTimeout: -1}, "message_timeout": {MessageTimeout: -1},
		"ping_interval": {PingInterval: -1}, "pong_timeout": {PongTimeout: -1},
	} {
		_, err := socket.NewGroup(opt)
		var f *fault.Error
		if !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// An idle session costs its reader and nothing else, and an ended one nothing.
func TestGoroutines(t *testing.T) {
	srv := serve(t, socket.Options{PingInterval: time.Hour}, nil)
	const sessions = 50
	for range sessions {
		srv.dialRaw(t, "")
		s := srv.next(t)
		if err := errors.Join(s.Send([]byte("welcome")), s.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "one goroutine per idle session", func() bool { return goroutines() == sessions+1 })
	srv.group.DropAll(socket.ReasonRestart)
	eventually(t, "only the sweep is left", func() bool { return goroutines() == 1 })
	if err := srv.group.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "no goroutine after Stop", func() bool { return goroutines() == 0 })
}

// goroutines counts those that run this package, the library or an HTTP
// handler; those of the test itself do not count.
func goroutines() int {
	buf := make([]byte, 4<<20)
	n := 0
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if !strings.Contains(g, "testing.tRunner") && (strings.Contains(g, "internal/socket.(") ||
			strings.Contains(g, "coder/websocket.(") || strings.Contains(g, "net/http.(*conn).serve")) {
			n++
		}
	}
	return n
}

// gate holds all writes back until it is opened, and counts them.
type gate struct {
	net.Listener
	open   chan struct{}
	held   atomic.Bool
	writes atomic.Int64
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (g *gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatedConn{c, g}, nil
}

func (c *gatedConn) Write(p []byte) (int, error) {
	if c.gate.held.Load() {
		<-c.gate.open
	}
	c.gate.writes.Add(1)
	return c.Conn.Write(p)
}

func TestQueuedMessagesShareWrites(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	srv := serveOn(t, socket.Options{QueueMessages: 1000}, nil, func(s *httptest.Server) {
		g.Listener = s.Listener
		s.Listener = g
		s.Start()
	})
	c := srv.dial(t)
	s := srv.next(t)
	g.held.Store(true)
	for range 1000 {
		if err := s.Send(make([]byte, 300)); err != nil {
			t.Fatal(err)
		}
	}
	before := g.writes.Load()
	close(g.open)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 13 frames of 304 bytes fit one buffer; the first batch may be short.
	if n := g.writes.Load() - before; n > 100 {
		t.Errorf("1000 messages took %d writes", n)
	}
	for range 1000 {
		if _, p, err := c.Read(t.Context()); err != nil || len(p) != 300 {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
	}
}

func handshakeRequest(t *testing.T, srv *server) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
	return r
}

// wantRefused checks that the refusal is the caller's own answer and nothing else.
func wantRefused(t *testing.T, srv *server, r *http.Request, status int) {
	t.Helper()
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Refused string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.Refused == "" {
		t.Errorf("the answer is not the caller's: %v", err)
	}
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d (%s)", resp.StatusCode, status, body.Refused)
	}
}

// The sweep must not drop peers that the caller itself keeps waiting: while
// nobody is in Read, silence proves nothing.
func TestBusyCallerIsNoReasonToDrop(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	srv := serve(t, socket.Options{PingInterval: 10 * time.Millisecond, PongTimeout: 20 * time.Millisecond}, func(s *socket.Session) {
		<-release
		drain(s)
	})
	t.Cleanup(free)
	srv.dialRaw(t, "")
	busy := srv.next(t)
	// Sessions opened later, and read at once, die of the same silence first.
	other := serve(t, socket.Options{PingInterval: 10 * time.Millisecond, PongTimeout: 20 * time.Millisecond}, nil)
	for range 3 {
		other.dialRaw(t, "")
		wantEnd(t, other.group, other.next(t), socket.ReasonDead)
	}
	if busy.Reason() != socket.ReasonNone {
		t.Errorf("dropped as %s while its caller was busy", busy.Reason())
	}
	free()
	wantEnd(t, srv.group, busy, socket.ReasonDead)
}
