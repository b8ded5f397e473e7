package mattermost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/secret"
	"parley/internal/testkit/wait"
)

const hello = `{"event":"hello","data":{"connection_id":"` + idA + `"},"broadcast":{},"seq":0}`

func typing(seq int) string {
	return fmt.Sprintf(`{"event":"typing","data":{"parent_id":"","user_id":"%s"},"broadcast":{"channel_id":"%s"},"seq":%d}`, idB, idB, seq)
}

// often is how often a stream pings in most tests.
const often = 50 * time.Millisecond

// talk is a server whose WebSocket says what script says; everything else is
// answered as by a healthy server. It is pinged every so often, and called silent
// after patience, which is long unless that is what the test is about.
func talk(t *testing.T, every, patience time.Duration, script func(ctx context.Context, ws *websocket.Conn, r *http.Request)) *mattermost.Client {
	t.Helper()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/websocket") {
			fmt.Fprintf(w, `{"id":%q}`, idB)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		script(r.Context(), ws, r)
	})
	return client(t, mattermost.Options{Server: url, Token: secret.NewText("t"), PingEvery: every, PingWait: patience})
}

// say writes frames.
func say(ctx context.Context, ws *websocket.Conn, frames ...string) {
	for _, f := range frames {
		if ws.Write(ctx, websocket.MessageText, []byte(f)) != nil {
			return
		}
	}
}

// listen answers pings until the client goes.
func listen(ctx context.Context, ws *websocket.Conn, answer string) {
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			return
		}
		say(ctx, ws, answer)
	}
}

const pong = `{"status":"OK","seq_reply":1000000}`

func TestStreamFaults(t *testing.T) {
	for _, test := range []struct {
		what   string
		script func(context.Context, *websocket.Conn)
		events int // before the end
		want   error
		resume bool // it is worth resuming
	}{
		{"gap", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, typing(1), typing(3))
			listen(ctx, ws, pong)
		}, 1, mattermost.ErrGap, true},
		{"repeated", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, typing(1), typing(1), typing(0), typing(2), typing(9))
			listen(ctx, ws, pong)
		}, 2, mattermost.ErrGap, true},
		{"second hello", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, typing(1), hello)
			listen(ctx, ws, pong)
		}, 1, mattermost.ErrGap, false},
		{"cut", func(ctx context.Context, ws *websocket.Conn) { say(ctx, ws, hello, typing(1)) }, 1, mattermost.ErrCut, true},
		{"no JSON", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, "{")
			listen(ctx, ws, pong)
		}, 0, mattermost.ErrCut, false},
		{"no number", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, `{"event":"x"}`)
			listen(ctx, ws, pong)
		}, 0, mattermost.ErrCut, false},
		{"too large", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, `{"event":"x","seq":1,"data":{"x":"`+strings.Repeat("x", 9<<20)+`"}}`)
			listen(ctx, ws, pong)
		}, 0, mattermost.ErrTooLarge, false},
		{"silent", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello, typing(1))
			for { // reads, as a proxy does whose server is gone
				if _, _, err := ws.Read(ctx); err != nil {
					return
				}
			}
		}, 1, mattermost.ErrSilent, true},
		{"this connection only", func(ctx context.Context, ws *websocket.Conn) {
			say(ctx, ws, hello)
			listen(ctx, ws, `{"status":"FAIL","seq_reply":2,"error":{"id":"api.web_socket_router.not_authenticated.app_error","status_code":401}}`)
		}, 0, mattermost.ErrCut, true},
	} {
		t.Run(test.what, func(t *testing.T) {
			patience := within
			if errors.Is(test.want, mattermost.ErrSilent) {
				patience = 2 * time.Second
			}
			c := talk(t, often, patience, func(ctx context.Context, ws *websocket.Conn, _ *http.Request) { test.script(ctx, ws) })
			s := connect(t, c, mattermost.Resume{})
			for range test.events {
				next(t, s, mattermost.EventTyping)
			}
			err := ends(t, s)
			if !errors.Is(err, test.want) || !mattermost.Temporary(err) || mattermost.IsUnauthorized(err) || !fault.Is(err, fault.Unavailable) {
				t.Errorf("%v, want %v", err, test.want)
			}
			want := mattermost.Resume{ConnectionID: idA, Next: int64(test.events) + 1}
			if !test.resume {
				want = mattermost.Resume{}
			}
			if s.Resume() != want {
				t.Errorf("resume %+v, want %+v", s.Resume(), want)
			}
			if again := ends(t, s); again.Error() != err.Error() {
				t.Errorf("asked again: %v", again)
			}
		})
	}
}

