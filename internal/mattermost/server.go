package mattermost

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ServerStatus is what the server says about itself to anybody.
type ServerStatus struct {
	// Status, Database and Filestore are "OK" when all is well.
	Status    string
	Database  string
	Filestore string
	// Version is that of the server, for example "11.4.0".
	Version string
	// Date is the server's clock, to the second; zero when it did not say.
	Date time.Time
}

// Ping asks whether the server is there and well; it needs no credentials.
func (c *Client) Ping(ctx context.Context) (ServerStatus, error) {
	var body struct {
		Status    string `json:"status"`
		Database  string `json:"database_status"`
		Filestore string `json:"filestore_status"`
	}
	rq := request{op: "ping", method: http.MethodGet, path: "/system/ping", query: url.Values{"get_server_status": {"true"}}, anonymous: true}
	answer, err := c.do(ctx, rq)
	if err == nil {
		err = answer.decode(rq, &body)
	}
	if err != nil {
		return ServerStatus{}, err
	}
	if body.Status == "" {
		return ServerStatus{}, foreign(rq, answer)
	}
	s := ServerStatus{Status: body.Status, Database: body.Database, Filestore: body.Filestore,
		Version: shortVersion(answer.header.Get("X-Version-Id"))}
	if date, err := http.ParseTime(answer.header.Get("Date")); err == nil {
		s.Date = date
	}
	return s, nil
}

// shortVersion cuts build, configuration hash and licence mark off a version:
// "11.4.0.11.4.0.<hash>.false" is "11.4.0".
func shortVersion(v string) string {
	parts := strings.SplitN(v, ".", 4)
	return strings.Join(parts[:min(len(parts), 3)], ".")
}

// ClientConfig is the part of the server's settings that clients may know.
type ClientConfig struct {
	Version string
	// SiteURL is the address the server believes to have; empty when it was
	// never set.
	SiteURL string
	// MaxPostSize is the most runes of a post, MaxFileSize the most bytes of
	// a file; 0 when the server did not say.
	MaxPostSize int
	MaxFileSize int64
	// EnablePostUsernameOverride and EnablePostIconOverride let webhooks and
	// posts show another name and picture.
	EnablePostUsernameOverride bool
	EnablePostIconOverride     bool
	EnableIncomingWebhooks     bool
	EnableOutgoingWebhooks     bool
	EnableUserAccessTokens     bool
	// EnableBotAccountCreation lets admins make bots; those that exist go on
	// working without it.
	EnableBotAccountCreation bool
	// CollapsedThreads is "always_on", "default_on", "default_off" or
	// "disabled".
	CollapsedThreads string
	// PostEditTimeLimit is how long a post may be edited, in seconds; -1 for
	// ever.
	PostEditTimeLimit int
	// TypingEvery is how often clients tell that somebody types.
	TypingEvery time.Duration
}

// Config reads the settings. All values come as texts; one that does not parse
// stays zero.
func (c *Client) Config(ctx context.Context) (ClientConfig, error) {
	var texts map[string]any
	err := c.call(ctx, request{op: "read settings", method: http.MethodGet, path: "/config/client", query: url.Values{"format": {"old"}}}, &texts)
	if err != nil {
		return ClientConfig{}, err
	}
	text := func(name string) string { s, _ := texts[name].(string); return s }
	number := func(name string) int { n, _ := strconv.Atoi(text(name)); return n }
	is := func(name string) bool { return text(name) == "true" }
	size, _ := strconv.ParseInt(text("MaxFileSize"), 10, 64)
	return ClientConfig{
		Version: text("Version"), SiteURL: text("SiteURL"), MaxPostSize: number("MaxPostSize"), MaxFileSize: size,
		EnablePostUsernameOverride: is("EnablePostUsernameOverride"), EnablePostIconOverride: is("EnablePostIconOverride"),
		EnableIncomingWebhooks: is("EnableIncomingWebhooks"), EnableOutgoingWebhooks: is("EnableOutgoingWebhooks"),
		EnableUserAccessTokens: is("EnableUserAccessTokens"), EnableBotAccountCreation: is("EnableBotAccountCreation"),
		CollapsedThreads:  text("CollapsedThreads"),
		PostEditTimeLimit: number("PostEditTimeLimit"),
		TypingEvery:       time.Duration(number("TimeBetweenUserTypingUpdatesMilliseconds")) * time.Millisecond,
	}, nil
}
