package adminapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/adminapi/adminapitest"
	"parley/internal/fault"
	"parley/internal/secret"
)

// remote is the API as a network sees it, beside the owner's socket.
type remote struct {
	t *testing.T
	*shelf
	tokens  adminapitest.Tokens
	now     time.Time
	log     bytes.Buffer
	open    http.Handler
	guarded http.Handler
	address string
}

func newRemote(t *testing.T) *remote {
	r := &remote{t: t, shelf: &shelf{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), address: "192.0.2.1"}
	s := adminapi.Services{
		Catalog: r.shelf, Tokens: &r.tokens, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Now: func() time.Time { return r.now }, Client: func(*http.Request) string { return r.address },
	}
	r.open, r.guarded = adminapi.New(s), adminapi.NewRemote(s)
	return r
}

// ask sends a request with a token, or without one when it is empty.
func (r *remote) ask(token, method, path, body string) *httptest.ResponseRecorder {
	r.t.Helper()
	q := httptest.NewRequest(method, "/api/v1"+path, strings.NewReader(body))
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	r.guarded.ServeHTTP(w, q)
	if cors := w.Header().Get("Access-Control-Allow-Origin"); cors != "" {
		r.t.Errorf("%s %s lets pages of %s in", method, path, cors)
	}
	return w
}

// create makes a token as the owner at the socket.
func (r *remote) create(body string) adminapi.APITokenAnswer {
	r.t.Helper()
	q := httptest.NewRequest(http.MethodPost, "/api/v1/tokens", strings.NewReader(body))
	w := httptest.NewRecorder()
	r.open.ServeHTTP(w, q)
	var made adminapi.APITokenAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusOK {
		r.t.Fatalf("create %s: %d %s", body, w.Code, w.Body)
	}
	return made
}

// operations walks the document: every operation and its scope.
func operations(t *testing.T) map[string]string {
	t.Helper()
	text, err := adminapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			name := strings.ToUpper(method) + " " + path
			if len(o.Security) != 1 || len(o.Security[0]["token"]) != 1 {
				t.Errorf("%s declares no scope", name)
				continue
			}
			all[name] = o.Security[0]["token"][0]
		}
	}
	return all
}

func TestEveryOperationAsksForItsScope(t *testing.T) {
	known := map[string]bool{}
	for _, s := range adminapi.Scopes() {
		known[string(s)] = true
	}
	all := operations(t)
	if len(all) < 15 {
		t.Fatalf("only %d operations found", len(all))
	}
	r := newRemote(t)
	var without []string
	for scope := range known {
		if scope != "*" {
			r.tokens.Add("only-"+scope, secret.HashToken("pat_"+scope), r.now, scope)
		}
	}
	for name, scope := range all {
		if !known[scope] || scope == "*" {
			t.Errorf("%s asks for %q, which no small token can have", name, scope)
		}
		method, path, _ := strings.Cut(strings.NewReplacer("/api/v1", "", "{", "", "}", "").Replace(name), " ")
		if w := r.ask("", method, path, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", name, w.Code)
		}
		for other := range known {
			if other == "*" || other == scope {
				continue
			}
			w := r.ask("pat_"+other, method, path, "")
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "lacks the scope "+scope) {
				t.Errorf("%s with %s: %d %s", name, other, w.Code, w.Body)
				without = append(without, name)
			}
		}
	}
	if len(without) > 0 {
		t.Errorf("open to others: %v", without)
	}
}