// A caller that takes its time is no reason to call the server silent.
func TestSlowCaller(t *testing.T) {
	const events = 200 // more than are read ahead
	const patience = 2 * time.Second
	var pings atomic.Int32
	c := talk(t, often, patience, func(ctx context.Context, ws *websocket.Conn, _ *http.Request) {
		say(ctx, ws, hello)
		for i := range events {
			say(ctx, ws, typing(i+1))
		}
		for {
			if _, _, err := ws.Read(ctx); err != nil {
				return
			}
			pings.Add(1)
			say(ctx, ws, pong)
		}
	})
	s := connect(t, c, mattermost.Resume{})
	wait.For(t, within, func() bool { return s.Queued() == 64 && pings.Load() > 0 }, "the queue to be full")
	held := time.Now() // longer than an answer may take
	wait.For(t, within, func() bool { return time.Since(held) > patience+500*time.Millisecond }, "time to pass")
	for i := range events {
		if e := next(t, s, mattermost.EventTyping); e.Seq != int64(i+1) {
			t.Fatalf("event %d came as %d", i+1, e.Seq)
		}
	}
	wait.For(t, within, func() bool { return pings.Load() > 3 }, "pings to go on")
}

func TestResumeOnTheWire(t *testing.T) {
	r := mattermost.Resume{ConnectionID: idB, Next: 5}
	for _, test := range []struct {
		what   string
		frames []string // after the first ping
		lost   bool
		seqs   []int64
	}{
		{"quiet", []string{`{"status":"OK","seq_reply":1}`, typing(5)}, false, []int64{5}},
		{"events first", []string{typing(4), typing(5), typing(6), `{"status":"OK","seq_reply":1}`, typing(7)}, false, []int64{5, 6, 7}},
		{"anew", []string{hello, typing(1)}, true, []int64{1}},
	} {
		t.Run(test.what, func(t *testing.T) {
			c := talk(t, often, within, func(ctx context.Context, ws *websocket.Conn, r *http.Request) {
				if q := r.URL.Query(); q.Get("connection_id") != idB || q.Get("sequence_number") != "5" {
					t.Errorf("asked with %v", q)
				}
				if _, _, err := ws.Read(ctx); err != nil {
					t.Error(err)
				}
				say(ctx, ws, test.frames...)
				listen(ctx, ws, pong)
			})
			s := connect(t, c, r)
			if s.Lost() != test.lost {
				t.Errorf("lost %v", s.Lost())
			}
			for _, seq := range test.seqs {
				if e := next(t, s, mattermost.EventTyping); e.Seq != seq {
					t.Errorf("event %d, want %d", e.Seq, seq)
				}
			}
		})
	}
}

// What cannot be resumed is begun anew, once, and the caller is told.
func TestResumeGivenUp(t *testing.T) {
	for what, frames := range map[string][]string{"cut": nil, "gap": {typing(9)}} {
		var plain atomic.Int32
		c := talk(t, often, within, func(ctx context.Context, ws *websocket.Conn, r *http.Request) {
			if r.URL.RawQuery != "" {
				say(ctx, ws, frames...)
				return
			}
			plain.Add(1)
			say(ctx, ws, hello)
			listen(ctx, ws, pong)
		})
		if s := connect(t, c, mattermost.Resume{ConnectionID: idB, Next: 5}); !s.Lost() || plain.Load() != 1 {
			t.Errorf("%s: lost %v after %d", what, s.Lost(), plain.Load())
		}
	}
	var tries atomic.Int32
	c := talk(t, often, within, func(context.Context, *websocket.Conn, *http.Request) { tries.Add(1) })
	_, err := c.Connect(soon(t), mattermost.Resume{ConnectionID: idB, Next: 5})
	if !mattermost.Temporary(err) || mattermost.IsUnauthorized(err) || tries.Load() != 2 || !strings.Contains(fault.Message(err), "proxy") {
		t.Errorf("never alive: %v after %d", err, tries.Load())
	}
	c = talk(t, often, within, func(ctx context.Context, ws *websocket.Conn, _ *http.Request) {
		say(ctx, ws, `{"event":"hello","data":{"connection_id":"../x"},"seq":0}`)
	})
	if _, err := c.Connect(soon(t), mattermost.Resume{}); !errors.Is(err, mattermost.ErrCut) {
		t.Errorf("hello with an odd id: %v", err)
	}
}

// Refusals of the upgrade are told as what they are.
func TestUpgradeRefused(t *testing.T) {
	for status, want := range map[int]string{403: "status 403", 502: "status 502", 400: "status 400", 429: "fewer requests"} {
		c := plainClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }))
		_, err := c.Connect(soon(t), mattermost.Resume{})
		if mattermost.StatusOf(err) != status || !strings.Contains(fault.Message(err), want) {
			t.Errorf("%d: %v: %s", status, err, fault.Message(err))
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	c := talk(t, often, within, func(ctx context.Context, ws *websocket.Conn, _ *http.Request) {
		say(ctx, ws, hello)
		for i := range 100 { // the reader waits for the caller
			say(ctx, ws, typing(i+1))
		}
		listen(ctx, ws, pong)
	})
	s := connect(t, c, mattermost.Resume{})
	wait.For(t, within, func() bool { return s.Queued() == 64 }, "the queue to be full")
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Next(context.Background()); err != nil {
				done <- err
				return
			}
		}
	}()
	s.Close()
	if err := <-done; !errors.Is(err, mattermost.ErrCut) {
		t.Errorf("Next under way: %v", err)
	}
	stacks := make([]byte, 1<<20)
	if n := runtime.Stack(stacks, true); strings.Contains(string(stacks[:n]), "mattermost.(*Stream)") {
		t.Errorf("something still runs:\n%s", stacks[:n])
	}
}
