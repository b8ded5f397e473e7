package app

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/fault"
	"parley/internal/httpd"
	"parley/internal/secret"
	"parley/internal/testkit/wait"
)

func TestFirstStart(t *testing.T) {
	ctx, data, book := deadline(t), t.TempDir(), &logbook{}
	a := start(t, options(settings(t, data, nil), book))
	c := demoJSON(t, data)
	if c.BaseURL != "http://"+a.Addr().String() || !strings.HasPrefix(c.ClientID, "cs-") || !strings.HasPrefix(c.BotID, "st-") || c.BotName == "" || len(c.ClientSecret) < 32 {
		t.Errorf("demo.json holds %+v", c)
	}
	for _, name := range []string{"demo.json", "key", "parley.sock", "parley.db"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}

	s, granted := login(t, ctx, c.client("ann"))
	welcome := expect(t)(s.ExpectType(ctx, "bot_response"))
	if err := s.Say(ctx, 1, "my card is 4111 1111 1111"); err != nil {
		t.Fatal(err)
	}
	expect(t)(s.ExpectAck(ctx, "1"))
	if answer := expect(t)(s.ExpectType(ctx, "bot_response")); answer.MessageID == welcome.MessageID {
		t.Error("no answer but the welcome again")
	}

	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/demo.json": c.ClientID,
		"/metrics": `parley_turns_total{result="folded"} 2`, "/": "<html",
	} {
		if status, body := a.get(t, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s answers %d without %q: %.300s", path, status, want, body)
		}
	}
	if _, body := a.get(t, "/demo.json"); strings.Contains(body, c.ClientSecret) {
		t.Error("the page gives the secret away")
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	for what, private := range map[string]string{"the app's secret": c.ClientSecret, "an access token": granted.Authorization.AccessToken, "a message": "my card"} {
		if strings.Contains(book.String(), private) {
			t.Errorf("the log holds %s", what)
		}
	}
}

func TestStopEndsSocketsWithoutACloseFrame(t *testing.T) {
	ctx, data := deadline(t), t.TempDir()
	a := begin(t, data)
	s, _ := login(t, ctx, demoJSON(t, data).client("ann"))
	expect(t)(s.ExpectType(ctx, "bot_response"))
	run := make(chan error, 1)
	stopping, stop := context.WithCancel(t.Context())
	go func() { run <- a.Run(stopping) }()
	stop()
	err := s.Ended(ctx)
	if status := websocket.CloseStatus(err); status != -1 {
		t.Errorf("the socket ended with close code %d: %v", status, err)
	}
	if err := <-run; err != nil {
		t.Error(err)
	}
	if err := a.Stop(); err != nil {
		t.Errorf("the second stop: %v", err)
	}
	if c, err := net.Dial("tcp", a.Addr().String()); err == nil {
		c.Close()
		t.Error("the port still answers")
	}
	if _, err := os.Stat(filepath.Join(data, "parley.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the admin socket is left over: %v", err)
	}
}

func TestSecondStartKeepsEverything(t *testing.T) {
	ctx, data := deadline(t), t.TempDir()
	first := begin(t, data)
	before := demoJSON(t, data)
	s, _ := login(t, ctx, before.client("ann"))
	if err := s.Say(ctx, 1, "remember me"); err != nil {
		t.Fatal(err)
	}
	expect(t)(s.ExpectAck(ctx, "1"))
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	begin(t, data)
	after := demoJSON(t, data)
	if after.Demo != before.Demo {
		t.Errorf("the demo was %+v and is %+v", before.Demo, after.Demo)
	}
	client := after.client("ann")
	granted, err := client.Grant(ctx)
	if err != nil {
		t.Fatal(err)
	}
	history, err := client.History(ctx, granted.Authorization.AccessToken, "limit=10")
	if err != nil || history.Total != 3 || history.Messages[1].Text() != "remember me" {
		t.Errorf("history %+v, %v", history, err)
	}
}