func TestAuthentication(t *testing.T) {
	r := newRemote(t)
	made := r.create(`{"name":"ci","scopes":["catalog:read"],"life":3600}`)
	r.create(`{"name":"gone","scopes":["*"]}`)
	if !strings.HasPrefix(made.Secret, "pat_") || secret.Redact("got "+made.Secret) != "got [redacted]" {
		t.Errorf("logs would show %s", made.Secret)
	}
	for _, test := range []struct {
		name   string
		header []string
		code   int
		says   string
	}{
		{"none", nil, 401, "a token is needed"},
		{"good", []string{"Bearer " + made.Secret}, 200, ""},
		{"small letters", []string{"bearer  " + made.Secret}, 200, ""},
		{"other letters", []string{"Bearer " + strings.ToLower(made.Secret)}, 401, "not known"},
		{"shorter", []string{"Bearer " + made.Secret[:40]}, 401, "not known"},
		{"another kind", []string{"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"}, 401, "begin with pat_"},
		{"enormous", []string{"Bearer pat_" + strings.Repeat("A", 20000)}, 401, "begin with pat_"},
		{"basic", []string{"Basic " + made.Secret}, 401, "not understood"},
		{"bare", []string{made.Secret}, 401, "not understood"},
		{"empty", []string{"Bearer "}, 401, "not understood"},
		{"two tokens", []string{"Bearer " + made.Secret + "," + made.Secret}, 401, "not understood"},
		{"two headers", []string{"Bearer " + made.Secret, "Bearer " + made.Secret}, 401, "not understood"},
	} {
		r.address = test.name // so that no row slows another one down
		q := httptest.NewRequest(http.MethodGet, "/api/v1/channels", nil)
		q.Header["Authorization"] = test.header
		w := httptest.NewRecorder()
		r.guarded.ServeHTTP(w, q)
		if w.Code != test.code || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", test.name, w.Code, w.Body)
		}
		if test.code != 200 {
			f := failureOf(t, w)
			if f.Kind != fault.Unauthenticated || !strings.Contains(f.Detail, test.says) || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: %+v", test.name, f)
			}
		}
	}
	r.address = "192.0.2.1"
	r.now = r.now.Add(time.Hour)
	if f := failureOf(t, r.ask(made.Secret, http.MethodGet, "/channels", "")); f.Status != 401 || !strings.Contains(f.Detail, "ci expired at 2026-03-01T13:00:00Z") {
		t.Errorf("expired: %+v", f)
	}
	if strings.Contains(r.log.String(), "pat_") {
		t.Errorf("the log shows a token:\n%s", r.log.String())
	}
}

