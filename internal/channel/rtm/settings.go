package rtm

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/setting"
)

// Name is what the catalog calls this type of channel.
const Name = "rtm"

// Token lives an owner may set, and the one used when none is set. The vendor's
// server was captured with one hour.
const (
	DefaultTokenLife = time.Hour
	MinTokenLife     = time.Minute
	MaxTokenLife     = 30 * 24 * time.Hour
)

const maxApps = 200

// Body is the stored form of a channel's settings: complete and without
// secrets.
type Body struct {
	Bot  BotBody   `json:"bot"`
	Apps []AppBody `json:"apps"`
}

// BotBody is the bot that clients name in botInfo.
type BotBody struct {
	// ID looks like "st-" + UUID and is the channel's id.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Icon is an http or https address, or empty.
	Icon string `json:"icon,omitempty"`
}

// AppBody is one client app: a credential for the bot.
type AppBody struct {
	// ID looks like "cs-" + UUID: the issuer of the app's JWTs.
	ID string `json:"id"`
	// Algorithms are the accepted JWT algorithms, sorted: HS256 and HS512 need
	// the app's secret, RS256 and RS512 its public key.
	Algorithms []string `json:"algorithms"`
	// PublicKey is PEM.
	PublicKey string `json:"public_key,omitempty"`
	// Origins are the web origins that may open sockets; empty means any.
	Origins []string `json:"origins,omitempty"`
	// TokenLife is a Go duration.
	TokenLife string `json:"token_life"`
	// SingleUseJWT makes every JWT need a jti, live an hour at most and work
	// once. Android repeats a grant with the same JWT on every reconnect, so
	// this is off unless an owner asks for it.
	SingleUseJWT bool `json:"single_use_jwt,omitempty"`
}

// SecretID is the id under which an app's secret is sealed.
func SecretID(bot, app string) string { return "rtm/" + bot + "/" + app + "/secret" }

// ParseBody reads a stored body.
func ParseBody(body []byte) (Body, error) {
	return setting.Stored[Body](Name, body)
}

// given is what an owner writes.
type given struct {
	Bot struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Icon string `json:"icon"`
	} `json:"bot"`
	Apps []givenApp `json:"apps"`
}

type givenApp struct {
	ID           string   `json:"id"`
	Secret       string   `json:"secret"`
	PublicKey    string   `json:"public_key"`
	Algorithms   []string `json:"algorithms"`
	Origins      []string `json:"origins"`
	TokenLife    string   `json:"token_life"`
	SingleUseJWT bool     `json:"single_use_jwt"`
}

// unknownKey refuses a key. Where none is near it lists the known ones in
// brackets.
func unknownKey(path, key string, known []string) error {
	if fault.Nearest(key, known) == "" {
		return fault.Field(path, "is not a known key; known are %v", known)
	}
	return setting.Unknown(path, key, known)
}

// Kind is the catalog's face of this channel type. The zero value is ready.
type Kind struct{}

var _ channel.Kind = Kind{}

// Name implements [channel.Kind].
func (Kind) Name() string { return Name }

// Settle implements [channel.Kind].
func (Kind) Settle(name string, raw json.RawMessage, stored []byte) (channel.Settled, error) {
	var g given
	form := setting.Form{Whole: "should be a group of keys", Unknown: unknownKey}
	if err := form.Decode(raw, &g); err != nil {
		return channel.Settled{}, err
	}
	var old Body
	if stored != nil {
		var err error
		if old, err = ParseBody(stored); err != nil {
			return channel.Settled{}, err
		}
	}
	s := settling{old: old, secrets: map[string]string{}}
	if err := s.bot(name, g); err != nil {
		return channel.Settled{}, err
	}
	if err := s.apps(g.Apps); err != nil {
		return channel.Settled{}, err
	}
	body, err := setting.Encode(Name, s.body)
	if err != nil {
		return channel.Settled{}, err
	}
	return channel.Settled{ID: chat.ChannelID(s.body.Bot.ID), Body: body, Secrets: s.secrets, Shown: s.shown}, nil
}

// settling is one run of Settle.
type settling struct {
	old     Body
	body    Body
	secrets map[string]string
	shown   []channel.Shown
}

var idTail = regexp.MustCompile(`^[A-Za-z0-9_-]{1,120}$`)

func checkID(field, id, prefix, what string) error {
	tail, ok := strings.CutPrefix(id, prefix)
	if !ok || !idTail.MatchString(tail) {
		return fault.Field(field, "%q is not the id of %s; it begins with %q and goes on with letters, digits, - and _; leave it out to have one made", id, what, prefix)
	}
	return nil
}

func (s *settling) bot(name string, g given) error {
	b := BotBody{ID: g.Bot.ID, Name: strings.TrimSpace(g.Bot.Name), Icon: g.Bot.Icon}
	if b.ID != "" {
		if err := checkID("bot.id", b.ID, "st-", "a bot"); err != nil {
			return err
		}
		if s.old.Bot.ID != "" && b.ID != s.old.Bot.ID {
			return fault.Field("bot.id", "is %s and cannot change, because conversations belong to it; remove this channel and add one under another name", s.old.Bot.ID)
		}
	}
	if b.ID == "" {
		b.ID = s.old.Bot.ID
	}
	if b.ID == "" {
		b.ID = newID("st-")
		s.shown = append(s.shown, channel.Shown{Label: "bot id of channel " + name, Value: b.ID})
	}
	if b.Name == "" {
		b.Name = name
	}
	if len(b.Name) > 200 {
		return fault.Field("bot.name", "is longer than 200 bytes")
	}
	if b.Icon != "" && !isHTTP(b.Icon) {
		return fault.Field("bot.icon", "%q is not an http or https address", b.Icon)
	}
	s.body.Bot = b
	return nil
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// origin checks one entry of an app's list and returns it as browsers send it.
func origin(s string) (string, error) {
	if s == "null" {
		return s, nil
	}
	u, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("%q is not an origin; write it like https://www.example.com, or null for pages opened from a file", s)
	}
	if strings.Contains(u.Host, "*") {
		return "", fmt.Errorf("%q holds a wildcard; list each origin, or leave the list out to allow all", s)
	}
	host := strings.ToLower(u.Host)
	scheme := strings.ToLower(u.Scheme)
	// A browser leaves out the port its scheme implies.
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host, nil
}

func hasHMAC(algorithms []string) bool {
	return slices.ContainsFunc(algorithms, func(a string) bool { return strings.HasPrefix(a, "HS") })
}

func hasRSA(algorithms []string) bool {
	return slices.ContainsFunc(algorithms, func(a string) bool { return strings.HasPrefix(a, "RS") })
}
