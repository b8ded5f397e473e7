package adminapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/fault"
	"parley/internal/store"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// shelf is a catalog that answers as it is told.
type shelf struct {
	applied catalog.Manifest
	options catalog.ApplyOptions
	result  catalog.Result
	err     error
}

func (s *shelf) Apply(_ context.Context, m catalog.Manifest, o catalog.ApplyOptions) (catalog.Result, error) {
	s.applied, s.options = m, o
	return s.result, s.err
}

func (s *shelf) Delete(context.Context, store.ItemKind, string, string) (catalog.Result, error) {
	return s.result, s.err
}

func (s *shelf) Channels(context.Context) ([]catalog.Channel, error) { return nil, s.err }

func (s *shelf) Channel(context.Context, string, string) (catalog.ChannelDetails, error) {
	if s.err == nil {
		panic("a bug")
	}
	return catalog.ChannelDetails{}, s.err
}

func (s *shelf) Assistants(context.Context) ([]catalog.AssistantView, error) { return nil, s.err }

func (s *shelf) TestToken(context.Context, string, string, string, time.Duration) (string, error) {
	return "token", s.err
}

type bench struct {
	*shelf
	log     bytes.Buffer
	applied []catalog.Result
	handler http.Handler
}

func newBench() *bench {
	b := &bench{shelf: &shelf{}}
	b.handler = adminapi.New(adminapi.Services{
		Catalog: b.shelf, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		Applied: func(r catalog.Result) { b.applied = append(b.applied, r) },
	})
	return b
}

