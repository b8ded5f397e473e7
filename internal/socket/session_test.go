package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/fault"
	"parley/internal/socket"
)

func TestEcho(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"plain": (*httptest.Server).Start, "tls": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			srv := serveOn(t, socket.Options{}, echo, start)
			c := srv.dial(t)
			for _, m := range []struct {
				typ  websocket.MessageType
				text string
			}{
				{websocket.MessageText, "hello, Füße 🦶"},
				{websocket.MessageBinary, "{\"from\":\"iOS\"}\x00"},
				{websocket.MessageText, ""},
				{websocket.MessageText, strings.Repeat("x", 4096)},
				{websocket.MessageText, strings.Repeat("y", 65536)}, // exactly the limit
			} {
				if err := c.Write(t.Context(), m.typ, []byte(m.text)); err != nil {
					t.Fatal(err)
				}
				typ, got, err := c.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("%d:%s", m.typ, m.text); string(got) != want || typ != websocket.MessageText {
					t.Fatalf("got %.40q (%d bytes), want %.40q (%d)", got, len(got), want, len(want))
				}
			}
		})
	}
}

// A client may send its first frames together with the handshake, in pieces,
// with pings in between.
func TestEarlyFragmentedInput(t *testing.T) {
	srv := serve(t, socket.Options{}, echo)
	c := srv.dialRaw(t, frame(0x01, "one ")+frame(0x89, "mid")+frame(0x00, "")+frame(0x80, "message"))
	c.write(t, frame(0x82, strings.Repeat("b", 700)))
	for _, want := range []struct {
		first byte
		text  string
	}{{0x8a, "mid"}, {0x81, "1:one message"}, {0x81, "2:" + strings.Repeat("b", 700)}} {
		first, p, err := c.next()
		if err != nil || first != want.first || string(p) != want.text {
			t.Fatalf("got %x %.40q %v, want %x %.40q", first, p, err, want.first, want.text)
		}
	}
}

func TestBadInputIsAnsweredWithItsCode(t *testing.T) {
	limit := socket.Options{ReadLimit: 1000}
	tests := []struct {
		name, input string
		reason      socket.Reason
		code        uint16
	}{
		{"too large", frame(0x81, strings.Repeat("x", 1001)), socket.ReasonTooLarge, 1009},
		{"announced huge, never sent", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00" + strings.Repeat("x", 1001), socket.ReasonTooLarge, 1009},
		{"too large in pieces", frame(0x01, strings.Repeat("x", 600)) + frame(0x80, strings.Repeat("x", 600)), socket.ReasonTooLarge, 1009},
		{"text not UTF-8", frame(0x81, "a\xff\xfe"), socket.ReasonBadText, 1007},
		{"a surrogate", frame(0x81, "\xed\xa0\x80"), socket.ReasonBadText, 1007},
		{"UTF-8 cut off at the end", frame(0x01, "a") + frame(0x80, "\xe2\x82"), socket.ReasonBadText, 1007},
		{"unmasked", "\x81\x02hi", socket.ReasonProtocol, 1002},
		{"negative length", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", socket.ReasonProtocol, 1002},
		{"reserved bit (no deflate was agreed)", frame(0xc1, "hi"), socket.ReasonProtocol, 1002},
		{"unknown opcode", frame(0x83, "hi"), socket.ReasonProtocol, 1002},
		{"continuation of nothing", frame(0x80, "hi"), socket.ReasonProtocol, 1002},
		{"message inside a message", frame(0x01, "a") + frame(0x81, "b"), socket.ReasonProtocol, 1002},
		{"fragmented ping", frame(0x09, "p"), socket.ReasonProtocol, 1002},
		{"ping too long", frame(0x89, strings.Repeat("p", 126)), socket.ReasonProtocol, 1002},
		{"close with half a code", frame(0x88, "\x03"), socket.ReasonProtocol, 1002},
		{"close with a reserved code", frame(0x88, "\x03\xee"), socket.ReasonProtocol, 1002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, limit, nil)
			c := srv.dialRaw(t, "")
			s := srv.next(t)
			c.write(t, tt.input)
			first, p, err := c.next()
			if err != nil || first != 0x88 || len(p) < 2 {
				t.Fatalf("got frame %x %q %v, want a close frame", first, p, err)
			}
			if got := uint16(p[0])<<8 | uint16(p[1]); got != tt.code {
				t.Errorf("close code %d, want %d", got, tt.code)
			}
			c.Close() // no answer to the close frame
			if end := wantEnd(t, srv.group, s, tt.reason); end.Code != int(tt.code) {
				t.Errorf("EndError.Code = %d, want %d", end.Code, tt.code)
			}
		})
	}
}