func TestSecondServerOfAFolder(t *testing.T) {
	ctx, data := deadline(t), t.TempDir()
	begin(t, data)
	_, err := Start(ctx, options(settings(t, data, nil), &logbook{}))
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), data) || !strings.Contains(fault.Message(err), "in use") {
		t.Errorf("%v", err)
	}
	s, _ := login(t, ctx, demoJSON(t, data).client("ann"))
	expect(t)(s.ExpectType(ctx, "bot_response")) // the first is not disturbed
}

// TestStartThatFails has the last thing fail, when everything else has begun.
func TestStartThatFails(t *testing.T) {
	data := t.TempDir()
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before := runtime.NumGoroutine()
	for name, flags := range map[string]map[string]string{
		"certificate": {"tls-cert": junk, "tls-key": junk},
		"admin port":  {"admin-listen": taken.Addr().String()},
		"public port": {"listen": taken.Addr().String()},
	} {
		given, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o := options(settings(t, data, flags), &logbook{})
		if name != "public port" {
			o.Listener = given
		}
		a, err := Start(t.Context(), o)
		if err == nil || a != nil || fault.KindOf(err) == fault.Internal {
			t.Fatalf("%s: %v, %v", name, a, err)
		}
		if err := given.Close(); o.Listener != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: the listener is still open: %v", name, err)
		}
	}
	wait.For(t, time.Minute, func() bool { return runtime.NumGoroutine() <= before }, "the goroutines of starts that failed")
	begin(t, data) // the folder is free
}

func TestKeyFile(t *testing.T) {
	data := t.TempDir()
	key := filepath.Join(data, "key")
	fail := func(what, want string) {
		t.Helper()
		_, err := Start(t.Context(), options(settings(t, data, nil), &logbook{}))
		if err == nil || !strings.Contains(fault.Message(err), want) || fault.KindOf(err) == fault.Internal {
			t.Errorf("%s: %v", what, err)
		}
	}
	a := begin(t, data)
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	right, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	fail("a missing key file", "missing; put it back")
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key file was made for old data")
	}
	if _, err := secret.CreateKeyFile(key); err != nil {
		t.Fatal(err)
	}
	fail("a wrong key file", key)
	if err := os.WriteFile(key, right, 0o600); err != nil {
		t.Fatal(err)
	}
	begin(t, data)
}

