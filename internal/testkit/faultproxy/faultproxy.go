// Package faultproxy is a proxy for HTTP and WebSockets that stands between a
// client under test and a real server on the same machine, and makes the faults
// that the server cannot show on demand.
//
//	proxy := faultproxy.New(t, mm.URL)
//	... point the client at proxy.URL ...
//	lost := proxy.Next(1, faultproxy.To("POST", "/api/v4/posts"), faultproxy.LoseAnswer())
//	proxy.Silence(faultproxy.ToClient)
//
// Without faults it changes nothing: requests, answers and WebSocket frames go
// through as they are, and when the server cannot be reached, or breaks off,
// the client's connection is cut; the proxy never makes up an answer. Each
// request gets a connection of its own to the server, so that the server's
// restarts leave no stale ones here.
//
// All methods may be called from any goroutine, while requests are under way.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"parley/internal/testkit/freeport"
)

// Proxy is a running proxy. It keeps its address through [Proxy.Down] and
// [Proxy.Up].
type Proxy struct {
	// URL is the base address for the client, "http://127.0.0.1:port".
	URL string

	target  *url.URL
	addr    string
	reverse *httputil.ReverseProxy
	// ctx ends with Close. Requests whose client is gone go on under it.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // handlers, and the goroutines that serve

	mu       sync.Mutex
	server   *http.Server // nil while down
	listener net.Listener
	closed   bool
	rules    []*Rule
	watchers []*Rule
	strip    []string
	sockets  map[*socket]bool
	frames   gate
}

// New starts a proxy in front of target, "http://host:port", that ends with the
// test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := Run(target)
	if err != nil {
		t.Fatalf("start the fault proxy: %v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// Run is [New] for callers without a test; they end the proxy with
// [Proxy.Close].
func Run(target string) (*Proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" || u.Port() == "" {
		return nil, fmt.Errorf("the target is %q, want http://host:port", target)
	}
	port, err := freeport.Pick()
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	p := &Proxy{
		target: &url.URL{Scheme: u.Scheme, Host: u.Host}, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		sockets: map[*socket]bool{},
	}
	p.URL = "http://" + p.addr
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.reverse = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(p.target) },
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { cut() },
	}
	if err := p.Up(); err != nil {
		p.cancel()
		return nil, err
	}
	return p, nil
}

// Close cuts everything and returns when nothing of the proxy runs any more.
// Closing twice does nothing.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.Down()
	p.work.Wait()
}

// Down cuts every connection and refuses new ones, as a machine does on which
// nothing listens, until [Proxy.Up].
func (p *Proxy) Down() {
	p.mu.Lock()
	server, listener := p.server, p.listener
	p.server = nil
	p.mu.Unlock()
	if server != nil {
		// A server that has not begun to serve does not know its listener yet.
		_ = listener.Close()
		_ = server.Close() // only about the listener, which is closed
	}
	p.CutSockets()
}

// Up takes connections again on the same address. It fails when another process
// has taken the port meanwhile, or after [Proxy.Close].
func (p *Proxy) Up() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the proxy is closed")
	}
	if p.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(p.serve), ErrorLog: log.New(io.Discard, "", 0)}
	p.server, p.listener = server, listener
	p.work.Go(func() { _ = server.Serve(listener) }) // ends with Down
	return nil
}

// serve handles one request.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	rule, ok := p.enter(r)
	if !ok {
		cut()
	}
	defer p.work.Done()
	if rule == nil {
		p.pass(w, r)
		return
	}
	rule.fault.act(&exchange{p: p, rule: rule, w: w, r: r})
}

// enter counts a request and finds the fault that is due. It reports false when
// the proxy is closing.
func (p *Proxy) enter(r *http.Request) (*Rule, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false
	}
	p.work.Add(1)
	for _, watcher := range p.watchers {
		if watcher.match(r) {
			watcher.hits++
		}
	}
	for _, rule := range p.rules {
		if rule.left != 0 && rule.match(r) {
			rule.left--
			rule.hits++
			return rule, true
		}
	}
	return nil, true
}

// pass hands a request through.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) {
		p.tunnel(w, r)
		return
	}
	p.reverse.ServeHTTP(w, r)
}

// cut ends a handler so that the client's connection is closed without an
// answer, or in the middle of one.
func cut() { panic(http.ErrAbortHandler) }
