package mattermost_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/secret"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// serve answers for a server that shows a fault.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func plainClient(t *testing.T, url string) *mattermost.Client {
	t.Helper()
	return client(t, mattermost.Options{Server: url, Token: secret.NewText("tok")})
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		o     mattermost.Options
		field string
		shown string
	}{
		{mattermost.Options{}, "server", "is empty"},
		{mattermost.Options{Server: "chat.example.com"}, "server", "http://"},
		{mattermost.Options{Server: "chat.example.com:8065"}, "server", "http://"},
		{mattermost.Options{Server: "192.0.2.1:8065"}, "server", "http://"},
		{mattermost.Options{Server: "ftp://chat.example.com"}, "server", "http://"},
		{mattermost.Options{Server: "https://"}, "server", "no host"},
		{mattermost.Options{Server: "https://[::1"}, "server", "not an address"},
		{mattermost.Options{Server: "https://u:hunter2@chat.example.com"}, "server", "password"},
		{mattermost.Options{Server: "https://chat.example.com/?x=1"}, "server", "after ?"},
		{mattermost.Options{Server: "https://chat.example.com/#x"}, "server", "after ?"},
		{mattermost.Options{Server: "https://chat.example.com/api/v4"}, "server", "api/v4"},
		{mattermost.Options{Server: "https://chat.example.com/team/channels/town-square"}, "server", "channels"},
		{mattermost.Options{Server: "https://chat.example.com/login"}, "server", "login"},
		{mattermost.Options{Server: "https://chat.example.com/a/../b"}, "server", "odd path"},
		{mattermost.Options{Server: "https://c.example", Token: secret.NewText("a b")}, "token", "white space"},
		{mattermost.Options{Server: "https://c.example", Token: secret.NewText("a"), Login: login("a", "b")}, "token", "one of them"},
		{mattermost.Options{Server: "https://c.example", Login: login("a", "")}, "login", "both"},
		{mattermost.Options{Server: "https://c.example", Login: &mattermost.Login{User: "a"}}, "login", "both"},
		{mattermost.Options{Server: "https://c.example", CAFile: "/no/such/file"}, "ca_file", "cannot be read"},
		{mattermost.Options{Server: "https://c.example", Proxy: "proxy:3128"}, "proxy", "http://"},
	} {
		_, err := mattermost.New(test.o)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Field != test.field || !strings.Contains(f.Safe, test.shown) {
			t.Errorf("New(%q): %v, want %s: %s", test.o.Server, err, test.field, test.shown)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the refusal tells a password: %v", err)
		}
	}
	for _, server := range []string{"https://chat.example.com", "http://127.0.0.1:8065/", "https://example.com/mattermost", "https://example.com/sub/path/", "http://[::1]:8065"} {
		c, err := mattermost.New(mattermost.Options{Server: server})
		if err != nil || c.Server() != strings.TrimSuffix(server, "/") {
			t.Errorf("New(%q): %v", server, err)
		}
	}
}

func TestSubPath(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sub/api/v4/users/me" || r.Header.Get("Authorization") != "Bearer tok" || r.Header.Get("Origin") != "" || r.Header.Get("User-Agent") != "Parley" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		fmt.Fprintf(w, `{"id":%q}`, idA)
	})
	if u := must(plainClient(t, url+"/sub/").Me(soon(t)))(t); u.ID != idA {
		t.Errorf("%+v", u)
	}
}