func TestRefusalNamesTheFolder(t *testing.T) {
	s := settings(t, "/somewhere/data", nil)
	full := fault.New(fault.Unavailable, "the disk is full")
	if got := fault.Message(namingFolder(full, s)); got != "the data folder /somewhere/data: the disk is full" {
		t.Errorf("%q", got)
	}
	for _, err := range []error{errors.New("a bug"), fault.New(fault.Unavailable, "/somewhere/data cannot be written"), fault.New(fault.Conflict, "taken")} {
		if got := namingFolder(err, s); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestKeyFileInAFolderThatIsMissing(t *testing.T) {
	key := filepath.Join(t.TempDir(), "nowhere", "key")
	_, err := Start(t.Context(), options(settings(t, t.TempDir(), map[string]string{"key-file": key}), &logbook{}))
	if err == nil || !strings.Contains(fault.Message(err), "cannot be written") {
		t.Errorf("nothing is lost, but it says: %v", err)
	}
}

const ownFlow = "flow: 1\nlanguages: [en]\nwelcome:\n  say: Welcome\n"

func TestDemoGoesWithTheFirstRealApp(t *testing.T) {
	ctx, data := deadline(t), t.TempDir()
	a := begin(t, data)
	old := demoJSON(t, data)
	s, _ := login(t, ctx, old.client("ann"))
	expect(t)(s.ExpectType(ctx, "bot_response"))
	m, client := real("flow", ownFlow)
	if result := apply(t, data, m); !result.DemoRemoved {
		t.Errorf("%+v", result)
	}
	if _, err := os.Stat(filepath.Join(data, "demo.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("demo.json is still there: %v", err)
	}
	if status, _ := a.get(t, "/demo.json"); status != 404 {
		t.Errorf("the page's demo.json answers %d", status)
	}
	if err := s.Ended(ctx); err == nil {
		t.Error("the demo's socket lives on")
	}
	if _, err := old.client("ann").Grant(ctx); err == nil {
		t.Error("the demo's app still gets tokens")
	}
	client.Base = old.BaseURL
	own, _ := login(t, ctx, client)
	expect(t)(own.ExpectText(ctx, "bot_response", "Welcome"))
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	begin(t, data)
	if _, err := os.Stat(filepath.Join(data, "demo.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the demo is back after a restart: %v", err)
	}
}

// TestDemoThatAnotherProcessTookAway makes the change past the admin socket, as
// another node would.
func TestDemoThatAnotherProcessTookAway(t *testing.T) {
	data := t.TempDir()
	a := begin(t, data)
	m, _ := real("flow", ownFlow)
	if _, err := a.catalog.Apply(t.Context(), m, catalog.ApplyOptions{Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	wait.For(t, time.Minute, func() bool {
		_, err := os.Stat(filepath.Join(data, "demo.json"))
		return errors.Is(err, fs.ErrNotExist)
	}, "the end of demo.json")
	if status, _ := a.get(t, "/demo.json"); status != 404 {
		t.Errorf("the page's demo.json answers %d", status)
	}
}

func TestStopDuringATurn(t *testing.T) {
	ctx, data, kind := deadline(t), t.TempDir(), newSlow()
	book := &logbook{}
	o := options(settings(t, data, nil), book)
	o.Kinds, o.Policy = []assistant.Kind{kind}, quickTurns()
	a := start(t, o)
	m, client := real("slow", "any")
	apply(t, data, m)
	client.Base = a.BaseURL()
	s, granted := login(t, ctx, client)
	// A page asks for its history first; until then frames are held back.
	if _, err := client.History(ctx, granted.Authorization.AccessToken, ""); err != nil {
		t.Fatal(err)
	}
	say := func(id int64, text string) {
		t.Helper()
		if err := s.Say(ctx, id, text); err != nil {
			t.Fatal(err)
		}
		expect(t)(s.Expect(ctx, "ack", func(f rtmtest.Frame) bool { return f.Type == "ack" }))
	}
	say(1, "one")
	if got := <-kind.asked; got != "one" {
		t.Errorf("asked %q", got)
	}
	say(2, "two")
	say(3, "three")
	stopped := make(chan error, 1)
	go func() { stopped <- a.Stop() }()
	wait.For(t, time.Minute, func() bool { return strings.Contains(book.String(), `"part":"feed sweep"`) }, "the end of what ends before turns")
	kind.let <- struct{}{} // the turn under way finishes
	expect(t)(s.ExpectText(ctx, "bot_response", "re: one"))
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	for len(kind.asked) > 0 {
		<-kind.asked // the next had begun before the turns were told to end
	}

	a = start(t, o)
	if got := <-kind.asked; got != "two and three" {
		t.Errorf("after the restart asked %q", got)
	}
	kind.let <- struct{}{}
	client.Base = a.BaseURL()
	wait.Succeed(t, time.Minute, func() error {
		page, err := client.History(ctx, granted.Authorization.AccessToken, "limit=10")
		if err == nil && page.Total != 5 {
			err = errors.New("the second answer is missing")
		}
		return err
	}, "five messages")
}

func TestPublicServerThatFails(t *testing.T) {
	l, err := httpd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	o := options(settings(t, data, nil), &logbook{})
	o.Listener = l
	a, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serving ended") {
		t.Errorf("%v", err)
	}
	begin(t, data)
}

func TestOffline(t *testing.T) {
	data := t.TempDir()
	o := options(settings(t, data, nil), &logbook{})
	if _, _, err := Offline(t.Context(), o); !fault.Is(err, fault.NotFound) {
		t.Errorf("without data: %v", err)
	}
	if found, err := os.ReadDir(data); err != nil || len(found) != 0 {
		t.Errorf("a command has left %v in the folder", found)
	}
	a := begin(t, data)
	if _, _, err := Offline(t.Context(), o); !fault.Is(err, fault.Conflict) {
		t.Errorf("beside a server: %v", err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	_, end, err := Offline(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
