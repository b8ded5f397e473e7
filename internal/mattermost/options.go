package mattermost

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/internal/fault"
	"parley/internal/safehttp"
)

// Secret is a secret value that prints as redacted; secret.Text is one. A nil
// Secret, and one that reveals an empty text, is none.
type Secret interface {
	// Reveal gives the secret itself.
	Reveal() string
}

// Login is a user name (or e-mail address) and password.
type Login struct {
	User     string
	Password Secret
}

// Options say which server and which account.
type Options struct {
	// Server is the address people open in the browser, with scheme, and with
	// the sub-path when Mattermost lives below one.
	Server string
	// Token is that of a bot, or a personal access token. Either Token or
	// Login is given; with neither, only [Client.Ping] and
	// [Client.IncomingWebhook] work.
	Token Secret
	// Login makes a session at first use; see [Client.Close].
	Login *Login
	// CAFile names a PEM file of certificates that are trusted beside the
	// system's, or is empty.
	CAFile string
	// Proxy is the URL of a proxy, "none", or empty for what the environment
	// says.
	Proxy string
	// HTTP replaces the client that is made from CAFile and Proxy, in tests.
	HTTP *http.Client
	// Logger hears of waits for rate limits and of new logins; nil for none.
	Logger *slog.Logger
	// Now replaces time.Now, in tests.
	Now func() time.Time

	// PingEvery is how often a [Stream] asks whether it is alive, 0 for 30 s.
	PingEvery time.Duration
	// PingWait is how long an answer to that may take, 0 for 10 s.
	PingWait time.Duration
}

const (
	defaultPingEvery = 30 * time.Second
	defaultPingWait  = 10 * time.Second
	// maxBody bounds an answer, in bytes. A page of 200 posts has at most
	// 60 MB: the server takes no post above 300 kB.
	maxBody = 64 << 20
)

// New makes a client; it sends nothing yet. Errors are faults of kind Invalid
// that name the field.
func New(o Options) (*Client, error) {
	base, err := parseServer(o.Server)
	if err != nil {
		return nil, err
	}
	if reveal(o.Token) != "" && o.Login != nil {
		return nil, fault.Field("token", "is given together with a login; give one of them")
	}
	if strings.ContainsAny(reveal(o.Token), " \t\r\n") {
		return nil, fault.Field("token", "has white space in it; copy the token again")
	}
	if l := o.Login; l != nil && (l.User == "" || reveal(l.Password) == "") {
		return nil, fault.Field("login", "needs both user and password")
	}
	client := o.HTTP
	if client == nil {
		client, err = safehttp.New(safehttp.Options{CAFile: o.CAFile, Proxy: o.Proxy, MaxBody: maxBody})
		if err != nil {
			return nil, err
		}
	}
	c := &Client{base: base, http: client, log: o.Logger, now: o.Now, pingEvery: o.PingEvery, pingWait: o.PingWait}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.pingEvery <= 0 {
		c.pingEvery = defaultPingEvery
	}
	if c.pingWait <= 0 {
		c.pingWait = defaultPingWait
	}
	c.gate.now = c.now
	c.session = newSession(o)
	return c, nil
}

func reveal(s Secret) string {
	if s == nil {
		return ""
	}
	return s.Reveal()
}

// pasted are parts of addresses that people copy from the browser or from the
// API's documentation; what stands before them is the server.
var pasted = [...]string{"/api/v4", "/channels/", "/messages/", "/pl/", "/hooks/", "/_redirect/", "/admin_console", "/login", "/landing"}

// parseServer checks the address of the server.
func parseServer(server string) (*url.URL, error) {
	const field = "server"
	if server == "" {
		return nil, fault.Field(field, "is empty; give the address people open in the browser, such as https://chat.example.com")
	}
	u, err := url.Parse(strings.TrimSpace(server))
	switch {
	case err != nil && !strings.Contains(server, "://"), err == nil && u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.Field(field, "needs http:// or https:// in front, such as https://chat.example.com")
	case err != nil:
		return nil, fault.Field(field, "is not an address; write it like https://chat.example.com")
	case u.Hostname() == "":
		return nil, fault.Field(field, "names no host; write it like https://chat.example.com")
	case u.User != nil:
		return nil, fault.Field(field, "holds a user name or password; take them out and use a token or a login")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fault.Field(field, "has a part after ? or #; give the address of the server alone")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	for _, p := range pasted {
		if strings.Contains(u.Path+"/", strings.TrimSuffix(p, "/")+"/") {
			return nil, fault.Field(field, "has %q in it, which is a page of the server; give the address of the server alone", strings.Trim(p, "/"))
		}
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
		if part == "." || part == ".." || u.Path != "" && part == "" || strings.ContainsAny(part, " \\%") {
			return nil, fault.Field(field, "has an odd path; give the address of the server alone")
		}
	}
	return u, nil
}
