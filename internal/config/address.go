package config

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Address tells under which address the client of a request reaches this
// server, and from where the client comes.
type Address struct {
	public  *url.URL
	proxies []netip.Prefix
}

// Address returns the rules that follow from the settings, which must have come
// from [Load].
func (s Settings) Address() Address {
	a := Address{proxies: s.TrustedProxies}
	if s.PublicURL != "" {
		if u, err := url.Parse(s.PublicURL); err == nil {
			a.public = u
		}
	}
	return a
}

// Origin returns scheme and host: the public URL, else what a trusted proxy
// says, else what the request itself shows.
func (a Address) Origin(r *http.Request) *url.URL {
	if a.public != nil {
		return &url.URL{Scheme: a.public.Scheme, Host: a.public.Host}
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if !a.trusted(r.RemoteAddr) {
		return u
	}
	// The last value is the one our proxy has seen to; what stands before it the
	// client may have sent.
	if proto := last(r.Header.Values("X-Forwarded-Proto")); proto == "https" || proto == "http" {
		u.Scheme = proto
	}
	if host := last(r.Header.Values("X-Forwarded-Host")); plainHost(host) {
		u.Host = host
	}
	return u
}

// Client returns the address the request came from, seen past trusted proxies.
func (a Address) Client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !a.trusted(r.RemoteAddr) {
		return host
	}
	// Each proxy appends the peer it saw: the last one that is not a proxy of
	// ours is the client. What stands before it the client may have made up.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		host = hop
		if !a.trusted(net.JoinHostPort(hop, "0")) {
			break
		}
	}
	return host
}

func (a Address) trusted(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range a.proxies {
		if p.Contains(peer.Addr().Unmap()) {
			return true
		}
	}
	return false
}

func last(headers []string) string {
	list := strings.Split(strings.Join(headers, ","), ",")
	return strings.ToLower(strings.TrimSpace(list[len(list)-1]))
}

// plainHost keeps what a confused proxy sends out of addresses we give away.
func plainHost(host string) bool {
	if host == "" || len(host) > 255 || strings.ContainsAny(host, "/\\@?# ") {
		return false
	}
	u, err := url.Parse("http://" + host)
	return err == nil && u.Host == host
}
