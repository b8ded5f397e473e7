package mattermost

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	mm "parley/internal/mattermost"
)

const (
	// oldestMajor is the oldest Mattermost that Parley means to work with.
	oldestMajor = 9
	// certificateWarn is how long before its end a certificate is worth a word.
	certificateWarn = 14 * 24 * time.Hour
)

// server finds out whether a Mattermost answers at the address.
func (p *probe) server(ctx context.Context) bool {
	status, err := p.client.Ping(ctx)
	if err != nil {
		name, text, mend := p.unreachable(err)
		p.fail(name, text, mend)
		return false
	}
	text := p.body.Server + " answers"
	if status.Version != "" {
		text += ", Mattermost " + status.Version
	}
	p.ok(foundServer, "%s", text)
	p.health(status)
	p.version(status.Version)
	if leaf := p.wire.certificate(); leaf != nil {
		if left := leaf.NotAfter.Sub(p.now()); left < certificateWarn {
			p.warn(foundCertificate, "the server's certificate ends on "+leaf.NotAfter.UTC().Format(time.DateOnly),
				"renew the certificate of "+p.host()+" before that day")
		}
	}
	return true
}

func (p *probe) health(s mm.ServerStatus) {
	var ill []string
	for _, part := range []struct{ name, status string }{{"server", s.Status}, {"database", s.Database}, {"file store", s.Filestore}} {
		if part.status != "" && part.status != "OK" {
			ill = append(ill, part.name)
		}
	}
	if len(ill) > 0 {
		p.warn(foundTrouble, "Mattermost says it is not well: "+strings.Join(ill, ", "),
			"look at the server's log: System Console, Reporting, Server Logs")
	}
}

func (p *probe) version(version string) {
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	if err == nil && major < oldestMajor {
		p.warn(foundVersion, fmt.Sprintf("the server is Mattermost %d; Parley is made for %d and later", major, oldestMajor),
			"update Mattermost; Parley is tested with 11")
	}
}

func (p *probe) host() string {
	u, err := url.Parse(p.body.Server)
	if err != nil {
		return p.body.Server
	}
	return u.Hostname()
}

// unreachable says why a server did not answer as a Mattermost does.
func (p *probe) unreachable(err error) (name, text, mend string) {
	if name, text, mend = p.badCertificate(err); name != "" {
		return name, text, mend
	}
	if name, text, mend = p.noConnection(err); name != "" {
		return name, text, mend
	}
	return p.noMattermost(err)
}

// badCertificate explains why TLS was refused.
func (p *probe) badCertificate(err error) (name, text, mend string) {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		mend = "save that authority's certificate as a PEM file on this machine and name it in the channel: ca_file: /path/to/ca.pem"
		if p.body.CAFile != "" {
			mend = "the certificates in ca_file " + p.body.CAFile + " are not those of the authority; put the authority's certificate there (with intermediate ones if the server does not send them)"
		}
		return foundAuthority, "the certificate of " + p.host() + " is signed by an authority that this machine does not know", mend
	case errors.As(err, &host):
		text = "the certificate of the server does not name " + p.host()
		if names := certificateNames(host.Certificate); names != "" {
			text += "; it names " + names
		}
		return foundHostName, text, "write the name that the certificate has into server, or get a certificate for " + p.host()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if p.now().Before(invalid.Cert.NotBefore) {
			return foundExpired, "the certificate of " + p.host() + " is not valid before " + invalid.Cert.NotBefore.UTC().Format(time.DateOnly),
				"set this machine's clock, or get a certificate that is valid now"
		}
		return foundExpired, "the certificate of " + p.host() + " has ended on " + invalid.Cert.NotAfter.UTC().Format(time.DateOnly),
			"renew the certificate of the server (and check this machine's clock)"
	case errors.As(err, &invalid):
		return foundTLS, "the certificate of " + p.host() + " may not be used for a server", "get a certificate for a web server"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return foundTLS, p.body.Server + " does not speak TLS", "write http:// in place of https:// into server, or the port of TLS"
	}
	return "", "", ""
}

// certificateNames lists a few names of a certificate. They come from a
// stranger, so only what can be a name is shown.
func certificateNames(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	var names []string
	for _, n := range c.DNSNames {
		plain := strings.Trim(strings.ToLower(n), "abcdefghijklmnopqrstuvwxyz0123456789.-*") == ""
		if plain && len(n) < 100 && len(names) < 5 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// noConnection explains why no connection came about.
func (p *probe) noConnection(err error) (name, text, mend string) {
	var (
		dns     *net.DNSError
		op      *net.OpError
		timeout net.Error
	)
	if mm.StatusOf(err) != 0 {
		return "", "", ""
	}
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return foundProxy, "the proxy on the way to " + p.host() + " cannot be reached",
			"check proxy of the channel (or HTTPS_PROXY of Parley's environment); proxy: none goes without one"
	case errors.As(err, &dns):
		return foundDNS, "the name " + p.host() + " is not known to the DNS of this machine",
			"check the spelling of server; try it here: getent hosts " + p.host()
	case errors.Is(err, syscall.ECONNREFUSED):
		return foundRefused, "nothing listens at " + p.body.Server, "check that Mattermost runs and that the port in server is right"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return foundTimeout, p.body.Server + " does not answer in time",
			"check the address, and that a firewall lets this machine through to it"
	}
	return foundNetwork, p.body.Server + " cannot be reached",
		"check the address and the network between this machine and it; the server may also have broken the connection off"
}

// noMattermost explains an answer that is not Mattermost's.
func (p *probe) noMattermost(err error) (name, text, mend string) {
	status := mm.StatusOf(err)
	_, limited := mm.Limited(err)
	switch {
	case limited:
		return foundRateLimit, "the server refuses to answer now: too many requests came from this address",
			"wait a minute and try again; raise the limit: System Console, Environment, Rate Limiting"
	case status/100 == 3:
		// The client says where to, and keeps the rest of the address out.
		return foundRedirect, explainShort(err), "write that address into server"
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return foundTrouble, fmt.Sprintf("a proxy in front of Mattermost answers with status %d: Mattermost behind it does not", status),
			"start Mattermost, or correct the address to which the proxy sends requests"
	case status >= 500 && !p.wire.answer().html:
		return foundTrouble, fmt.Sprintf("the server is in trouble (status %d)", status), "look at the server's log"
	case status == http.StatusBadRequest && strings.HasPrefix(p.body.Server, "http://"):
		return foundWrongServer, "what answers at " + p.body.Server + " is not Mattermost's API (status 400)", "write https:// in place of http:// into server"
	case p.wire.answer().html:
		return foundWrongServer, fmt.Sprintf("what answers at %s is a web page, not Mattermost's API (status %d)", p.body.Server, status),
			"write the address at which Mattermost itself opens, with its sub-path if it has one; a login page of a proxy in front has to let /api/v4 through"
	}
	return foundWrongServer, fmt.Sprintf("what answers at %s is not Mattermost's API (status %d)", p.body.Server, status),
		"write the address at which Mattermost opens in the browser, with its sub-path if it has one"
}