// A peer that is still sending what is too large must see why it is refused,
// not a reset.
func TestTooLargeReachesABusySender(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	c := srv.dial(t)
	go c.Write(t.Context(), websocket.MessageText, make([]byte, 1<<20)) // fails: that is the point
	_, _, err := c.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusMessageTooBig {
		t.Errorf("client got %v, want close code 1009", err)
	}
	wantEnd(t, srv.group, srv.next(t), socket.ReasonTooLarge)
}

func TestPeerEndings(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)

	c := srv.dial(t)
	s := srv.next(t)
	if err := c.Close(4321, "so long"); err != nil {
		t.Errorf("the close handshake failed: %v", err)
	}
	if end := wantEnd(t, srv.group, s, socket.ReasonPeerClosed); end.Code != 4321 || end.Text != "so long" {
		t.Errorf("peer's words: %d %q", end.Code, end.Text)
	}

	r := srv.dialRaw(t, frame(0x88, "")) // close frame without a code
	if end := wantEnd(t, srv.group, srv.next(t), socket.ReasonPeerClosed); end.Code != 1005 {
		t.Errorf("code %d, want 1005", end.Code)
	}
	if first, p, err := r.next(); err != nil || first != 0x88 || len(p) != 0 {
		t.Errorf("answer to a bare close: %x %q %v", first, p, err)
	}

	for _, half := range []string{"", "\x81", frame(0x81, "cut off")[:9], frame(0x01, "first piece")} {
		r := srv.dialRaw(t, half)
		s := srv.next(t)
		r.Close()
		wantEnd(t, srv.group, s, socket.ReasonPeerLost)
	}
}

func TestCloseWritesTheQueueFirst(t *testing.T) {
	for _, reason := range socket.Reasons() {
		if reason.Code() == 0 {
			continue
		}
		t.Run(reason.String(), func(t *testing.T) {
			srv := serve(t, socket.Options{}, nil)
			c := srv.dial(t)
			s := srv.next(t)
			for i := range 100 {
				if err := s.Send(fmt.Appendf(nil, "%d", i)); err != nil {
					t.Fatal(err)
				}
			}
			s.Close(reason)
			s.Close(socket.ReasonFault) // the first one counts
			for i := range 100 {
				if _, p, err := c.Read(t.Context()); err != nil || string(p) != fmt.Sprint(i) {
					t.Fatalf("message %d: %q %v", i, p, err)
				}
			}
			_, _, err := c.Read(t.Context())
			if got := websocket.CloseStatus(err); int(got) != reason.Code() {
				t.Errorf("client got %v, want code %d", err, reason.Code())
			}
			wantEnd(t, srv.group, s, reason)
		})
	}
}

// A peer that never answers the close frame must not keep the session.
func TestCloseDoesNotWaitForever(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	c := srv.dialRaw(t, "")
	s := srv.next(t)
	s.Close(socket.ReasonPolicy)
	if first, _, err := c.next(); err != nil || first != 0x88 {
		t.Fatalf("got %x %v, want a close frame", first, err)
	}
	wantEnd(t, srv.group, s, socket.ReasonPolicy)
}

