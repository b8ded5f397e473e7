package scenario

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/freeport"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// certificate writes a fresh self-signed certificate for 127.0.0.1 and returns
// a client that trusts it alone.
func certificate(t *testing.T, dir string, serial int64) *http.Client {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "parley test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		text := pem.EncodeToMemory(block)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if name == "cert.pem" {
			pool.AppendCertsFromPEM(text)
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestTLS serves https and wss with certificate files. Its long form renews
// them without a restart.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	client := certificate(t, dir, 1)
	address, data := freeport.Addr(t), filepath.Join(dir, "data")
	base := "https://" + address
	// The kit's server is asked for its health without TLS, so this one is
	// started by hand.
	log := filepath.Join(dir, "log")
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(parley.Path(t), "serve", "--listen", address, "--data", data)
	cmd.Env = append(os.Environ(), "PARLEY_TLS_CERT="+filepath.Join(dir, "cert.pem"), "PARLEY_TLS_KEY="+filepath.Join(dir, "key.pem"))
	cmd.Stdout, cmd.Stderr = out, out
	server, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	_ = out.Close() // the child has its own copy
	t.Cleanup(func() {
		if err := server.Stop(syscall.SIGTERM, patience); err != nil {
			t.Error(err)
		}
	})
	ready := func(with *http.Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := with.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // only the status counts
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	}
	wait.Succeed(t, patience, func() error { return ready(client) }, "the server")
	app, err := crowd.Demo(data)
	if err != nil {
		t.Fatal(err)
	}
	if app.BaseURL != base {
		t.Errorf("demo.json says %s, want %s", app.BaseURL, base)
	}
	person := app.Client("encrypted", client)
	s, token := crowd.Visit(t, person)
	crowd.Exchange(t, s, 1, "Hi")
	socket, err := person.Start(t.Context(), token, "")
	if err != nil || !strings.HasPrefix(socket, "wss://"+address+"/") {
		t.Errorf("rtm/start answers %q, %v; want wss", strings.SplitN(socket, "sid=", 2)[0], err)
	}
	if os.Getenv("PARLEY_SOAK") == "" {
		return // files are looked at once a minute
	}
	renewed := certificate(t, dir, 2)
	wait.Succeed(t, patience, func() error { return ready(renewed) }, "the new certificate to be served")
	crowd.Exchange(t, s, 2, "Hi") // what was open stays open
}

// TestSocketAddress checks the address of sockets behind proxies.
func TestSocketAddress(t *testing.T) {
	forwarded := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"chat.example.com"}}
	for name, test := range map[string]struct {
		env    []string
		header http.Header
		want   string // "" is the address the server listens on
	}{
		"nothing set":                     {nil, nil, ""},
		"headers of a stranger":           {nil, forwarded, ""},
		"headers of another network":      {[]string{"PARLEY_TRUSTED_PROXIES=10.0.0.0/8"}, forwarded, ""},
		"headers of a trusted proxy":      {[]string{"PARLEY_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1"}, forwarded, "wss://chat.example.com"},
		"public URL":                      {[]string{"PARLEY_PUBLIC_URL=https://public.example.com"}, nil, "wss://public.example.com"},
		"public URL wins over headers":    {[]string{"PARLEY_PUBLIC_URL=https://public.example.com", "PARLEY_TRUSTED_PROXIES=127.0.0.1"}, forwarded, "wss://public.example.com"},
		"a proxy that was lied to":        {[]string{"PARLEY_TRUSTED_PROXIES=127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"http, https"}, "X-Forwarded-Host": {"evil.example.com, chat.example.com"}}, "wss://chat.example.com"},
		"a host that is none":             {[]string{"PARLEY_TRUSTED_PROXIES=127.0.0.1"}, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example.com/path?x"}}, "wss:"},
		"public URL without encryption":   {[]string{"PARLEY_PUBLIC_URL=http://intranet:8080/"}, nil, "ws://intranet:8080"},
		"a proxy that ends TLS, IPv6 too": {[]string{"PARLEY_TRUSTED_PROXIES=127.0.0.0/8,::1/128"}, http.Header{"X-Forwarded-Proto": {"https"}}, "wss:"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, program.Options{Env: test.env})
			app := p.demo()
			app.BaseURL = p.URL // demo.json names the public one
			client := app.Client("anybody", nil)
			granted, err := client.Grant(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.secret(granted.Authorization.AccessToken)
			got := startWith(t, p.URL, granted.Authorization.AccessToken, test.header)
			want := test.want
			switch want {
			case "":
				want = "ws://" + p.Addr
			case "wss:":
				want = "wss://" + p.Addr
			}
			if !strings.HasPrefix(got, want+"/") || !strings.Contains(got, "?") {
				t.Errorf("the socket's address begins with %q, want %s/...?", strings.SplitN(got, "sid=", 2)[0], want)
			}
		})
	}
}

// startWith asks for a socket's address with more headers, as a proxy sends
// them.
func startWith(t *testing.T, base, token string, header http.Header) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/rtm/start", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		URL string `json:"url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("rtm/start answers %s, %v", resp.Status, err)
	}
	return answer.URL
}

// TestAdminListen keeps what is for operators off the public port.
func TestAdminListen(t *testing.T) {
	admin := freeport.Addr(t)
	public, data := freeport.Addr(t), filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(parley.Path(t), "serve", "--listen", public, "--data", data)
	cmd.Env = append(os.Environ(), "PARLEY_ADMIN_LISTEN="+admin)
	server, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(syscall.SIGTERM, patience); err != nil {
			t.Error(err)
		}
	})
	wait.Succeed(t, patience, func() error {
		if status, body := crowd.Get(t.Context(), "http://"+admin+"/readyz"); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	}, "the server")
	for _, path := range []string{"/metrics", "/readyz"} {
		if status, _ := crowd.Get(t.Context(), "http://"+admin+path); status != http.StatusOK {
			t.Errorf("%s on the admin port answers %d", path, status)
		}
		if status, _ := crowd.Get(t.Context(), "http://"+public+path); status != http.StatusNotFound {
			t.Errorf("%s on the public port answers %d, want 404", path, status)
		}
	}
}
