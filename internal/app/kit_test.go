package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/conversation"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// settings of a server on a free port, as `parley serve` would load them.
func settings(t *testing.T, data string, more map[string]string) config.Settings {
	t.Helper()
	flags := map[string]string{"data": data, "listen": "127.0.0.1:0"}
	for name, value := range more {
		flags[name] = value
	}
	s, _, err := config.Load(config.Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logbook is a log that a test reads.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// options of a server that logs everything to book, as the program would.
func options(s config.Settings, book *logbook) Options {
	return Options{Settings: s, Version: "test", Logger: telemetry.NewLogger(book, slog.LevelDebug, "json", secret.RedactField)}
}

func start(t *testing.T, o Options) *App {
	t.Helper()
	a, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func begin(t *testing.T, data string) *App {
	t.Helper()
	return start(t, options(settings(t, data, nil), &logbook{}))
}

func (a *App) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + a.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// demoJSON reads demo.json as an SDK's owner would.
func demoJSON(t *testing.T, data string) demoConnection {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c demoConnection
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c demoConnection) client(user string) *rtmtest.Client {
	return &rtmtest.Client{Base: c.BaseURL, App: c.ClientID, Secret: c.ClientSecret, Bot: c.BotID, BotName: c.BotName, User: user}
}

// login opens a socket that ends with the test.
func login(t *testing.T, ctx context.Context, c *rtmtest.Client) (*rtmtest.Socket, rtmtest.Granted) {
	t.Helper()
	s, granted, err := c.Login(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Drop() })
	return s.Listen(), granted
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// expect fails the test when an expectation of a socket does.
func expect(t *testing.T) func(f rtmtest.Frame, err error) rtmtest.Frame {
	return func(f rtmtest.Frame, err error) rtmtest.Frame {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// apply puts a manifest in place through the admin socket.
func apply(t *testing.T, data string, m catalog.Manifest) catalog.Result {
	t.Helper()
	body, err := json.Marshal(adminapi.ApplyRequest{Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return adminapi.Dial(data) }}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Post("http://parley"+adminapi.Prefix+"/apply", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	var result catalog.Result
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(answer, &result) != nil {
		t.Fatalf("%d %s, %v", res.StatusCode, answer, err)
	}
	return result
}

// real is a manifest with one app of the owner, answered by an assistant of the
// given kind.
func real(kind, definition string) (catalog.Manifest, *rtmtest.Client) {
	c := &rtmtest.Client{
		App: "cs-00000000-0000-4000-8000-000000000001", Secret: "a-secret-of-at-least-32-characters-x",
		Bot: "st-00000000-0000-4000-8000-000000000002", BotName: "Real", User: "ann",
	}
	settings := `{"bot": {"id": "` + c.Bot + `", "name": "Real"}, "apps": [{"id": "` + c.App + `", "secret": "` + c.Secret + `"}]}`
	return catalog.Manifest{
		Assistants: map[string]catalog.AssistantSpec{"own": {Kind: kind, Definition: definition}},
		Channels:   map[string]catalog.ChannelSpec{"site": {Type: "rtm", Assistant: "own", Settings: json.RawMessage(settings)}},
	}, c
}

// slow is a kind of assistant that answers when it is let.
type slow struct {
	asked chan string
	let   chan struct{}
}

func newSlow() *slow { return &slow{asked: make(chan string, 10), let: make(chan struct{})} }

func (s *slow) Name() string { return "slow" }

func (s *slow) Compile(string, []byte) (assistant.Assistant, error) { return s, nil }

func (s *slow) Collects() bool { return true }

func (s *slow) Answer(ctx context.Context, turn assistant.Turn) (assistant.Reply, error) {
	var said []string
	for _, e := range turn.Entries {
		if e.Purpose == chat.Message {
			said = append(said, e.Content.Input())
		}
	}
	if len(said) == 0 {
		return assistant.Reply{}, nil
	}
	text := strings.Join(said, " and ")
	s.asked <- text
	select {
	case <-s.let:
		return assistant.Reply{Messages: []chat.Content{chat.TextContent("re: " + text)}}, nil
	case <-ctx.Done():
		return assistant.Reply{}, ctx.Err()
	}
}

// quickTurns keeps tests of turns short.
func quickTurns() *conversation.Policy {
	p := conversation.DefaultPolicy()
	p.FirstRetry, p.LastRetry, p.Tick = time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
	return &p
}
