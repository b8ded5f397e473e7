package safehttp_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/fault"
	"parley/internal/safehttp"
	"parley/internal/testkit/wait"
)

func client(t *testing.T, o safehttp.Options) *http.Client {
	t.Helper()
	c, err := safehttp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func get(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestOwnCertificates(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
	defer s.Close()
	s.Config.ErrorLog = nil
	var unknown x509.UnknownAuthorityError
	if _, err := get(client(t, safehttp.Options{}), s.URL); !errors.As(err, &unknown) {
		t.Errorf("without the file: %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, append([]byte("a comment\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := get(client(t, safehttp.Options{CAFile: file}), s.URL); err != nil || body != "hi" {
		t.Errorf("with the file: %q, %v", body, err)
	}
}

func TestBadOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		o            safehttp.Options
		field, shown string
	}{
		{safehttp.Options{CAFile: "/no/such/file"}, "ca_file", "no such file"},
		{safehttp.Options{CAFile: t.TempDir()}, "ca_file", "cannot be read"},
		{safehttp.Options{CAFile: empty}, "ca_file", "BEGIN CERTIFICATE"},
		{safehttp.Options{Proxy: "proxy"}, "proxy", "http://"},
		{safehttp.Options{Proxy: "ftp://proxy"}, "proxy", "socks5://"},
		{safehttp.Options{Proxy: "http://u:hunter2@[::1"}, "proxy", "not the address"},
	} {
		_, err := safehttp.New(test.o)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Field != test.field || !strings.Contains(f.Safe, test.shown) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", test.o, err)
		}
	}
}

// The environment is read once per process, so it is set before all tests.
// Loopback addresses never go through a proxy of the environment.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "by environment") }))
	defer proxy.Close()
	for _, name := range []string{"http_proxy", "NO_PROXY", "no_proxy"} {
		_ = os.Unsetenv(name)
	}
	_ = os.Setenv("HTTP_PROXY", proxy.URL)
	m.Run()
}

func TestProxy(t *testing.T) {
	const nowhere = "http://192.0.2.1/x" // an address of no machine
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "by proxy "+r.URL.String()) })
	if body, err := get(client(t, safehttp.Options{Proxy: proxy.URL}), nowhere); err != nil || body != "by proxy "+nowhere {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := get(client(t, safehttp.Options{}), nowhere); err != nil || body != "by environment" {
		t.Errorf("by environment: %q, %v", body, err)
	}
	if body, err := get(client(t, safehttp.Options{Proxy: safehttp.NoProxy, ConnectTimeout: 50 * time.Millisecond}), nowhere); err == nil {
		t.Errorf("without a proxy: %q", body)
	}
}

// An answer of exactly the limit is whole; one byte more is an error, and never
// a shorter text that looks whole.
func TestMaxBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("n"), &n)
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	})
	c := client(t, safehttp.Options{MaxBody: 1000})
	for n, want := range map[int]error{0: nil, 1: nil, 999: nil, 1000: nil, 1001: safehttp.ErrTooLarge, 100000: safehttp.ErrTooLarge} {
		body, err := get(c, fmt.Sprintf("%s?n=%d", s.URL, n))
		if !errors.Is(err, want) || len(body) != min(n, 1000) {
			t.Errorf("%d bytes: got %d, %v", n, len(body), err)
		}
	}
}

func TestRedirects(t *testing.T) {
	var reached []string
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { reached = append(reached, r.Header.Get("Authorization")) })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/other":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/same":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			_, _ = io.WriteString(w, r.Method+" end")
		}
	})
	c := client(t, safehttp.Options{})
	do := func(method, path string) (int, string) {
		req, err := http.NewRequest(method, s.URL+path, strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret")
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if status, _ := do("GET", "/other"); status != 302 || len(reached) != 0 {
		t.Errorf("elsewhere: %d, reached %q", status, reached)
	}
	if status, text := do("GET", "/same"); status != 200 || text != "GET end" {
		t.Errorf("same host: %d %q", status, text)
	}
	if status, _ := do("POST", "/same"); status != 307 {
		t.Errorf("POST: %d", status)
	}
	if status, _ := do("GET", "/loop"); status != 302 {
		t.Errorf("loop: %d", status)
	}
}

func TestTimes(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	var timeout net.Error
	if _, err := get(client(t, safehttp.Options{Timeout: 50 * time.Millisecond}), s.URL); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("no answer: %v", err)
	}
	// A server that accepts and never shakes hands.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// On a busy machine the time may be over before the handshake has begun.
	hasty := client(t, safehttp.Options{ConnectTimeout: 50 * time.Millisecond})
	wait.Succeed(t, time.Minute, func() error {
		_, err := get(hasty, "https://"+l.Addr().String())
		if err == nil || !strings.Contains(err.Error(), "handshake") {
			return fmt.Errorf("no handshake: %v", err)
		}
		return nil
	}, "the handshake to time out")
}

func TestUserAgent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.UserAgent()+" "+r.Proto) })
	if body, err := get(client(t, safehttp.Options{}), s.URL); err != nil || body != "Parley HTTP/1.1" {
		t.Errorf("%q, %v", body, err)
	}
}

// The limit of answers does not end a WebSocket.
func TestWebSocket(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		for range 10 {
			if ws.Write(r.Context(), websocket.MessageText, make([]byte, 100)) != nil {
				return
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	ws, _, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: client(t, safehttp.Options{MaxBody: 100})})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	for i := range 10 {
		if _, _, err := ws.Read(ctx); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}
