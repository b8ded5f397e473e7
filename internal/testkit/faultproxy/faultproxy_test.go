package faultproxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/wait"
)

const within = time.Minute

// upstream is the server behind the proxy: it keeps what it was asked and
// answers with it.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func serveUpstream(t *testing.T) *upstream {
	t.Helper()
	up := &upstream{}
	up.Server = httptest.NewServer(up)
	t.Cleanup(up.Close)
	return up
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	u.mu.Lock()
	u.seen = append(u.seen, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	u.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/websocket") {
		echo(w, r)
		return
	}
	w.Header().Set("X-Asked", r.Header.Get("X-Ask"))
	if r.URL.Path == "/break" { // in the middle of the answer
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, "did "+string(body))
}

func (u *upstream) asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

// client makes no connection outlive its request, so that nothing is repeated
// behind a test's back.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: within}

// call returns status and body, or an error with status 0.
func call(ctx context.Context, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	return resp.StatusCode, string(text), nil
}

func answered(t *testing.T, p *faultproxy.Proxy, path, body, want string) {
	t.Helper()
	status, got, err := call(t.Context(), http.MethodPost, p.URL+path, body)
	if err != nil || status != http.StatusCreated || got != want {
		t.Errorf("answer %d %q %v, want 201 %q", status, got, err, want)
	}
}

func lost(t *testing.T, p *faultproxy.Proxy, path, body string) {
	t.Helper()
	if status, got, err := call(t.Context(), http.MethodPost, p.URL+path, body); err == nil {
		t.Errorf("answer %d %q, want none", status, got)
	}
}

func (u *upstream) wants(t *testing.T, want ...string) {
	t.Helper()
	if got := u.asked(); !slices.Equal(got, want) {
		t.Errorf("the server was asked %q, want %q", got, want)
	}
}

func TestNothingChangesWithoutFaults(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+"/a/b?c=d%20e", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Ask", "why")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "did body" || resp.StatusCode != http.StatusCreated || resp.Header.Get("X-Asked") != "why" {
		t.Errorf("answer %s %q %v %v", resp.Status, text, resp.Header, err)
	}
	up.wants(t, "PUT /a/b?c=d%20e body")
}

func TestAnswersInTheServersPlace(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	first := p.Next(1, faultproxy.To("POST", "/posts"),
		faultproxy.Answer(429, http.Header{"Retry-After": {"1"}, "Content-Type": {"text/plain"}}, "limit exceeded\n"))
	second := p.Next(2, faultproxy.To("", "/posts/*/patch"), faultproxy.Answer(503, nil, "busy"))
	all := p.Watch(faultproxy.Any)

	resp, err := client.Post(p.URL+"/posts", "text/plain", strings.NewReader("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || string(text) != "limit exceeded\n" {
		t.Errorf("answer %s %v %q", resp.Status, resp.Header, text)
	}
	answered(t, p, "/posts", "two", "did two")
	for range 2 {
		if status, body, err := call(t.Context(), "PUT", p.URL+"/posts/17/patch", ""); status != 503 || body != "busy" {
			t.Errorf("answer %d %q %v", status, body, err)
		}
	}
	answered(t, p, "/posts/17/patch", "three", "did three")
	answered(t, p, "/posts/1/7/patch", "four", "did four")
	up.wants(t, "POST /posts two", "POST /posts/17/patch three", "POST /posts/1/7/patch four")
	if first.Hits() != 1 || second.Hits() != 2 || all.Hits() != 6 {
		t.Errorf("hits %d %d, requests %d, want 1 2 6", first.Hits(), second.Hits(), all.Hits())
	}
}

func TestRulesTakeTurnsAndAreLifted(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	p.Next(1, faultproxy.Any, faultproxy.Answer(500, nil, "first"))
	always := p.On(faultproxy.Any, faultproxy.Answer(502, nil, "second"))
	never := p.Next(0, faultproxy.Any, faultproxy.Answer(504, nil, "never"))
	for _, want := range []int{500, 502, 502, 502} {
		if status, _, err := call(t.Context(), "GET", p.URL, ""); status != want {
			t.Errorf("status %d %v, want %d", status, err, want)
		}
	}
	for range 2 {
		always.Lift()
	}
	answered(t, p, "/x", "", "did ")
	if always.Hits() != 3 || never.Hits() != 0 {
		t.Errorf("hits %d and %d, want 3 and 0", always.Hits(), never.Hits())
	}
}

func TestLostRequestsAndAnswers(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	p.Next(1, faultproxy.Any, faultproxy.LoseRequest())
	p.Next(1, faultproxy.Any, faultproxy.LoseAnswer())
	lost(t, p, "/posts", "one")
	up.wants(t)
	lost(t, p, "/posts", "two")
	up.wants(t, "POST /posts two")
	answered(t, p, "/posts", "three", "did three")
}

func TestHeldAnswerComesWhenTheRuleIsLifted(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	rule := p.Next(1, faultproxy.Any, faultproxy.HoldAnswer())
	var came sync.WaitGroup
	came.Go(func() { answered(t, p, "/posts", "one", "did one") })
	wait.For(t, within, func() bool { return len(up.asked()) == 1 }, "the server to be asked")
	answered(t, p, "/posts", "two", "did two") // overtakes it
	rule.Lift()
	came.Wait()
	up.wants(t, "POST /posts one", "POST /posts two")
}

func TestTheServerActsAlthoughTheClientGaveUp(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	rule := p.On(faultproxy.Any, faultproxy.HoldAnswer())
	ctx, cancel := context.WithCancel(t.Context())
	var gaveUp sync.WaitGroup
	gaveUp.Go(func() {
		if status, _, err := call(ctx, "POST", p.URL+"/posts", "one"); !errors.Is(err, context.Canceled) {
			t.Errorf("status %d, %v", status, err)
		}
	})
	wait.For(t, within, func() bool { return rule.Hits() == 1 }, "the request")
	cancel()
	gaveUp.Wait()
	wait.For(t, within, func() bool { return len(up.asked()) == 1 }, "the server to be asked")
}

func TestHangingRequest(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	rule := p.Next(2, faultproxy.Any, faultproxy.Hang())
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() { call(ctx, "POST", p.URL+"/posts", "one") })
	wait.For(t, within, func() bool { return rule.Hits() == 1 }, "the first request")
	cancel()
	calls.Wait()
	calls.Go(func() { answered(t, p, "/posts", "two", "did two") })
	wait.For(t, within, func() bool { return rule.Hits() == 2 }, "the second request")
	up.wants(t)
	rule.Lift()
	calls.Wait()
	up.wants(t, "POST /posts two")
}

