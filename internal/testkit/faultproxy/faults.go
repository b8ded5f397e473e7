package faultproxy

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"time"
)

// Fault is what happens to a request.
type Fault struct{ act func(*exchange) }

// exchange is one request that a rule has taken.
type exchange struct {
	p    *Proxy
	rule *Rule
	w    http.ResponseWriter
	r    *http.Request
}

// Answer answers in the server's place; the server sees nothing. On an upgrade
// it refuses the WebSocket.
//
//	faultproxy.Answer(429, http.Header{"Retry-After": {"1"}, "Content-Type": {"text/plain"}}, "limit exceeded")
func Answer(status int, header http.Header, body string) Fault {
	return Fault{func(x *exchange) {
		x.readAll()
		maps.Copy(x.w.Header(), header)
		x.w.WriteHeader(status)
		_, _ = io.WriteString(x.w, body) // a client that left misses it
	}}
}

// LoseRequest cuts the connection; the server sees nothing.
func LoseRequest() Fault {
	return Fault{func(x *exchange) {
		x.readAll()
		cut()
	}}
}

// LoseAnswer lets the server do what was asked and cuts the connection in place
// of its answer. The server does it also when the client gives up meanwhile.
// Beware of clients that repeat by themselves: Go's does so with a GET, upgrades
// included, on a connection that it had used before.
func LoseAnswer() Fault {
	return Fault{func(x *exchange) {
		x.fetch()
		cut()
	}}
}

// HoldAnswer lets the server do what was asked, as [LoseAnswer], and keeps its
// answer until [Rule.Lift] or until the client gives up. It holds no upgrades:
// those it loses.
func HoldAnswer() Fault {
	return Fault{func(x *exchange) {
		answer := x.fetch()
		x.hold(nil)
		answer.send(x.w)
	}}
}

// DelayAnswer is [HoldAnswer] that lets go by itself after d.
func DelayAnswer(d time.Duration) Fault {
	return Fault{func(x *exchange) {
		answer := x.fetch()
		x.pause(d)
		answer.send(x.w)
	}}
}

// Hang takes the request and does nothing until [Rule.Lift], which hands it on
// to the server, or until the client gives up: then the server never sees it.
func Hang() Fault {
	return Fault{func(x *exchange) {
		x.readAll()
		x.hold(nil)
		x.p.pass(x.w, x.r)
	}}
}

// Delay is [Hang] that hands the request on by itself after d.
func Delay(d time.Duration) Fault {
	return Fault{func(x *exchange) {
		x.readAll()
		x.pause(d)
		x.p.pass(x.w, x.r)
	}}
}

// readAll takes the request's body in, to be read again. Only then does the
// HTTP server notice that a client has left.
func (x *exchange) readAll() {
	body, err := io.ReadAll(x.r.Body)
	if err != nil {
		cut() // the client broke off
	}
	x.r.Body = io.NopCloser(bytes.NewReader(body))
}

// fetch gets the server's whole answer, whether or not the client waits.
func (x *exchange) fetch() *answer {
	x.readAll()
	a := &answer{header: http.Header{}}
	x.p.pass(a, x.r.WithContext(x.p.ctx))
	return a
}

func (x *exchange) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	x.hold(timer.C)
}

// hold returns when the rule is lifted or at that time, and cuts when the
// client or the proxy is gone first.
func (x *exchange) hold(until <-chan time.Time) {
	select {
	case <-x.rule.lifted:
	case <-until:
	case <-x.r.Context().Done():
		cut()
	case <-x.p.ctx.Done():
		cut()
	}
}

// answer is a whole answer of the server.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if status >= 200 { // those before are not the answer yet
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // a client that left misses it
}
