package faultproxy_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/wait"
)

// echo answers each message with itself, "bye" with a closing frame, and "big"
// with a message in several frames.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("refuse") {
		w.Header().Set("X-Reason", "refused")
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	for {
		kind, text, err := conn.Read(r.Context())
		switch {
		case err != nil:
			return
		case string(text) == "bye":
			conn.Close(4001, "as asked")
			return
		}
		if err := conn.Write(r.Context(), kind, text); err != nil {
			return
		}
	}
}

func tryDial(ctx context.Context, url string) *websocket.Conn {
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil
	}
	conn.SetReadLimit(-1)
	return conn
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn := tryDial(t.Context(), url)
	if conn == nil {
		t.Fatalf("no WebSocket at %s", url)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func say(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if _, got, err := conn.Read(ctx); err != nil || string(got) != want {
		t.Fatalf("heard %.50q (%d bytes) %v, want %.50q", got, len(got), err, want)
	}
}

func TestSocketsAreCarried(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	conn := dial(t, p.URL+"/api/websocket?a=b%20c&d=e")
	for _, text := range []string{"", "hi", strings.Repeat("x", 125), strings.Repeat("y", 126), strings.Repeat("z", 70000)} {
		say(t, conn, text)
		hear(t, conn, text)
	}
	up.wants(t, "GET /api/websocket?a=b%20c&d=e ")
	if p.Sockets() != 1 {
		t.Errorf("%d sockets, want 1", p.Sockets())
	}
	say(t, conn, "bye")
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4001 {
		t.Errorf("the end is %v, want the server's closing frame", err)
	}
	wait.For(t, within, func() bool { return p.Sockets() == 0 }, "the WebSocket to be forgotten")
}

func TestServersRefusalIsHandedOn(t *testing.T) {
	p := faultproxy.New(t, serveUpstream(t).URL)
	_, resp, err := websocket.Dial(t.Context(), p.URL+"/websocket?refuse", nil)
	if err == nil || resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Reason") != "refused" {
		t.Errorf("answer %+v %v", resp, err)
	}
}

func TestUpgradesAreRefusedAndLost(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	refuse := p.On(faultproxy.Upgrades, faultproxy.Answer(503, nil, "busy"))
	_, resp, err := websocket.Dial(t.Context(), p.URL+"/websocket", nil)
	if err == nil || resp == nil || resp.StatusCode != 503 {
		t.Errorf("answer %+v %v, want 503", resp, err)
	}
	answered(t, p, "/posts", "one", "did one") // not an upgrade
	refuse.Lift()
	p.Next(1, faultproxy.Upgrades, faultproxy.LoseAnswer())
	if conn := tryDial(t.Context(), p.URL+"/websocket"); conn != nil {
		t.Error("the lost upgrade succeeded")
	}
	up.wants(t, "POST /posts one", "GET /websocket ")
	held := p.Next(1, faultproxy.Upgrades, faultproxy.Hang())
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait.For(t, within, func() bool { return held.Hits() == 1 }, "the upgrade")
		held.Lift()
	}()
	conn := dial(t, p.URL+"/websocket")
	<-done
	say(t, conn, "hi")
	hear(t, conn, "hi")
}

func TestSilence(t *testing.T) {
	for _, test := range []struct {
		name       string
		directions faultproxy.Direction
		swallowing faultproxy.Direction
	}{
		{"to the client", faultproxy.ToClient, faultproxy.ToClient},
		{"to the server", faultproxy.ToServer, faultproxy.ToServer},
		{"both", faultproxy.ToClient | faultproxy.ToServer, faultproxy.ToServer},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := faultproxy.New(t, serveUpstream(t).URL)
			conn := dial(t, p.URL+"/websocket")
			p.Silence(test.directions)
			say(t, conn, "into the void")
			wait.For(t, within, func() bool { return p.Swallowed(test.swallowing) == 1 }, "the message to be swallowed")
			// Long enough to be written, or else the library closes the socket.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			heard := conn.CloseRead(t.Context()) // a ping is answered while somebody reads
			if err := conn.Ping(ctx); err == nil {
				t.Error("a ping was answered")
			}
			if heard.Err() != nil || p.Sockets() != 1 {
				t.Errorf("%d sockets (%v), want it open", p.Sockets(), heard.Err())
			}
			p.Silence(0)
			ctx, cancel = context.WithTimeout(t.Context(), within)
			defer cancel()
			if err := conn.Ping(ctx); err != nil {
				t.Errorf("a ping after the silence: %v", err)
			}
		})
	}
}

func TestAfterASilenceOnlyNewMessagesCome(t *testing.T) {
	p := faultproxy.New(t, serveUpstream(t).URL)
	conn := dial(t, p.URL+"/websocket")
	p.Silence(faultproxy.ToClient)
	say(t, conn, "lost")
	wait.For(t, within, func() bool { return p.Swallowed(faultproxy.ToClient) == 1 }, "the echo to be swallowed")
	p.Silence(0)
	say(t, conn, "new")
	hear(t, conn, "new")
}

func TestDropMakesAGap(t *testing.T) {
	p := faultproxy.New(t, serveUpstream(t).URL)
	conn := dial(t, p.URL+"/websocket")
	p.Drop(faultproxy.ToClient, 2)
	for _, text := range []string{"one", "two", "three"} {
		say(t, conn, text)
	}
	hear(t, conn, "three")
	p.Drop(faultproxy.ToServer, 1)
	say(t, conn, "four")
	say(t, conn, "five")
	hear(t, conn, "five")
	if c, s := p.Swallowed(faultproxy.ToClient), p.Swallowed(faultproxy.ToServer); c != 2 || s != 1 {
		t.Errorf("swallowed %d and %d, want 2 and 1", c, s)
	}
}

func TestCutSocketsSendsNoClosingFrame(t *testing.T) {
	p := faultproxy.New(t, serveUpstream(t).URL)
	one, two := dial(t, p.URL+"/websocket"), dial(t, p.URL+"/websocket")
	for _, conn := range []*websocket.Conn{one, two} {
		say(t, conn, "hi")
		hear(t, conn, "hi")
	}
	if n := p.CutSockets(); n != 2 || p.Sockets() != 0 {
		t.Errorf("cut %d, %d left, want 2 and 0", n, p.Sockets())
	}
	for _, conn := range []*websocket.Conn{one, two} {
		if _, _, err := conn.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
			t.Errorf("the end is %v, want no closing frame", err)
		}
	}
	again := dial(t, p.URL+"/websocket")
	say(t, again, "back")
	hear(t, again, "back")
}

func TestDownCutsSockets(t *testing.T) {
	p := faultproxy.New(t, serveUpstream(t).URL)
	conn := dial(t, p.URL+"/websocket")
	p.Down()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the WebSocket is still open")
	}
}

func TestStripQuery(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	p.StripQuery("connection_id", "sequence_number")
	const path = "/websocket?connection_id=abc&x=1%2F2&sequence_number=7"
	dial(t, p.URL+path)
	p.StripQuery()
	dial(t, p.URL+path)
	up.wants(t, "GET /websocket?x=1%2F2 ", "GET "+path+" ")
}
