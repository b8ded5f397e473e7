// Package safehttp makes the HTTP clients that Parley asks other servers with:
// bounded in time and size, trusting an owner's own certificate authority
// beside the system's, going through the owner's proxy, and never carrying a
// request on to another host.
//
// The addresses asked come from the owner, so none is refused; nothing here is
// meant for addresses that a stranger may choose.
package safehttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"parley/internal/fault"
)

// Options say how to reach others. The zero value is useful.
type Options struct {
	// CAFile names a PEM file of certificates trusted beside the system's.
	CAFile string
	// Proxy is the URL of a proxy (http, https or socks5), [NoProxy], or empty
	// for what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say.
	Proxy string
	// ConnectTimeout bounds connecting and, again, the TLS handshake; 0 for
	// 5 s.
	ConnectTimeout time.Duration
	// Timeout bounds a whole exchange with reading its answer; 0 for 30 s.
	Timeout time.Duration
	// MaxBody bounds the body of an answer in bytes; 0 for 10 MiB. Reading on
	// gives [ErrTooLarge].
	MaxBody int64
}

// NoProxy as a proxy means to ask directly, whatever the environment says.
const NoProxy = "none"

// ErrTooLarge is what reading an answer gives when it is longer than allowed.
var ErrTooLarge = errors.New("answer is longer than allowed")

const (
	userAgent    = "Parley"
	maxRedirects = 5
	// perHost keeps enough idle connections for the requests one account has
	// under way at once.
	perHost = 16
)

// New makes a client. Errors are faults of kind Invalid with the field
// "ca_file" or "proxy".
//
// A redirect is followed for GET and HEAD only, and only within scheme and
// host; any other is not followed, and the caller gets the 3xx answer itself.
// HTTP/1.1 alone is spoken, so that the same client can open WebSockets.
func New(o Options) (*http.Client, error) {
	roots, err := readRoots(o.CAFile)
	if err != nil {
		return nil, err
	}
	proxy, err := parseProxy(o.Proxy)
	if err != nil {
		return nil, err
	}
	connect := orElse(o.ConnectTimeout, 5*time.Second)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	transport := &http.Transport{
		Proxy:               proxy,
		DialContext:         (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: connect,
		Protocols:           protocols,
		MaxIdleConns:        4 * perHost,
		MaxIdleConnsPerHost: perHost,
		IdleConnTimeout:     60 * time.Second,
		// An answer's head is small; the default of 10 MiB is generous.
		MaxResponseHeaderBytes: 1 << 20,
		ExpectContinueTimeout:  time.Second,
	}
	return &http.Client{
		Transport:     &bounded{next: transport, max: orElse(o.MaxBody, 10<<20)},
		Timeout:       orElse(o.Timeout, 30*time.Second),
		CheckRedirect: sameHost,
	}, nil
}

func orElse[T int64 | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// readRoots gives the system's certificates and those of the file; nil means
// the system's alone.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	const field = "ca_file"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Invalid, Field: field, Cause: err,
			Safe: "cannot be read: " + reason(err) + "; name a PEM file that Parley's user may read"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fault.Field(field, "holds no certificate; it needs PEM text that begins with -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

// reason is the last part of a file error, without the path.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func parseProxy(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case NoProxy:
		return nil, nil
	}
	// The error of url.Parse quotes the address, which may hold a password.
	u, err := url.Parse(proxy)
	if err != nil || u.Hostname() == "" {
		return nil, fault.Field("proxy", "is not the address of a proxy; write it like http://proxy.example.com:3128, or %q", NoProxy)
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return http.ProxyURL(u), nil
	}
	return nil, fault.Field("proxy", "needs http://, https:// or socks5:// in front, such as http://proxy.example.com:3128")
}

// sameHost decides about redirects. Even within a host, a repeated POST or one
// turned into a GET is not what the caller asked for.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet && first.Method != http.MethodHead ||
		next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// bounded names us in requests and bounds answers.
type bounded struct {
	next *http.Transport
	max  int64
}

// RoundTrip implements [http.RoundTripper].
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", userAgent)
	}
	resp, err := b.next.RoundTrip(r)
	// The body of a 101 answer is the connection; whoever asked for it has
	// limits of its own.
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &limited{body: resp.Body, left: b.max}
	}
	return resp, err
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// limited is a body that ends with an error where a longer one would go on.
type limited struct {
	body io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.body.Read(p)
	if int64(n) > l.left {
		n, err = int(l.left), ErrTooLarge
	}
	l.left -= int64(n)
	return n, err
}

func (l *limited) Close() error { return l.body.Close() }