func TestDropAllSendsNoCloseFrame(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"plain": (*httptest.Server).Start, "tls": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			srv := serveOn(t, socket.Options{}, nil, start)
			var clients []*websocket.Conn
			var sessions []*socket.Session
			for range 5 {
				clients = append(clients, srv.dial(t))
				s := srv.next(t)
				sessions = append(sessions, s)
				if err := errors.Join(s.Send([]byte("last words")), s.Flush(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			srv.group.DropAll(socket.ReasonRestart)
			for i, c := range clients {
				if _, p, err := c.Read(t.Context()); err != nil || string(p) != "last words" {
					t.Fatalf("what was written before was lost: %q %v", p, err)
				}
				_, _, err := c.Read(t.Context())
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || websocket.CloseStatus(err) != -1 {
					t.Errorf("client saw %v, want the end of the connection without a close frame", err)
				}
				wantEnd(t, srv.group, sessions[i], socket.ReasonRestart)
			}
			eventually(t, "no session is open", func() bool { return srv.group.Open() == 0 })
			srv.dial(t) // the group itself goes on
		})
	}
}

func TestQueuedMessagesStayInOrder(t *testing.T) {
	srv := serve(t, socket.Options{QueueMessages: 1000}, nil)
	c := srv.dial(t)
	s := srv.next(t)
	for i := range 1000 {
		if err := s.Send(fmt.Appendf(nil, "%d:%s", i, strings.Repeat("z", i%300))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, b := s.Queued(); n != 0 || b != 0 {
		t.Errorf("after Flush %d messages of %d bytes are queued", n, b)
	}
	for i := range 1000 {
		_, p, err := c.Read(t.Context())
		if err != nil || !strings.HasPrefix(string(p), fmt.Sprintf("%d:", i)) {
			t.Fatalf("message %d: %.20q %v", i, p, err)
		}
	}
}

// Many senders at once: every message arrives once, each sender's in order.
func TestConcurrentSenders(t *testing.T) {
	const senders, each = 8, 200
	srv := serve(t, socket.Options{QueueMessages: senders * each}, echo)
	c := srv.dial(t)
	s := srv.next(t)
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range each {
				if err := s.Send(fmt.Appendf(nil, "%d %d", sender, i)); err != nil {
					t.Errorf("sender %d: %v", sender, err)
					return
				}
			}
		})
	}
	next := make([]int, senders)
	for range senders * each {
		_, p, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var sender, i int
		if _, err := fmt.Sscanf(string(p), "%d %d", &sender, &i); err != nil || i != next[sender] {
			t.Fatalf("got %q, want message %d of its sender", p, next[sender])
		}
		next[sender]++
	}
	wg.Wait()
}

// Whatever races with whatever, a session ends once, for one reason.
func TestEndingsRace(t *testing.T) {
	var mu sync.Mutex
	heard := map[*socket.Session]int{}
	srv := serve(t, socket.Options{OnEnd: func(s *socket.Session, e *socket.EndError) {
		mu.Lock()
		heard[s]++
		mu.Unlock()
		if s.Reason() != e.Reason {
			t.Errorf("OnEnd says %s, the session %s", e.Reason, s.Reason())
		}
	}}, echo)
	const rounds = 30
	for range rounds {
		c := srv.dial(t)
		s := srv.next(t)
		var wg sync.WaitGroup
		for _, act := range []func(){
			func() { s.Close(socket.ReasonNormal) },
			func() { s.Drop(socket.ReasonRestart) },
			func() { s.Send([]byte("x")) },
			func() { s.Flush(context.Background()) },
			func() { c.Write(context.Background(), websocket.MessageText, []byte("\xff")) },
			func() { c.CloseNow() },
		} {
			wg.Go(act)
		}
		wg.Wait()
		<-s.Done()
	}
	mu.Lock()
	defer mu.Unlock()
	var total uint64
	for _, r := range socket.Reasons() {
		total += srv.group.Ended(r)
	}
	if len(heard) != rounds || total != rounds || srv.group.Opened() != rounds {
		t.Errorf("%d sessions heard of, %d counted, %d opened; want %d", len(heard), total, srv.group.Opened(), rounds)
	}
	for s, n := range heard {
		if n != 1 {
			t.Errorf("%s ended %d times", s.Reason(), n)
		}
	}
}

