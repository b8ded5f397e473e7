package telemetry_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/telemetry"
)

func serve(t *testing.T) (*httptest.Server, *prometheus.Registry, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	logger := telemetry.NewLogger(out, slog.LevelDebug, telemetry.FormatText, blank)
	registry := telemetry.NewRegistry("test")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rtm/{bot}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, telemetry.RequestID(r.Context()))
	})
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic("oops") })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic("oops")
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h := telemetry.NewHTTP(logger, registry, telemetry.NewWorkers(logger, registry))
	s := httptest.NewUnstartedServer(h.Wrap("public", mux))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s, registry, out
}

func ask(s *httptest.Server, method, path, id string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader("body-secret"))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set(telemetry.RequestIDHeader, id)
	res, err := s.Client().Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	s, registry, out := serve(t)
	for _, r := range []struct{ method, path string }{
		{"GET", "/rtm/st-1?sid=query-secret"}, {"GET", "/rtm/st-2"}, {"POST", "/rtm/st-1"}, {"BREW", "/path-secret"},
	} {
		if _, _, err := ask(s, r.method, r.path, ""); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()                                 // waits for the handlers, so that all is counted
	const name = "parley_http_requests_total" // labels: listener, method, route, status
	for labels, want := range map[[4]string]float64{
		{"public", "GET", "/rtm/{bot}", "200"}: 2,
		{"public", "POST", "none", "405"}:      1,
		{"public", "other", "none", "404"}:     1,
	} {
		if got := value(t, registry, name, labels[:]...); got != want {
			t.Errorf("%v: %v", labels, got)
		}
	}
	if got := value(t, registry, "parley_http_request_duration_seconds", "public", "/rtm/{bot}"); got != 2 {
		t.Errorf("timed %v", got)
	}
	if got := value(t, registry, "parley_http_requests_in_flight", "public"); got != 0 {
		t.Errorf("%v in flight at the end", got)
	}
	if got := out.String(); strings.Contains(got, "secret") || !strings.Contains(got, "route=/rtm/{bot} status=200") {
		t.Errorf("logged %s", got)
	}
}

func TestRequestID(t *testing.T) {
	s, _, _ := serve(t)
	for given, kept := range map[string]bool{"abc-1.2_X": true, "": false, "a b": false, `"><x`: false, strings.Repeat("x", 65): false} {
		res, body, err := ask(s, "GET", "/rtm/st-1", given)
		if err != nil {
			t.Fatal(err)
		}
		id := res.Header.Get(telemetry.RequestIDHeader)
		if id == "" || id != body || (id == given) != kept {
			t.Errorf("given %q: header %q, context %q", given, id, body)
		}
	}
	if got := telemetry.RequestID(t.Context()); got != "" {
		t.Errorf("outside of a request: %q", got)
	}
}

func TestPanicAfterTheBeginningCutsTheAnswer(t *testing.T) {
	s, registry, out := serve(t)
	if _, body, err := ask(s, "GET", "/cut", ""); err == nil {
		t.Errorf("the cut answer looks whole: %q", body)
	}
	if _, _, err := ask(s, "GET", "/abort", ""); err == nil {
		t.Error("an aborted answer looks whole")
	}
	if res, _, err := ask(s, "GET", "/broken", ""); err != nil || res.StatusCode != 500 {
		t.Errorf("broken: %v", err)
	}
	s.Close()
	if got := value(t, registry, "parley_panics_total", "http public"); got != 2 {
		t.Errorf("counted %v panics, want 2: an abort is none", got)
	}
	if strings.Count(out.String(), "recovered from a panic") != 2 {
		t.Errorf("logged %s", out)
	}
}

func TestMetricsPage(t *testing.T) {
	registry := telemetry.NewRegistry("1.2.3")
	rec := httptest.NewRecorder()
	telemetry.MetricsHandler(registry, slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`version="1.2.3"`, "go_goroutines", "process_"} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestFailingMetricIsLogged(t *testing.T) {
	var out bytes.Buffer
	registry := telemetry.NewRegistry("x")
	broken := prometheus.NewDesc("parley_broken", "h", nil, nil)
	registry.MustRegister(prometheus.CollectorFunc(func(ch chan<- prometheus.Metric) {
		ch <- prometheus.NewInvalidMetric(broken, io.ErrUnexpectedEOF)
	}))
	rec := httptest.NewRecorder()
	telemetry.MetricsHandler(registry, slog.New(slog.NewTextHandler(&out, nil))).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(rec.Body.String(), "go_goroutines") || !strings.Contains(out.String(), "unexpected EOF") {
		t.Errorf("status %d, logged %q", rec.Code, out.String())
	}
}
