package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"parley/internal/config"
)

// addresses checks where the server listens and what clients are told.
func addresses(s config.Settings) []Finding {
	var all []Finding
	host, _, err := net.SplitHostPort(s.Listen)
	switch {
	case err != nil:
		return []Finding{{Name: "listen", Level: Fail, Text: fmt.Sprintf("listen %q is not an address", s.Listen),
			Mend: "write it as HOST:PORT, such as 127.0.0.1:8080"}}
	case isLoopback(host):
		all = append(all, Finding{Name: "listen", Level: OK, Text: "listens on " + s.Listen + ", which only this machine reaches"})
	case s.AdminListen == "":
		all = append(all, Finding{Name: "listen", Level: Warn,
			Text: "listens on " + s.Listen + ", and /metrics is served there too",
			Mend: "set admin_listen to an address that only you reach, such as 127.0.0.1:8081"})
	default:
		all = append(all, Finding{Name: "listen", Level: OK, Text: "listens on " + s.Listen + "; administration on " + s.AdminListen})
	}
	return append(all, publicURL(s, isLoopback(host)), proxies(s))
}

func publicURL(s config.Settings, local bool) Finding {
	f := Finding{Name: "public_url", Level: OK, Text: "clients use " + s.PublicURL}
	if s.PublicURL == "" {
		if local {
			f.Text = "no public_url is set; clients on this machine use the address they called"
			return f
		}
		f.Level, f.Text = Warn, "no public_url is set; clients are told the address they called, which a proxy may hide"
		f.Mend = "set public_url to the address clients use, such as https://chat.example.com"
		return f
	}
	u, err := url.Parse(s.PublicURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		f.Level, f.Text = Fail, "public_url is not a web address"
		f.Mend = "write it as https://HOST, without a path if you can"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		f.Level, f.Text = Warn, "public_url "+s.PublicURL+" is not encrypted: tokens and messages can be read on the way"
		f.Mend = "put a proxy with TLS in front and write public_url with https://"
	case u.Scheme == "https" && s.TLS.Cert == "" && len(s.TrustedProxies) == 0:
		// We speak plain HTTP ourselves, so something in front ends TLS.
		f.Level, f.Text = Warn, "public_url is https, so a proxy stands in front, but trusted_proxies is empty: every client looks like the proxy"
		f.Mend = "set trusted_proxies to the proxy's address or network"
	}
	return f
}

func proxies(s config.Settings) Finding {
	names := make([]string, len(s.TrustedProxies))
	for i, p := range s.TrustedProxies {
		names[i] = p.String()
		if p.Bits() == 0 {
			return Finding{Name: "trusted_proxies", Level: Fail, Text: "trusted_proxies holds " + names[i] + ": anybody can claim any client address",
				Mend: "name only the addresses of your own proxies"}
		}
	}
	if len(s.TrustedProxies) == 0 {
		return Finding{Name: "trusted_proxies", Level: OK, Text: "no proxy is trusted to name client addresses"}
	}
	return Finding{Name: "trusted_proxies", Level: OK, Text: "trusted: " + strings.Join(names, ", ")}
}

// isLoopback is true for localhost and loopback addresses, not for an empty
// host, which means all addresses.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