func TestDelays(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	const pause = 30 * time.Millisecond
	p.Next(1, faultproxy.Any, faultproxy.Delay(pause))
	p.Next(1, faultproxy.Any, faultproxy.DelayAnswer(pause))
	for _, body := range []string{"one", "two"} {
		start := time.Now()
		answered(t, p, "/posts", body, "did "+body)
		if took := time.Since(start); took < pause {
			t.Errorf("%s took %v, want at least %v", body, took, pause)
		}
	}
	// The pause is for the request alone, and ends with its rule.
	long := p.Next(2, faultproxy.Any, faultproxy.Delay(time.Hour))
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { answered(t, p, "/posts", "three", "did three") })
	}
	wait.For(t, within, func() bool { return long.Hits() == 2 }, "both requests")
	long.Lift()
	calls.Wait()
}

func TestDownRefusesConnections(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	held := p.Next(1, faultproxy.Any, faultproxy.Hang())
	var calls sync.WaitGroup
	calls.Go(func() { lost(t, p, "/posts", "cut") })
	wait.For(t, within, func() bool { return held.Hits() == 1 }, "a request under way")
	for range 2 {
		p.Down()
	}
	calls.Wait()
	if _, _, err := call(t.Context(), "GET", p.URL, ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while down: %v, want connection refused", err)
	}
	for range 2 {
		if err := p.Up(); err != nil {
			t.Fatal(err)
		}
	}
	answered(t, p, "/posts", "one", "did one")
	up.wants(t, "POST /posts one")
}

func TestTheServersOwnFailuresCutTheConnection(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	lost(t, p, "/break", "")
	answered(t, p, "/posts", "one", "did one")
	up.Close()
	lost(t, p, "/posts", "two")
	lost(t, p, "/websocket", "")
}

func TestCloseEndsWhatHangs(t *testing.T) {
	up := serveUpstream(t)
	p, err := faultproxy.Run(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	hang := p.Next(1, faultproxy.To("", "/a"), faultproxy.Hang())
	hold := p.Next(1, faultproxy.To("", "/b"), faultproxy.HoldAnswer())
	var calls sync.WaitGroup
	calls.Go(func() { lost(t, p, "/a", "") })
	calls.Go(func() { lost(t, p, "/b", "") })
	conn := dial(t, p.URL+"/websocket")
	wait.For(t, within, func() bool { return hang.Hits()+hold.Hits() == 2 }, "both requests")
	for range 2 {
		p.Close()
	}
	calls.Wait()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the WebSocket is still open")
	}
	if err := p.Up(); err == nil {
		t.Error("a closed proxy went up")
	}
}

func TestTargetMustBeAnAddress(t *testing.T) {
	for _, target := range []string{"", "127.0.0.1:80", "https://127.0.0.1:80", "http://localhost", "http://[::1"} {
		if p, err := faultproxy.Run(target); err == nil {
			p.Close()
			t.Errorf("took the target %q", target)
		}
	}
}

// Everything at once, for the race detector.
func TestSwitchesWhileRequestsRun(t *testing.T) {
	up := serveUpstream(t)
	p := faultproxy.New(t, up.URL)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for ctx.Err() == nil {
				call(ctx, "POST", p.URL+"/posts", "x")
				if conn := tryDial(ctx, p.URL+"/websocket"); conn != nil {
					conn.CloseNow()
				}
			}
		})
	}
	all := p.Watch(faultproxy.Any)
	for range 100 {
		rule := p.Next(1, faultproxy.Any, faultproxy.LoseAnswer())
		held := p.On(faultproxy.Upgrades, faultproxy.Hang())
		p.Silence(faultproxy.ToClient | faultproxy.ToServer)
		p.Drop(faultproxy.ToClient, 1)
		p.StripQuery("a")
		p.CutSockets()
		p.Down()
		if err := p.Up(); err != nil {
			t.Fatal(err)
		}
		p.Silence(0)
		held.Lift()
		rule.Lift()
	}
	seen := all.Hits()
	wait.For(t, within, func() bool { return all.Hits() > seen+10 }, "requests after the storm")
	cancel()
	work.Wait()
	wait.For(t, within, func() bool { return p.Sockets() == 0 }, "the WebSockets to end")
	answered(t, p, "/posts", "calm", "did calm")
}