func (b *bench) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func failureOf(t *testing.T, w *httptest.ResponseRecorder) adminapi.Failure {
	t.Helper()
	var f adminapi.Failure
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatalf("answer %q: %v", w.Body.String(), err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if f.Status != w.Code || f.Detail == "" {
		t.Errorf("status %d in %+v", w.Code, f)
	}
	return f
}

func TestApply(t *testing.T) {
	b := newBench()
	b.result = catalog.Result{Revision: 7, Changes: []catalog.Change{{Action: catalog.Create, Kind: store.ItemChannel, Name: "site"}}}
	const request = `{"manifest":{"channels":{"site":{"type":"rtm","assistant":"desk","settings":{"apps":[{"n":9007199254740993}]}}}}}`
	w := b.ask(http.MethodPost, "/api/v1/apply", request)
	var got catalog.Result
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.Revision != 7 {
		t.Fatalf("answer %d %s, %v", w.Code, w.Body, err)
	}
	if got := string(b.shelf.applied.Channels["site"].Settings); got != `{"apps":[{"n":9007199254740993}]}` {
		t.Errorf("settings arrived as %s", got)
	}
	if len(b.applied) != 1 || b.options.DryRun || b.options.Actor == "" {
		t.Errorf("told %d times, options %+v", len(b.applied), b.options)
	}
	b.result.DryRun = true
	b.ask(http.MethodPost, "/api/v1/apply", strings.Replace(request, `{"manifest"`, `{"dry_run":true,"manifest"`, 1))
	if !b.options.DryRun || len(b.applied) != 1 {
		t.Errorf("dry run: told %d times, options %+v", len(b.applied), b.options)
	}
}

// A secret in the wrong field must not come back.
func TestFailuresNeverEcho(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, body := range []string{
		`{"manifest":{"channels":{"site":{"type":"rtm","assistant":{"oops":"` + secret + `"}}}}}`,
		`{"manifest":{"channels":{"site":{"type":7,"assistant":"x","disabled":"` + secret + `"}}}}`,
		`{"manifest":"` + secret + `"}`,
		`{"dry_run":"` + secret + `","manifest":{}}`,
		`{"manifest":{}, "` + secret[:3] + ``,
		`"` + secret + `"`,
	} {
		b := newBench()
		w := b.ask(http.MethodPost, "/api/v1/apply", body)
		f := failureOf(t, w)
		if w.Code != http.StatusBadRequest || f.Kind != fault.Invalid {
			t.Errorf("%s: %d %+v", body, w.Code, f)
		}
		if strings.Contains(w.Body.String(), secret) || strings.Contains(b.log.String(), secret) {
			t.Errorf("%s came back: %s\n%s", body, w.Body, b.log.String())
		}
	}
}

func TestFaultsKeepTheirKind(t *testing.T) {
	b := newBench()
	for _, test := range []struct {
		err    error
		status int
		kind   fault.Kind
		says   string
		logged bool
	}{
		{fault.New(fault.NotFound, "there is no channel"), 404, fault.NotFound, "there is no channel", false},
		{fault.Wrap(errors.New("password=x"), fault.Conflict, "in use"), 409, fault.Conflict, "in use", false},
		{fault.Wrap(errors.New("password=x"), fault.Unavailable, "database gone"), 503, fault.Unavailable, "database gone", true},
		{errors.New("password=x"), 500, fault.Internal, "something went wrong", true},
	} {
		b.err = test.err
		b.log.Reset()
		w := b.ask(http.MethodGet, "/api/v1/channels/site", "")
		f := failureOf(t, w)
		if w.Code != test.status || f.Kind != test.kind || !strings.Contains(f.Detail, test.says) {
			t.Errorf("%v: %d %+v", test.err, w.Code, f)
		}
		if strings.Contains(w.Body.String(), "password") {
			t.Errorf("%v: the cause leaves the process: %s", test.err, w.Body)
		}
		if logged := b.log.Len() > 0; logged != test.logged {
			t.Errorf("%v: log %q", test.err, b.log.String())
		}
	}
}

func TestProblemsTravel(t *testing.T) {
	b := newBench()
	b.err = catalog.Problems{
		{Path: "channels.a.apps[0].secret", Text: "is short"},
		{Position: catalog.Position{File: "x.flow.yaml", Line: 3, Col: 4}, Path: "assistants.x.definition", Text: "no"},
	}
	f := failureOf(t, b.ask(http.MethodPost, "/api/v1/apply", `{"manifest":{}}`))
	var back catalog.Problems
	if !errors.As(&f, &back) || back.Error() != b.err.Error() {
		t.Errorf("came back as %+v", f)
	}
	if !fault.Is(&f, fault.Invalid) {
		t.Errorf("kind %q", fault.KindOf(&f))
	}
}

func TestPanicsAndUnknownPathsAreAnswered(t *testing.T) {
	b := newBench()
	f := failureOf(t, b.ask(http.MethodGet, "/api/v1/channels/site", ""))
	if f.Kind != fault.Internal || strings.Contains(f.Detail, "bug") || !strings.Contains(b.log.String(), "a bug") {
		t.Errorf("failure %+v, log %q", f, b.log.String())
	}
	for _, path := range []string{"/", "/docs", "/api/v1/nothing", "/schemas/x", "/api/v1/channels/a/b"} {
		if f := failureOf(t, b.ask(http.MethodGet, path, "")); f.Kind != fault.NotFound {
			t.Errorf("%s: %+v", path, f)
		}
	}
	if w := b.ask(http.MethodPut, "/api/v1/channels", ""); w.Code < 400 {
		t.Errorf("a wrong method: %d", w.Code)
	}
}

func TestOfflineHasNothingToWatch(t *testing.T) {
	if f := failureOf(t, newBench().ask(http.MethodGet, "/api/v1/tail?user=ann", "")); f.Kind != fault.Conflict {
		t.Errorf("%+v", f)
	}
}

func TestUnknownQueryIsRefused(t *testing.T) {
	if f := failureOf(t, newBench().ask(http.MethodGet, "/api/v1/conversations?limt=3", "")); f.Kind != fault.Invalid {
		t.Errorf("%+v", f)
	}
}

// TestDocumentIsFresh compares docs/openapi.json with the code.
func TestDocumentIsFresh(t *testing.T) {
	const file = "../../docs/openapi.json"
	want, err := adminapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run: go test ./internal/adminapi -run Document -update", file)
	}
	if !bytes.Contains(want, []byte(`"openapi": "3.1.0"`)) {
		t.Error("not an OpenAPI 3.1 document")
	}
	w := newBench().ask(http.MethodGet, "/api/v1/openapi.json", "")
	var served, written any
	if err := errors.Join(json.Unmarshal(w.Body.Bytes(), &served), json.Unmarshal(got, &written)); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(served)
	b, _ := json.Marshal(written)
	if !bytes.Equal(a, b) {
		t.Error("what is served differs from docs/openapi.json")
	}
}
