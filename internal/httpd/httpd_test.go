package httpd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/fault"
	"parley/internal/httpd"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := httpd.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStopLetsRequestsFinish(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := httpd.Start(httpd.Options{Listener: listen(t), Logger: quiet(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	})})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() { got <- get(t, http.DefaultClient, "http://"+s.Addr().String()) }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	for {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			break // the listener is closed, the request still runs
		}
		c.Close()
	}
	close(release)
	if body := <-got; body != "done" {
		t.Errorf("the running request got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = httpd.Listen(l.Addr().String())
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

func TestHealth(t *testing.T) {
	var broken error
	h := httpd.NewHealth(httpd.Check{Name: "store", Probe: func(context.Context) error { return broken }})
	probe := func() (int, string) {
		w := httptest.NewRecorder()
		h.Ready(w, httptest.NewRequest("GET", "/readyz", nil))
		return w.Code, w.Body.String()
	}
	if code, body := probe(); code != 200 || !strings.Contains(body, "ready") {
		t.Errorf("%d %s", code, body)
	}
	broken = errors.New("password=x")
	if code, body := probe(); code != 503 || !strings.Contains(body, "store") || strings.Contains(body, "password") {
		t.Errorf("%d %s", code, body)
	}
	broken = nil
	h.Drain()
	if code, body := probe(); code != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("%d %s", code, body)
	}
}

func certificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCertificateFiles(t *testing.T) {
	cert, key := certificate(t, t.TempDir(), "one.example.com")
	s, err := httpd.Start(httpd.Options{Listener: listen(t), CertFile: cert, KeyFile: key, Logger: quiet(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName)
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "one.example.com"}}}
	defer client.CloseIdleConnections()
	if body := get(t, client, "https://"+s.Addr().String()); body != "one.example.com" {
		t.Errorf("got %q", body)
	}
	_, err = httpd.Start(httpd.Options{Listener: listen(t), CertFile: cert, KeyFile: cert, Logger: quiet()})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), cert) {
		t.Errorf("%v", err)
	}
}

func TestStopWaitsForNoUnusedConnection(t *testing.T) {
	s, err := httpd.Start(httpd.Options{Listener: listen(t), Logger: quiet(), Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	// A browser opens it in case it will be needed.
	unused, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close()
	get(t, http.DefaultClient, "http://"+s.Addr().String()) // accepted after it
	began := time.Now()
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	// net/http alone would give such a connection five.
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if _, err := unused.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

func TestStopCutsRequestsThatDoNotEnd(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := httpd.Start(httpd.Options{Listener: listen(t), Logger: quiet(), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer close(release)
	cut := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + s.Addr().String())
		if err == nil {
			res.Body.Close()
		}
		cut <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("a slow client makes the stop fail: %v", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was not cut")
	}
}
