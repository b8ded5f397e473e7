package faultproxy

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// Match says which requests are meant. It is called under the proxy's lock, so
// it must look at the request's line and header only, and not call the proxy.
type Match func(*http.Request) bool

// Any matches every request, upgrades included.
func Any(*http.Request) bool { return true }

// Upgrades matches the requests that open a WebSocket.
func Upgrades(r *http.Request) bool { return isUpgrade(r) }

// To matches by method and path. An empty method is any. In the path a * stands
// for anything without a slash: "/api/v4/posts/*/patch".
func To(method, pattern string) Match {
	return func(r *http.Request) bool {
		found, err := path.Match(pattern, r.URL.Path)
		return err == nil && found && (method == "" || method == r.Method)
	}
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// Rule is a fault that was ordered, or a count of requests.
type Rule struct {
	p      *Proxy
	match  Match
	fault  Fault
	lifted chan struct{}

	// Under p.mu. left is how many more requests it takes; negative is any
	// number.
	left, hits int
}

// Next orders a fault for the next n requests that match. Of several rules that
// match, the one ordered first takes the request.
func (p *Proxy) Next(n int, match Match, fault Fault) *Rule {
	return p.order(&p.rules, max(n, 0), match, fault)
}

// On orders a fault for all requests that match until [Rule.Lift]. Of several
// rules that match, the one ordered first takes the request.
func (p *Proxy) On(match Match, fault Fault) *Rule {
	return p.order(&p.rules, -1, match, fault)
}

// Watch counts the requests that match, whatever happens to them.
func (p *Proxy) Watch(match Match) *Rule {
	return p.order(&p.watchers, -1, match, Fault{})
}

func (p *Proxy) order(list *[]*Rule, n int, match Match, fault Fault) *Rule {
	rule := &Rule{p: p, match: match, fault: fault, left: n, lifted: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, rule)
	return rule
}

// Hits is how many requests the rule has taken or counted so far. A request
// counts when its header has arrived, before the fault does its work.
func (r *Rule) Hits() int {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	return r.hits
}

// Lift ends the rule: it takes no more requests, and lets go of those it holds
// ([Hang], [HoldAnswer], the pauses). Lifting twice does nothing.
func (r *Rule) Lift() {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	select {
	case <-r.lifted:
		return
	default:
	}
	close(r.lifted)
	gone := func(other *Rule) bool { return other == r }
	r.p.rules = slices.DeleteFunc(r.p.rules, gone)
	r.p.watchers = slices.DeleteFunc(r.p.watchers, gone)
}
