package mattermost

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/safehttp"
)

// The names of findings, in the order in which they are looked for. Scripts and
// docs/mattermost.md use them.
const (
	foundSettings     = "settings"
	foundServer       = "server"
	foundDNS          = "dns"
	foundRefused      = "refused"
	foundTimeout      = "timeout"
	foundNetwork      = "network"
	foundProxy        = "proxy"
	foundTLS          = "tls"
	foundAuthority    = "certificate_authority"
	foundExpired      = "certificate_expired"
	foundHostName     = "certificate_name"
	foundCertificate  = "certificate"
	foundRedirect     = "redirect"
	foundWrongServer  = "wrong_server"
	foundTrouble      = "server_trouble"
	foundVersion      = "version"
	foundToken        = "token"
	foundPassword     = "password"
	foundSecondFactor = "second_factor"
	foundLocked       = "locked"
	foundDeactivated  = "deactivated"
	foundBotLogin     = "bot_login"
	foundAccount      = "account"
	foundBotAccounts  = "bot_accounts"
	foundRoles        = "roles"
	foundAdmin        = "role_admin"
	foundPostAll      = "role_post_all"
	foundPostPublic   = "role_post_all_public"
	foundTeams        = "teams"
	foundRooms        = "rooms"
	foundRoomSettings = "room_settings"
	foundAlerts       = "alerts"
	foundRefusedWS    = "websocket_refused"
	foundSilentWS     = "websocket_silent"
	foundWebSocket    = "websocket"
	foundClock        = "clock"
	foundSiteURL      = "site_url"
	foundRateLimit    = "rate_limit"
	foundCallback     = "callback"
	foundUntried      = "callback_not_tried"
)

// stepTime bounds one question to the server.
const stepTime = 10 * time.Second

var _ channel.Tester = Kind{}

// Test implements [channel.Tester]. Whether Mattermost can call us is left
// open: that needs a server that is called, see [Prober].
func (Kind) Test(ctx context.Context, c channel.Configured) []channel.Finding {
	return (&probe{now: time.Now}).run(ctx, c)
}

// probe is one test of one channel.
type probe struct {
	now func() time.Time
	// back tries the way from Mattermost to us; nil where nobody listens.
	back *Prober

	name   string
	body   Body
	client *mm.Client
	wire   *wire
	me     mm.User
	config mm.ClientConfig
	found  []channel.Finding
}

// run asks one thing after the other. What everything else depends on ends the
// test when it fails.
func (p *probe) run(ctx context.Context, c channel.Configured) []channel.Finding {
	p.name = c.Name
	if !p.connect(c) {
		return p.found
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		_ = p.client.Close(ctx) // at worst a session stays that ends by itself
	}()
	for _, need := range []func(context.Context) bool{p.server, p.account, p.settings} {
		if !p.within(ctx, need) {
			return p.found
		}
	}
	for _, look := range []func(context.Context){p.roles, p.places, p.alerts, p.webSocket, p.siteURL, p.limits, p.callback} {
		look(ctx)
	}
	return p.found
}

// within bounds a step.
func (p *probe) within(ctx context.Context, step func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return step(ctx)
}

func (p *probe) ok(name, format string, args ...any) {
	p.found = append(p.found, channel.Finding{Level: channel.LevelOK, Name: name, Text: fmt.Sprintf(format, args...)})
}

func (p *probe) warn(name, text, mend string) {
	p.found = append(p.found, channel.Finding{Level: channel.LevelWarn, Name: name, Text: text, Mend: mend})
}

func (p *probe) fail(name, text, mend string) {
	p.found = append(p.found, channel.Finding{Level: channel.LevelFail, Name: name, Text: text, Mend: mend})
}

// failed is for an error of a question that should have been answered; what it
// says of itself ends with the mend.
func (p *probe) failed(name string, err error) {
	text, mend, two := strings.Cut(explainShort(err), "; ")
	if !two {
		mend = "try again: parley channel test " + p.name
	}
	p.fail(name, text, mend)
}

// explainShort is what may be shown of an error, without the server's error id.
func explainShort(err error) string {
	text := problemText(err)
	var e *mm.Error
	if errors.As(err, &e) {
		text = strings.TrimPrefix(text, e.Op+": ")
	}
	if at := strings.LastIndex(text, " (Mattermost: "); at > 0 {
		text = text[:at]
	}
	return text
}

// connect makes the client. Nothing is sent yet.
func (p *probe) connect(c channel.Configured) bool {
	var err error
	if p.body, err = ParseBody(c.Body); err != nil {
		p.fail(foundSettings, "the stored settings cannot be read", "apply the catalog again")
		return false
	}
	a, err := newAccount(c, p.body)
	if err != nil {
		p.failSetting(foundToken, err)
		return false
	}
	h, err := safehttp.New(safehttp.Options{CAFile: a.caFile, Proxy: a.proxy, Timeout: 2 * stepTime})
	if err != nil {
		p.failSetting(foundSettings, err)
		return false
	}
	p.wire = &wire{next: h.Transport}
	h.Transport = p.wire
	o := mm.Options{Server: a.server, HTTP: h, Now: p.now}
	if a.user != "" {
		o.Login = &mm.Login{User: a.user, Password: a.secret}
	} else {
		o.Token = a.secret
	}
	if p.client, err = mm.New(o); err != nil {
		p.failSetting(foundSettings, err)
		return false
	}
	return true
}

// failSetting is for what cannot be used before anything is asked: it is named
// after the field.
func (p *probe) failSetting(name string, err error) {
	mend := "correct it in the catalog and apply it again"
	var f *fault.Error
	if errors.As(err, &f) && f.Field != "" {
		name = f.Field
		mend = "correct " + f.Field + " of channel " + p.name + " in the catalog and apply it again"
	}
	p.fail(name, problemText(err), mend)
}

// settings reads what the server lets clients know of its own.
func (p *probe) settings(ctx context.Context) bool {
	var err error
	if p.config, err = p.client.Config(ctx); err != nil {
		p.failed(foundServer, err)
		return false
	}
	if !p.me.IsBot || p.config.EnableBotAccountCreation {
		return true
	}
	p.warn(foundBotAccounts,
		fmt.Sprintf("bot accounts are switched off on the server; @%s exists already and goes on working, but nobody can make another bot", p.me.Username),
		"if you need another bot: System Console, Integrations, Bot Accounts, Enable Bot Account Creation: true, or mmctl config set ServiceSettings.EnableBotAccountCreation true")
	return true
}

// wire looks at answers as they pass.
type wire struct {
	next http.RoundTripper

	mu   sync.Mutex
	last seen
	// limit and remaining are those of the server's rate limit; empty for none.
	limit, remaining string
	leaf             *x509.Certificate
}

// seen is what the last answer looked like.
type seen struct {
	status int
	html   bool
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = seen{status: resp.StatusCode, html: strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")}
	if limit := resp.Header.Get("X-Ratelimit-Limit"); limit != "" {
		w.limit, w.remaining = limit, resp.Header.Get("X-Ratelimit-Remaining")
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		w.leaf = resp.TLS.PeerCertificates[0]
	}
	return resp, nil
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (w *wire) CloseIdleConnections() {
	if c, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (w *wire) answer() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *wire) certificate() *x509.Certificate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leaf
}

func (w *wire) rate() (limit, remaining string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit, w.remaining
}
