package mattermost_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/fault"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, file}
}

// serve answers pings over TLS with a certificate for a name, good for a time.
func (a authority) serve(t *testing.T, name string, from, to time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"OK"}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func at(server string, more ...any) map[string]any {
	all := map[string]any{"server": server, "token": "some-token-of-a-bot-account", "proxy": "none"}
	for i := 0; i+1 < len(more); i += 2 {
		all[more[i].(string)] = more[i+1]
	}
	return all
}

func TestProbeCertificates(t *testing.T) {
	now, ca, other := time.Now(), newAuthority(t), newAuthority(t)
	hour := time.Hour
	long := now.Add(400 * 24 * hour)
	for _, test := range []struct {
		name       string
		server     string
		more       []any
		found      string
		text, mend string
	}{
		{"unknown authority", ca.serve(t, "127.0.0.1", now.Add(-hour), long), nil, "certificate_authority", "does not know", "ca_file:"},
		{"wrong authority", ca.serve(t, "127.0.0.1", now.Add(-hour), long), []any{"ca_file", other.file}, "certificate_authority", "does not know", other.file},
		{"expired", ca.serve(t, "127.0.0.1", now.Add(-2*hour), now.Add(-hour)), []any{"ca_file", ca.file}, "certificate_expired", "has ended on", "renew"},
		{"not yet", ca.serve(t, "127.0.0.1", now.Add(hour), long), []any{"ca_file", ca.file}, "certificate_expired", "not valid before", "clock"},
		{"other name", ca.serve(t, "chat.example.com", now.Add(-hour), long), []any{"ca_file", ca.file}, "certificate_name", "it names chat.example.com", "write the name"},
		{"unsafe name", ca.serve(t, "chat;rm.example.com", now.Add(-hour), long), []any{"ca_file", ca.file}, "certificate_name", "does not name 127.0.0.1", "write the name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := tried(t, mattermost.Kind{}, at(test.server, test.more...))
			alone(t, found, test.found, test.text, test.mend)
			if strings.Contains(found[0].Text, ";rm") {
				t.Errorf("%+v", found)
			}
		})
	}
	t.Run("ends soon", func(t *testing.T) {
		found := tried(t, mattermost.Kind{}, at(ca.serve(t, "127.0.0.1", now.Add(-hour), now.Add(72*hour)), "ca_file", ca.file))
		wants(t, found, channel.LevelWarn, "certificate", "ends on", "renew")
	})
	t.Run("file is gone", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "gone.pem")
		if err := os.WriteFile(file, []byte(readText(t, ca.file)), 0o600); err != nil {
			t.Fatal(err)
		}
		c := written(t, at("https://127.0.0.1:1", "ca_file", file))
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		alone(t, mattermost.Kind{}.Test(t.Context(), c), "ca_file", "cannot be read", "ca_file of channel team")
	})
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProbeUnreachable(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	answer := func(status int, kind, body string) string {
		return serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	plain := answer(200, "application/json", `{"status":"OK"}`)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, test := range []struct {
		name             string
		settings         map[string]any
		found, text, mnd string
	}{
		{"unknown name", at("https://chat.nowhere.invalid"), "dns", "chat.nowhere.invalid", "getent hosts"},
		{"nobody listens", at(gone.URL), "refused", "nothing listens", "Mattermost runs"},
		{"proxy away", at("https://chat.example.com", "proxy", gone.URL), "proxy", "cannot be reached", "proxy: none"},
		{"no TLS", at(strings.Replace(plain, "http://", "https://", 1)), "tls", "does not speak TLS", "http://"},
		{"only TLS", at(strings.Replace(secure.URL, "https://", "http://", 1)), "wrong_server", "status 400", "https://"},
		{"web page", at(answer(200, "text/html; charset=utf-8", "<h1>Welcome</h1>")), "wrong_server", "a web page", "/api/v4"},
		{"not found", at(answer(404, "text/plain", "no such page")), "wrong_server", "status 404", "sub-path"},
		{"other JSON", at(answer(200, "application/json", `{"hello":"world"}`)), "wrong_server", "not Mattermost's API", "sub-path"},
		{"no JSON", at(answer(200, "application/json", `nothing`)), "wrong_server", "not Mattermost's API", "sub-path"},
		{"in trouble", at(answer(500, "application/json", `{}`)), "server_trouble", "status 500", "log"},
		{"sent elsewhere", at(serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://new.example.com/login?token=s3cret", http.StatusFound)
		})), "redirect", "https://new.example.com", "server"},
	} {
		t.Run(test.name, func(t *testing.T) {
			found := tried(t, mattermost.Kind{}, test.settings)
			alone(t, found, test.found, test.text, test.mnd)
			if strings.Contains(found[0].Text+found[0].Mend, "s3cret") {
				t.Errorf("the rest of the address is shown: %+v", found[0])
			}
		})
	}
}

// A server that takes the connection and says nothing is given up in time.
func TestProbeTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	alone(t, tried(t, mattermost.Kind{}, at("http://"+l.Addr().String())), "timeout", "does not answer in time", "firewall")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A test without its secret says so and asks nobody.
func TestProbeWithoutSecret(t *testing.T) {
	c := written(t, at("http://127.0.0.1:1"))
	c.Secret = func(string) (string, error) { return "", nil }
	alone(t, mattermost.Kind{}.Test(t.Context(), c), "token", "is missing", "token of channel team")
	c.Body = []byte("{")
	alone(t, mattermost.Kind{}.Test(t.Context(), c), "settings", "cannot be read", "apply")
}

// What is refused before anything is tried names the mend itself.
func TestServerWithoutScheme(t *testing.T) {
	for _, server := range []string{"chat.example.com", "chat.example.com:8065", "ftp://chat.example.com"} {
		raw, err := json.Marshal(at(server))
		if err != nil {
			t.Fatal(err)
		}
		_, err = mattermost.Kind{}.Settle("team", raw, nil)
		if text := fault.Message(err); !fault.Is(err, fault.Invalid) || !strings.Contains(text, "server") || !strings.Contains(text, "https://") {
			t.Errorf("%s: %v", server, err)
		}
	}
}
