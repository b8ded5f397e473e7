package faultproxy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// event is what the tests look at in a frame of Mattermost's WebSocket.
type event struct {
	Event string
	Seq   int
	Data  struct {
		ConnectionID string `json:"connection_id"`
	}
}

// The faults do to a real Mattermost what they promise.
func TestMattermostBehindTheProxy(t *testing.T) {
	mm := mmtest.Start(t)
	p := faultproxy.New(t, mm.URL)
	connect := func(query string) *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), p.URL+"/api/v4/websocket"+query, &websocket.DialOptions{
			HTTPClient: client, HTTPHeader: http.Header{"Authorization": {"Bearer " + mm.Bot.Token}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		return conn
	}
	first := connect("")
	hello := next(t, first, "hello")
	mm.Alice.Post(t, mm.Lobby.ID, "one", "")
	next(t, first, "posted")

	// A post whose answer is lost is there, and its event comes.
	p.Next(1, faultproxy.To("POST", "/api/v4/posts"), faultproxy.LoseAnswer())
	body := fmt.Sprintf(`{"channel_id":%q,"message":"two"}`, mm.Lobby.ID)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/v4/posts", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mm.Bot.Token)
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("the answer is %s, want none", resp.Status)
	}
	posted := next(t, first, "posted")
	if got := mm.Alice.Posts(t, mm.Lobby.ID); len(got) != 2 || got[1].Message != "two" {
		t.Errorf("posts %+v, want the one whose answer was lost", got)
	}

	// What happens while the socket is cut is played back on resuming.
	p.CutSockets()
	wait.For(t, within, func() bool { return p.Sockets() == 0 }, "the cut")
	mm.Alice.Post(t, mm.Lobby.ID, "missed", "")
	resume := fmt.Sprintf("?connection_id=%s&sequence_number=%d", hello.Data.ConnectionID, posted.Seq+1)
	// The server resumes only what it has noticed to be gone, and begins anew
	// for whoever comes too soon; what was missed waits all the same.
	wait.Succeed(t, within, func() error {
		second := connect(resume)
		e := read(t, second)
		if e.Event == "hello" {
			second.CloseNow()
			return errors.New("it began anew")
		}
		if e.Event != "posted" {
			e = next(t, second, "posted")
		}
		if e.Seq <= posted.Seq {
			t.Errorf("the resumed socket goes on with seq %d after %d", e.Seq, posted.Seq)
		}
		return nil
	}, "the socket to be resumed")
	p.CutSockets()
	p.StripQuery("connection_id", "sequence_number")
	fresh := next(t, connect(resume), "hello")
	if fresh.Data.ConnectionID == hello.Data.ConnectionID || fresh.Seq != 0 {
		t.Errorf("the stripped resume gave %+v, want a new connection", fresh)
	}
}

// next reads up to the next event of a kind.
func next(t *testing.T, conn *websocket.Conn, kind string) event {
	t.Helper()
	for {
		e := read(t, conn)
		if e.Event == kind {
			return e
		}
		if e.Event == "hello" {
			t.Fatalf("a hello while waiting for %s", kind)
		}
	}
}

// read reads the next event.
func read(t *testing.T, conn *websocket.Conn) event {
	t.Helper()
	_, text, err := conn.Read(t.Context())
	if err != nil {
		t.Fatalf("waiting for an event: %v", err)
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}
