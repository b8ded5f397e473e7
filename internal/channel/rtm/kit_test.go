package rtm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/secret"
)

// patience bounds every wait; a test that reaches it has failed.
const patience = time.Minute

const (
	botID   = "st-f74a3430-3b19-55a3-be41-1ab1a35c4685"
	appID   = "cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739"
	secret1 = "a-secret-of-the-app-that-has-32-bytes"
)

// kit is a driver behind a real listener, with a gateway in memory.
type kit struct {
	*rtmtest.Gateway
	t      testing.TB
	driver *rtm.Driver
	server *httptest.Server
	trace  *rtmtest.Trace
	// ahead is added to the driver's clock.
	ahead atomic.Int64
	ctx   context.Context
}

// settings of the one channel most tests use.
func settings(app map[string]any) json.RawMessage {
	full := map[string]any{"id": appID, "secret": secret1}
	for k, v := range app {
		full[k] = v
	}
	raw, _ := json.Marshal(map[string]any{
		"bot":  map[string]any{"id": botID, "name": "Demo Bot", "icon": "https://host.example/bot.png"},
		"apps": []any{full},
	})
	return raw
}

// configure settles settings and opens their secrets as the catalog does.
func configure(t testing.TB, name string, raw json.RawMessage) channel.Configured {
	t.Helper()
	s, err := rtm.Kind{}.Settle(name, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return channel.Configured{ID: s.ID, Name: name, Body: s.Body, Secret: func(id string) (string, error) {
		v, ok := s.Secrets[id]
		if !ok {
			return "", fmt.Errorf("no secret %q", id)
		}
		return v, nil
	}}
}

// start runs a driver with one channel until the test ends.
func start(t testing.TB, change func(*kit, *rtm.Options), channels ...channel.Configured) *kit {
	t.Helper()
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{Gateway: rtmtest.NewGateway(), t: t, trace: &rtmtest.Trace{}}
	k.Welcome = "Hello!"
	var cancel context.CancelFunc
	k.ctx, cancel = context.WithTimeout(context.Background(), 3*patience)
	o := rtm.Options{
		Gateway: k.Gateway, Feed: k.Gateway, Log: k.Gateway, Trace: k.trace, Writer: k.Gateway, Ready: k.Ready,
		Signer: secret.NewSigner(box), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Origin: func(r *http.Request) *url.URL { return &url.URL{Scheme: "http", Host: r.Host} },
		Now:    func() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) },
		Tick:   20 * time.Millisecond,
	}
	if change != nil {
		change(k, &o)
	}
	if k.driver, err = rtm.New(o); err != nil {
		t.Fatal(err)
	}
	if len(channels) == 0 {
		channels = []channel.Configured{configure(t, "website", settings(nil))}
	}
	k.put(channels...)
	k.server = httptest.NewServer(k.driver.Handler())
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if err := k.driver.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		k.server.Close()
		cancel()
	})
	return k
}

func (k *kit) put(channels ...channel.Configured) {
	k.t.Helper()
	apply, err := k.driver.Prepare(channels)
	if err != nil {
		k.t.Fatal(err)
	}
	apply()
}

func (k *kit) client(user string) *rtmtest.Client {
	return &rtmtest.Client{
		Base: k.server.URL, App: appID, Secret: secret1, Bot: botID, BotName: "Demo Bot", User: user, HTTP: k.server.Client(),
	}
}

// place is the key of a user's conversation.
func place(user string) string { return appID + "/" + user }

func (k *kit) login(user string) (*rtmtest.Socket, string) {
	k.t.Helper()
	s, g, err := k.client(user).Login(k.ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.listen(s), g.Authorization.AccessToken
}

func (k *kit) listen(s *rtmtest.Socket) *rtmtest.Socket {
	s.Listen()
	k.t.Cleanup(func() { _ = s.Drop() })
	return s
}

func (k *kit) grant(user string) string {
	k.t.Helper()
	g, err := k.client(user).Grant(k.ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	return g.Authorization.AccessToken
}

func (k *kit) connect(user, token, flags string) *rtmtest.Socket {
	k.t.Helper()
	s, err := k.client(user).Connect(k.ctx, token, flags)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.listen(s)
}

// must takes the result of an Expect call.
func (k *kit) must(f rtmtest.Frame, err error) rtmtest.Frame {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
	return f
}

func (k *kit) send(s *rtmtest.Socket, v any) {
	k.t.Helper()
	if text, ok := v.(string); ok {
		v = []byte(text)
	}
	if err := s.Send(k.ctx, v); err != nil {
		k.t.Fatal(err)
	}
}

// settle returns the frames on s that nobody has taken, after everything sent
// before it was handled: a message of its own goes round and is taken out.
func (k *kit) settle(s *rtmtest.Socket) []rtmtest.Frame {
	k.t.Helper()
	id := 1_000_000 + barrier.Add(1)
	if err := s.Say(k.ctx, id, fmt.Sprint("barrier ", id)); err != nil {
		k.t.Fatal(err)
	}
	k.must(s.ExpectAck(k.ctx, fmt.Sprint(id)))
	k.must(s.ExpectText(k.ctx, "bot_response", fmt.Sprint("You said: barrier ", id)))
	return s.Pending()
}

var barrier atomic.Int64

func summary(frames []rtmtest.Frame) string {
	var all []string
	for _, f := range frames {
		all = append(all, f.Type+":"+f.Text())
	}
	return strings.Join(all, " | ")
}

func (k *kit) do(method, path string, header map[string]string, body string) (*http.Response, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.ctx, method, k.server.URL+path, strings.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	for name, v := range header {
		req.Header.Set(name, v)
	}
	client := *k.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return resp, string(got)
}