// What is written and not answered may have happened.
func TestUncertain(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	arrived := make(chan struct{})
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}
	cut := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	short := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"id":`)
	}
	for _, test := range []struct {
		what                 string
		handler              http.HandlerFunc
		status               int
		uncertain, temporary bool
	}{
		{"no answer", hang, 0, true, true},
		{"cut", cut, 0, true, true},
		{"half an answer", short, 0, true, true},
		{"an answer that is no post", answer(201, "<html>"), 201, true, true},
		{"a proxy's 502", answer(502, "bad gateway"), 502, true, true},
		{"a proxy's 504", answer(504, "timeout"), 504, true, true},
		{"a proxy's 503", answer(503, "unavailable"), 503, false, true},
		{"a panic", answer(500, "oops"), 500, true, true},
		{"Mattermost's 500", answer(500, `{"id":"app.x.y","status_code":500}`), 500, false, true},
		{"duplicate", answer(500, `{"id":"api.post.deduplicate_create_post.pending"}`), 500, false, true},
		{"off", answer(501, `{"id":"api.x.disabled"}`), 501, false, false},
		{"forbidden", answer(403, `{"id":"api.context.permissions.app_error"}`), 403, false, false},
		{"moved", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://other.example/x", http.StatusMovedPermanently)
		}, 301, false, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		if test.what == "no answer" { // the caller gives up once it was written
			go func() { <-arrived; cancel() }()
		}
		c := plainClient(t, serve(t, test.handler))
		_, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: idA, Message: "x"})
		if mattermost.StatusOf(err) != test.status || mattermost.Uncertain(err) != test.uncertain || mattermost.Temporary(err) != test.temporary {
			t.Errorf("%s: %v: uncertain %v, temporary %v", test.what, err, mattermost.Uncertain(err), mattermost.Temporary(err))
		}
		if _, err := c.Me(ctx); mattermost.Uncertain(err) {
			t.Errorf("%s: a question cannot be uncertain: %v", test.what, err)
		}
		cancel()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = plainClient(t, "http://"+l.Addr().String()).CreatePost(soon(t), mattermost.NewPost{ChannelID: idA})
	if mattermost.Uncertain(err) || !mattermost.Temporary(err) || !strings.Contains(fault.Message(err), "cannot be reached") {
		t.Errorf("refused connection: %v", err)
	}
}

func TestForeignServers(t *testing.T) {
	ctx := soon(t)
	page := plainClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") }))
	if _, err := page.Me(ctx); !errors.Is(err, mattermost.ErrForeign) || !strings.Contains(fault.Message(err), "not Mattermost's API") {
		t.Errorf("a web page: %v", err)
	}
	if _, err := page.Ping(ctx); !errors.Is(err, mattermost.ErrForeign) {
		t.Errorf("ping of a web page: %v", err)
	}
	if _, err := page.Connect(ctx, mattermost.Resume{}); err == nil || mattermost.IsUnauthorized(err) || !strings.Contains(fault.Message(err), "Upgrade") {
		t.Errorf("WebSocket of a web page: %v", err)
	}
	if err := page.IncomingWebhook(ctx, page.Server()+"/hooks/"+idA, map[string]any{"text": "x"}); !errors.Is(err, mattermost.ErrForeign) {
		t.Errorf("webhook of a web page: %v", err)
	}
	other := plainClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://chat.example.org/api/v4/users/me", http.StatusFound)
	}))
	if _, err := other.Me(ctx); !strings.Contains(fault.Message(err), "https://chat.example.org") {
		t.Errorf("redirect: %v", err)
	}
	for body, id := range map[string]string{`{"id":"bad id <script>"}`: "", `{"id":5}`: "", `[]`: "", ``: "", `{"id":"a.b_c-d"}`: "a.b_c-d"} {
		c := plainClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, body)
		}))
		if _, err := c.Me(ctx); mattermost.StatusOf(err) != 400 || mattermost.IDOf(err) != id {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// Answers that are JSON and say nothing are no success.
func TestEmptyAnswers(t *testing.T) {
	ctx := soon(t)
	for _, body := range []string{`{}`, `{"id":"../x"}`, `<html>`, ``} {
		c := plainClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		for what, call := range map[string]func() error{
			"me":      func() error { _, err := c.Me(ctx); return err },
			"create":  func() error { _, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: idA}); return err },
			"channel": func() error { _, err := c.Channel(ctx, idA); return err },
		} {
			if err := call(); !errors.Is(err, mattermost.ErrForeign) || mattermost.Uncertain(err) != (what == "create") {
				t.Errorf("%s answered with %q: %v", what, body, err)
			}
		}
		if err := c.DeletePost(ctx, idA); (err != nil) != (body == `<html>` || body == ``) {
			t.Errorf("delete answered with %q: %v", body, err)
		}
	}
}

func TestOwnCertificates(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/websocket") {
			fmt.Fprintf(w, `{"id":%q}`, idA)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		say(r.Context(), ws, hello)
		listen(r.Context(), ws, pong)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, mattermost.Options{Server: s.URL, Token: secret.NewText("t"), CAFile: file})
	must(c.Me(soon(t)))(t)
	connect(t, c, mattermost.Resume{})
	for what, test := range map[string]struct{ server, shown string }{
		"unknown authority": {s.URL, "ca_file"},
		"no TLS":            {"https" + strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http"), "does not speak TLS"},
	} {
		c := plainClient(t, test.server)
		if _, err := c.Me(soon(t)); !strings.Contains(fault.Message(err), test.shown) || !mattermost.Temporary(err) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := c.Connect(soon(t), mattermost.Resume{}); !strings.Contains(fault.Message(err), test.shown) {
			t.Errorf("%s, WebSocket: %v", what, err)
		}
	}
	c = client(t, mattermost.Options{Server: strings.Replace(s.URL, "127.0.0.1", "localhost", 1), Token: secret.NewText("t"), CAFile: file})
	if _, err := c.Me(soon(t)); !strings.Contains(fault.Message(err), "another name") {
		t.Errorf("other name: %v", err)
	}
	c = client(t, mattermost.Options{Server: "http://192.0.2.1", Token: secret.NewText("t"), Proxy: "http://127.0.0.1:1"})
	if _, err := c.Me(soon(t)); !strings.Contains(fault.Message(err), "the proxy cannot be reached") {
		t.Errorf("proxy: %v", err)
	}
}

func TestIDsStayOutOfPaths(t *testing.T) {
	c := plainClient(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) }))
	ctx := soon(t)
	bad := "../../../x"
	calls := map[string]func() error{
		"User":          func() error { _, err := c.User(ctx, bad); return err },
		"Users":         func() error { _, err := c.Users(ctx, idA, bad); return err },
		"UserByName":    func() error { _, err := c.UserByName(ctx, ".."); return err },
		"Team":          func() error { _, err := c.Team(ctx, bad); return err },
		"TeamByName":    func() error { _, err := c.TeamByName(ctx, ""); return err },
		"TeamMember":    func() error { _, err := c.TeamMember(ctx, idA, bad); return err },
		"Channel":       func() error { _, err := c.Channel(ctx, bad); return err },
		"ChannelByName": func() error { _, err := c.ChannelByName(ctx, bad, "x"); return err },
		"ChannelMember": func() error { _, err := c.ChannelMember(ctx, idA, bad); return err },
		"JoinChannel":   func() error { return c.JoinChannel(ctx, bad) },
		"Direct":        func() error { _, err := c.Direct(ctx, bad); return err },
		"Direct none":   func() error { _, err := c.Direct(ctx); return err },
		"Post":          func() error { _, err := c.Post(ctx, bad); return err },
		"PostsBefore":   func() error { _, err := c.PostsBefore(ctx, idA, bad, 0); return err },
		"PostsSince":    func() error { _, err := c.PostsSince(ctx, bad, time.Now()); return err },
		"Thread":        func() error { _, err := c.Thread(ctx, bad); return err },
		"CreatePost":    func() error { _, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: bad}); return err },
		"CreatePost root": func() error {
			_, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: idA, RootID: bad})
			return err
		},
		"PatchPost":     func() error { _, err := c.PatchPost(ctx, bad, mattermost.Patch{}); return err },
		"DeletePost":    func() error { return c.DeletePost(ctx, bad) },
		"React":         func() error { return c.React(ctx, bad, "x") },
		"Unreact":       func() error { return c.Unreact(ctx, bad, "x") },
		"Typing":        func() error { return c.Typing(ctx, bad, "") },
		"Typing parent": func() error { return c.Typing(ctx, idA, bad) },
		"Hook":          func() error { return c.IncomingWebhook(ctx, "http://127.0.0.1/hooks/x", nil) },
		"Hook scheme":   func() error { return c.IncomingWebhook(ctx, "file:///hooks/"+idA, nil) },
	}
	for name, call := range calls {
		if err := call(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