func TestRevokedAtOnce(t *testing.T) {
	r := newRemote(t)
	made := r.create(`{"name":"ci","scopes":["tokens","catalog:read"]}`)
	if w := r.ask(made.Secret, http.MethodGet, "/channels", ""); w.Code != 200 {
		t.Fatalf("before: %d", w.Code)
	}
	if w := r.ask(made.Secret, http.MethodDelete, "/tokens/ci", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"revoked"`) {
		t.Fatalf("revoke: %d %s", w.Code, w.Body)
	}
	if f := failureOf(t, r.ask(made.Secret, http.MethodGet, "/channels", "")); f.Status != 401 || !strings.Contains(f.Detail, "was revoked") {
		t.Errorf("after: %+v", f)
	}
	if got := r.tokens.Actors(); len(got) != 2 || got[0] != "owner" || got[1] != made.ID {
		t.Errorf("done by %v", got)
	}
}

// A store that cannot be asked lets nobody in, and is no fault of the token.
func TestNoStoreNoEntry(t *testing.T) {
	r := newRemote(t)
	made := r.create(`{"name":"ci","scopes":["*"]}`)
	r.ask(made.Secret, http.MethodGet, "/channels", "")
	r.tokens.Fail(fault.Wrap(errors.New("password=x"), fault.Unavailable, "the database is away"))
	for range 30 {
		w := r.ask(made.Secret, http.MethodGet, "/channels", "")
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "password") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	r.tokens.Fail(nil)
	if w := r.ask(made.Secret, http.MethodGet, "/channels", ""); w.Code != 200 {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	r := newRemote(t)
	good := r.create(`{"name":"good","scopes":["*"]}`)
	fresh := r.create(`{"name":"fresh","scopes":["*"]}`)
	r.ask(good.Secret, http.MethodGet, "/channels", "")
	guess := func() *httptest.ResponseRecorder {
		return r.ask("pat_GUESSGUESSGUESSGUESSGUESS", http.MethodGet, "/channels", "")
	}
	for i := range 10 {
		if w := guess(); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, w.Code)
		}
	}
	before, _ := r.tokens.Asked()
	w := guess()
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "6" || failureOf(t, w).Kind != fault.TooMany {
		t.Errorf("guess 11: %d, retry after %q", w.Code, w.Header().Get("Retry-After"))
	}
	if after, _ := r.tokens.Asked(); after != before {
		t.Error("the store was asked for an address that has to wait")
	}
	if w := r.ask(good.Secret, http.MethodGet, "/channels", ""); w.Code != 200 {
		t.Errorf("a token that was good lately is shut out by its neighbour: %d", w.Code)
	}
	if w := r.ask(fresh.Secret, http.MethodGet, "/channels", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("an unknown one from the same address: %d", w.Code)
	}
	r.address = "192.0.2.2"
	if w := guess(); w.Code != http.StatusUnauthorized {
		t.Errorf("another address: %d", w.Code)
	}
	r.address = "192.0.2.1"
	r.now = r.now.Add(6 * time.Second)
	if w := guess(); w.Code != http.StatusUnauthorized {
		t.Errorf("after the wait: %d", w.Code)
	}
	if w := guess(); w.Code != http.StatusTooManyRequests {
		t.Errorf("and once more: %d", w.Code)
	}
	if got := strings.Count(r.log.String(), "too many wrong"); got == 0 || got > 2 {
		t.Errorf("said %d times in the log", got)
	}
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	r := newRemote(t)
	made := r.create(`{"name":"ci","scopes":["*"]}`)
	for i := range 130 {
		if w := r.ask(made.Secret, http.MethodGet, "/channels", ""); w.Code != 200 {
			t.Fatalf("%d: %d", i, w.Code)
		}
		r.now = r.now.Add(time.Second)
	}
	if _, uses := r.tokens.Asked(); uses != 3 {
		t.Errorf("noted %d times in 130 seconds, want 3", uses)
	}
	w := r.ask(made.Secret, http.MethodGet, "/tokens/ci", "")
	var got adminapi.APIToken
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.LastUsedAt == nil || r.now.Sub(*got.LastUsedAt) > time.Minute {
		t.Errorf("%+v, %v", got, err)
	}
}

// The socket asks for nothing, and does not mind a token that is sent anyway.
func TestSocketNeedsNoToken(t *testing.T) {
	r := newRemote(t)
	q := httptest.NewRequest(http.MethodGet, "/api/v1/channels", nil)
	q.Header.Set("Authorization", "Bearer nonsense")
	w := httptest.NewRecorder()
	r.open.ServeHTTP(w, q)
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestDocumentNeedsNoToken(t *testing.T) {
	r := newRemote(t)
	if w := r.ask("", http.MethodGet, "/openapi.json", ""); w.Code != 200 || !bytes.Contains(w.Body.Bytes(), []byte("3.1.0")) {
		t.Errorf("%d", w.Code)
	}
	if w := r.ask("", http.MethodGet, "/nothing", ""); w.Code != 404 {
		t.Errorf("an unknown path: %d", w.Code)
	}
	if w := r.ask("", http.MethodOptions, "/channels", ""); w.Code < 400 {
		t.Errorf("a preflight: %d", w.Code)
	}
}

// Nothing is read of the body of a stranger.
func TestBodyOfAStrangerIsNotRead(t *testing.T) {
	r := newRemote(t)
	body := &counted{}
	q := httptest.NewRequest(http.MethodPost, "/api/v1/apply", body)
	q.Header.Set("Authorization", "Bearer pat_unknown")
	w := httptest.NewRecorder()
	r.guarded.ServeHTTP(w, q)
	if w.Code != 401 || body.read > 0 {
		t.Errorf("%d after %d reads", w.Code, body.read)
	}
}

type counted struct{ read int }

func (c *counted) Read([]byte) (int, error) {
	c.read++
	return 0, fmt.Errorf("read %d", c.read)
}