// The library answers some bad input itself, inside Read; a writer that is busy
// at that moment finds the connection closed and must not lose the ending.
func TestBadInputWhileSending(t *testing.T) {
	srv := serve(t, socket.Options{ReadLimit: 10}, nil)
	for i := range 200 {
		c := srv.dialRaw(t, "")
		s := srv.next(t)
		go io.Copy(io.Discard, c.in)
		sending := make(chan struct{})
		go func() {
			defer close(sending)
			for s.Send([]byte("more")) == nil {
				s.Flush(context.Background())
			}
		}()
		want := socket.ReasonTooLarge
		if i%2 == 0 {
			c.write(t, frame(0x81, "much too large"))
		} else {
			want = socket.ReasonPeerClosed
			c.write(t, frame(0x88, "\x03\xe8"))
		}
		select { // an answer, or else the server would wait for it
		case <-sending:
		case <-time.After(patience):
			t.Fatal("Send never failed")
		}
		c.Close()
		wantEnd(t, srv.group, s, want)
	}
}

func TestSendRefusesBytesThatAreNotText(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	c := srv.dial(t)
	s := srv.next(t)
	if err := s.Send([]byte("\xff")); !fault.Is(err, fault.Invalid) {
		t.Errorf("Send = %v, want an invalid fault", err)
	}
	if err := s.Send([]byte("fine")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(t.Context()); err != nil || string(p) != "fine" {
		t.Errorf("the session did not survive: %q %v", p, err)
	}
}

func TestPanicInReaderEndsOneSession(t *testing.T) {
	ends := make(chan *socket.EndError, 2)
	srv := serve(t, socket.Options{OnEnd: func(_ *socket.Session, e *socket.EndError) { ends <- e }}, func(s *socket.Session) {
		_, p, _ := s.Read()
		if string(p) == "boom" {
			panic("a bug")
		}
		drain(s)
	})
	c, other := srv.dial(t), srv.dial(t)
	srv.next(t)
	srv.next(t)
	if err := c.Write(t.Context(), websocket.MessageText, []byte("boom")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusInternalError {
		t.Errorf("client got %v, want 1011", err)
	}
	if e := <-ends; e.Reason != socket.ReasonFault || !strings.Contains(e.Error(), "a bug") ||
		!strings.Contains(e.Error(), "session_test.go") {
		t.Errorf("the log gets %v", e)
	}
	if err := other.Write(t.Context(), websocket.MessageText, []byte("calm")); err != nil || srv.group.Open() != 1 {
		t.Errorf("the other session suffered: %v, %d open", err, srv.group.Open())
	}
}

func TestReasonTable(t *testing.T) {
	var names []string
	for _, r := range socket.Reasons() {
		if slices.Contains(names, r.String()) || r.String() == "" {
			t.Errorf("reason %d has no name of its own: %q", r, r)
		}
		names = append(names, r.String())
		want := socket.MostReturn
		switch r.Code() {
		case 0:
			want = socket.AllReturn
		case 1000:
			want = socket.FewReturn
		}
		if r.Returns() != want {
			t.Errorf("%s: Returns = %d, want %d", r, r.Returns(), want)
		}
	}
	if socket.ReasonRestart.Returns() != socket.AllReturn {
		t.Error("clients would not come back after a restart")
	}
	if s := socket.Reason(200).String(); s != "reason(200)" {
		t.Errorf("unknown reason prints %q", s)
	}
}
