package mattermost

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	mm "parley/internal/mattermost"
)

const (
	// socketWait is how long the WebSocket may take to show life. The server
	// greets at once, and cuts a connection it does not know after 5 s.
	socketWait = 7 * time.Second
	// skewWarn is the clock difference worth a word.
	skewWarn = 30 * time.Second
)

// webSocket opens the stream of events, asks for a sign of life, and compares
// clocks: that in the answer is Mattermost's, not a proxy's.
func (p *probe) webSocket(ctx context.Context) {
	before := p.now()
	t, err := p.client.Try(ctx, socketWait)
	switch {
	case err == nil:
		p.ok(foundWebSocket, "the WebSocket opens, greets, and answers in %s", max(t.RoundTrip.Round(time.Millisecond), time.Millisecond))
		p.clock(before, t.ServerTime)
	case t.Hello:
		p.fail(foundSilentWS, "the WebSocket opens and greets, but answers nothing that is sent over it",
			"a proxy in front of Mattermost has to pass on what the client sends over /api/v4/websocket, unbuffered")
	case t.Upgraded:
		p.fail(foundSilentWS, "the WebSocket opens and stays silent or is cut, although the account is accepted",
			"a proxy in front of Mattermost holds it back: for nginx, proxy_buffering off, proxy_http_version 1.1 and proxy_read_timeout 600s at /api/v4/websocket; several Mattermost nodes behind it need the same settings")
	default:
		p.noUpgrade(err)
	}
}

// noUpgrade explains a WebSocket that did not open.
func (p *probe) noUpgrade(err error) {
	status := mm.StatusOf(err)
	text := fmt.Sprintf("the WebSocket is refused with status %d", status)
	switch status {
	case 0:
		name, why, mend := p.noConnection(err)
		p.fail(foundRefusedWS, fmt.Sprintf("the WebSocket does not open (%s): %s", name, why), mend)
	case http.StatusForbidden:
		p.fail(foundRefusedWS, text+": Mattermost takes it for one of a foreign web page, or a proxy forbids it",
			"the proxy in front must not add a header Origin, and has to hand on Host as it came; else name the origin: System Console, Integrations, CORS, Enable cross-origin requests from")
	case http.StatusTooManyRequests:
		p.fail(foundRateLimit, text+": too many requests came from this address",
			"wait a minute and try again; raise the limit: System Console, Environment, Rate Limiting")
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		p.fail(foundRefusedWS, text+": the proxy in front has no server for it",
			"correct the part of the proxy's settings for /api/v4/websocket: it needs the same server as the rest")
	default:
		p.fail(foundRefusedWS, text,
			"the proxy in front of Mattermost has to pass on the headers Upgrade and Connection at /api/v4/websocket; for nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade, proxy_set_header Connection \"upgrade\"")
	}
}

// clock compares the server's clock with ours, read before and now.
func (p *probe) clock(before, theirs time.Time) {
	if theirs.IsZero() {
		return
	}
	var skew time.Duration
	side := "behind"
	if after := p.now(); theirs.After(after) {
		skew, side = theirs.Sub(after), "ahead of"
	} else if theirs.Before(before) {
		skew = before.Sub(theirs)
	}
	if skew <= skewWarn {
		p.ok(foundClock, "this machine and Mattermost agree on the time")
		return
	}
	p.warn(foundClock, fmt.Sprintf("the clock of Mattermost is %s %s ours: posts look older or newer than they are, and max_answer_age (%s) is off by that", skew.Round(time.Second), side, p.body.MaxAnswerAge),
		"run a time service (NTP) on both machines")
}

// siteURL compares the address that Mattermost believes to have with ours:
// links that people get are made from both.
func (p *probe) siteURL(context.Context) {
	const where = "System Console, Environment, Web Server, Site URL"
	switch site := strings.TrimRight(p.config.SiteURL, "/"); {
	case site == "":
		p.warn(foundSiteURL, "Mattermost does not know its own address: its links and notifications lack it", "set "+where+" to the address people open")
	case canonicalServer(site) == p.body.Server:
		p.ok(foundSiteURL, "Mattermost believes to be at the same address")
	default:
		// The other address is shown as far as it is one.
		shown := "another address"
		if u, err := url.Parse(site); err == nil && u.Host != "" && len(site) < 256 && u.User == nil {
			shown = u.Scheme + "://" + u.Host + u.EscapedPath()
		}
		p.warn(foundSiteURL, fmt.Sprintf("Mattermost believes to be at %s, and Parley calls it at %s: links that Parley gives people lead to the latter", shown, p.body.Server),
			"if people cannot open "+p.body.Server+", write the other address into server; if it is right, correct "+where)
	}
}

// limits tells of the server's rate limit.
func (p *probe) limits(context.Context) {
	if limit, remaining := p.wire.rate(); limit != "" {
		p.ok(foundRateLimit, "the server limits requests (%s at once, %s left now), by default for all accounts of one address together: Parley slows down by itself; for a busy assistant raise System Console, Environment, Rate Limiting", digits(limit), digits(remaining))
	}
}

// digits shows a number of a stranger.
func digits(s string) string {
	if s == "" || len(s) > 12 || strings.Trim(s, "0123456789") != "" {
		return "?"
	}
	return s
}
