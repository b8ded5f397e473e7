package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley/internal/telemetry"
)

func blank(name, text string) string {
	if name == "token" {
		return "[redacted]"
	}
	return strings.ReplaceAll(text, "hunter2", "[redacted]")
}

type holder struct{ Inner map[string]string }

func TestNothingSecretIsLogged(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		l := telemetry.NewLogger(&out, slog.LevelInfo, format, blank).With("with", "hunter2", "token", "abc")
		l.Info("said hunter2", "plain", "hunter2", "err", errors.New("dial hunter2"), "bytes", []byte("hunter2"),
			"raw", json.RawMessage(`{"p":"hunter2"}`), "struct", holder{map[string]string{"p": "hunter2"}},
			slog.Group("group", "deep", "hunter2", "n", 7), "url", &struct{ S string }{"hunter2"})
		l.WithGroup("g").Info("grouped", "token", "abc", "x", "hunter2")
		l.Debug("not at this level")
		got := out.String()
		if strings.Contains(got, "hunter2") || strings.Contains(got, "abc") || strings.Contains(got, "not at this level") {
			t.Errorf("%s: %s", format, got)
		}
		if !strings.Contains(got, "dial") || !strings.Contains(got, "7") {
			t.Errorf("%s lost what is not secret: %s", format, got)
		}
	}
}

func wrap(t *testing.T, h http.HandlerFunc) (*httptest.Server, func() string) {
	t.Helper()
	registry, logger := telemetry.NewRegistry("test"), slog.New(slog.DiscardHandler)
	observe := telemetry.NewHTTP(logger, registry, telemetry.NewWorkers(logger, registry))
	s := httptest.NewServer(observe.Wrap("public", h))
	t.Cleanup(s.Close)
	return s, func() string {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range families {
			if strings.HasPrefix(f.GetName(), "parley_http_requests") || strings.HasPrefix(f.GetName(), "parley_panics") {
				b.WriteString(f.String())
			}
		}
		return b.String()
	}
}

func TestPanicIsAnAnswerAndCounted(t *testing.T) {
	s, counted := wrap(t, func(http.ResponseWriter, *http.Request) { panic("password=x") })
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != 500 || strings.Contains(string(body), "password") || !strings.Contains(string(body), `"errors"`) {
		t.Errorf("%d %s %v", res.StatusCode, body, err)
	}
	if got := counted(); !strings.Contains(got, `"500"`) || !strings.Contains(got, "panics_total") {
		t.Errorf("counted %s", got)
	}
}

func TestUpgradePassesThrough(t *testing.T) {
	s, counted := wrap(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "raw")
	})
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "raw" {
		t.Errorf("%q %v", got, err)
	}
	if strings.Contains(counted(), `route`) {
		t.Errorf("a socket was counted as a request: %s", counted())
	}
}
