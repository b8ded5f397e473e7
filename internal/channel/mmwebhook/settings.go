package mmwebhook

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/setting"
)

// Name is what the catalog calls this type of channel.
const Name = "mattermost-webhook"

// DefaultLoopLimit is how many messages a minute of one person in one room are
// answered when no loop_limit is set: more than people write.
const DefaultLoopLimit = 20

// How an instant answer travels.
const (
	// byResponse brings it in the response to the request of the question.
	byResponse = "response"
	// byWebhook brings every answer through the incoming webhook.
	byWebhook = "webhook"
)

const (
	prefixChannel = "mw-"
	maxProofs     = 20
	minProof      = 16
	maxProof      = 128
	maxTriggers   = 100
)

// Body is the stored form of a channel's settings: complete and without
// secrets.
type Body struct {
	// ID looks like "mw-" + UUID.
	ID string `json:"id"`
	// Tokens are the tokens of outgoing webhooks, Keys the unguessable parts of
	// our address, each in the order in which they are sealed.
	Tokens []ProofBody `json:"outgoing_token"`
	Keys   []ProofBody `json:"callback_key"`
	// Server is where the incoming webhook is, or empty without one.
	Server       string   `json:"server,omitempty"`
	TriggerWords []string `json:"trigger_words,omitempty"`
	Bot          BotBody  `json:"bot"`
	// Answer is "response" or "webhook": how an instant answer travels.
	Answer string `json:"answer"`
	// LoopLimit is how many messages a minute of one person in one room are
	// answered; 0 for no limit.
	LoopLimit int    `json:"loop_limit"`
	CAFile    string `json:"ca_file,omitempty"`
	Proxy     string `json:"proxy,omitempty"`
}

// ProofBody is one token or callback key; the value is sealed.
type ProofBody struct {
	// Until is when it stops counting, in UTC, or "never".
	Until string `json:"until"`
}

const never = "never"

// BotBody is how answers are signed, where the server allows overrides.
type BotBody struct {
	Name string `json:"name,omitempty"`
	// Icon is an http or https address.
	Icon string `json:"icon,omitempty"`
}

func secretID(id, what string) string { return Name + "/" + id + "/" + what }

// TokenSecret and KeySecret are the ids under which the nth (from 0) token and
// callback key of a channel are sealed; IncomingSecret is that of the address
// of its incoming webhook.
func TokenSecret(id string, n int) string {
	return secretID(id, fmt.Sprintf("outgoing_token/%d", n+1))
}

// KeySecret: see [TokenSecret].
func KeySecret(id string, n int) string { return secretID(id, fmt.Sprintf("callback_key/%d", n+1)) }

// IncomingSecret: see [TokenSecret].
func IncomingSecret(id string) string { return secretID(id, "incoming_url") }

// ParseBody reads a stored body.
func ParseBody(body []byte) (Body, error) {
	return setting.Stored[Body](Name, body)
}

// Kind is the catalog's face of this channel type. The zero value is ready.
type Kind struct{}

var _ channel.Kind = Kind{}

// Name implements [channel.Kind].
func (Kind) Name() string { return Name }

// Settle implements [channel.Kind]. A token, callback key or incoming_url that is
// left out stays as it is stored; an empty incoming_url is none.
func (Kind) Settle(name string, raw json.RawMessage, stored []byte) (channel.Settled, error) {
	g, err := readGiven(raw)
	if err != nil {
		return channel.Settled{}, err
	}
	s := settling{name: name, given: g, known: stored != nil, secrets: map[string]string{}}
	if s.known {
		if s.old, err = ParseBody(stored); err != nil {
			return channel.Settled{}, err
		}
	}
	for _, step := range []func() error{s.id, s.tokens, s.keys, s.incoming, s.triggers, s.bot, s.limits} {
		if err := step(); err != nil {
			return channel.Settled{}, err
		}
	}
	body, err := setting.Encode(Name, s.body)
	if err != nil {
		return channel.Settled{}, err
	}
	return channel.Settled{ID: chat.ChannelID(s.body.ID), Body: body, Secrets: s.secrets, Shown: s.shown}, nil
}

// settling is one run of Settle.
type settling struct {
	name    string
	given   given
	known   bool
	old     Body
	body    Body
	secrets map[string]string
	shown   []channel.Shown
}

func (s *settling) id() error {
	id := s.given.id
	if id == "" {
		id = s.old.ID
	}
	if id == "" {
		made, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make a channel id: %w", err)
		}
		id = prefixChannel + made.String()
	}
	if s.known && id != s.old.ID {
		return fault.Field("id", "is %s and cannot change, because conversations belong to it; remove this channel and add one under another name", s.old.ID)
	}
	tail, ok := strings.CutPrefix(id, prefixChannel)
	if _, err := uuid.Parse(tail); !ok || err != nil || len(tail) != 36 {
		return fault.Field("id", "%q is not the id of a mattermost-webhook channel; leave it out to have one made", id)
	}
	s.body.ID = id
	return nil
}

func (s *settling) tokens() error {
	if len(s.given.tokens) == 0 && len(s.old.Tokens) == 0 {
		return fault.Field("outgoing_token", "is missing; Mattermost shows it when the outgoing webhook is made (Integrations, Outgoing Webhooks)")
	}
	var err error
	s.body.Tokens, err = s.proofs(s.given.tokens, s.old.Tokens, TokenSecret, "token")
	return err
}

func (s *settling) keys() error {
	if len(s.given.keys) == 0 && len(s.old.Keys) == 0 {
		key := strings.ToLower(rand.Text())
		s.given.keys = []proofGiven{{field: "callback_key", value: key}}
		s.shown = append(s.shown, channel.Shown{Label: "callback address of channel " + s.name + ", below the public URL", Value: hooksPath + key})
	}
	var err error
	s.body.Keys, err = s.proofs(s.given.keys, s.old.Keys, KeySecret, "key")
	return err
}

// proofs settles tokens or keys. Without any given, the stored ones stay.
func (s *settling) proofs(given []proofGiven, old []ProofBody, secretOf func(string, int) string, what string) ([]ProofBody, error) {
	if len(given) == 0 {
		return old, nil
	}
	if len(given) > maxProofs {
		return nil, fault.Field(given[0].field, "is a list of %d; %d is the most", len(given), maxProofs)
	}
	var all []ProofBody
	seen := map[string]bool{}
	for i, p := range given {
		if err := checkProof(p, what); err != nil {
			return nil, err
		}
		if seen[p.value] {
			return nil, fault.Field(p.field, "stands in the list twice")
		}
		seen[p.value] = true
		until, err := settleUntil(p)
		if err != nil {
			return nil, err
		}
		all = append(all, ProofBody{Until: until})
		s.secrets[secretOf(s.body.ID, i)] = p.value
	}
	for i := len(given); i < len(old); i++ {
		s.secrets[secretOf(s.body.ID, i)] = ""
	}
	return all, nil
}

var proofForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func checkProof(p proofGiven, what string) error {
	switch {
	case len(p.value) < minProof || len(p.value) > maxProof || !proofForm.MatchString(p.value):
		if what == "key" {
			return fault.Field(p.field, "needs %d to %d letters, digits, - or _; leave it out to have one made", minProof, maxProof)
		}
		return fault.Field(p.field, "is not the token of an outgoing webhook, which has 26 letters and digits; copy it again")
	}
	return nil
}

// settleUntil writes a time in one way. A date alone means its end, in UTC.
func settleUntil(p proofGiven) (string, error) {
	if p.until == "" || p.until == never {
		return never, nil
	}
	if day, err := time.Parse(time.DateOnly, p.until); err == nil {
		return day.AddDate(0, 0, 1).Format(time.RFC3339), nil
	}
	at, err := time.Parse(time.RFC3339, p.until)
	if err != nil {
		return "", fault.Field(strings.TrimSuffix(strings.TrimSuffix(p.field, ".token"), ".key")+".until",
			"%q is not a time; write a day such as 2026-12-31, or 2026-12-31T18:00:00Z", p.until)
	}
	return at.UTC().Format(time.RFC3339), nil
}

func (s *settling) incoming() error {
	s.body.CAFile, s.body.Proxy = s.given.caFile, s.given.proxy
	switch address := s.given.incoming; {
	case address == nil:
		s.body.Server = s.old.Server
	case *address == "" && s.old.Server != "":
		s.secrets[IncomingSecret(s.body.ID)] = ""
	case *address != "":
		if err := mm.CheckWebhook(*address); err != nil {
			return err
		}
		base, err := serverOf(*address)
		if err != nil {
			return err
		}
		s.body.Server = base
		s.secrets[IncomingSecret(s.body.ID)] = *address
	}
	if s.body.Server == "" {
		for _, f := range []struct{ name, value string }{{"ca_file", s.given.caFile}, {"proxy", s.given.proxy}} {
			if f.value != "" {
				return fault.Field(f.name, "is for the way to incoming_url, which is missing")
			}
		}
		return nil
	}
	// The client knows what good addresses, files and proxies are.
	_, err := mm.New(mm.Options{Server: s.body.Server, CAFile: s.body.CAFile, Proxy: s.body.Proxy})
	return err
}

// serverOf is the address of the server an incoming webhook belongs to.
func serverOf(hook string) (string, error) {
	u, err := url.Parse(hook)
	if err != nil {
		return "", fault.Field("incoming_url", "is not the address of an incoming webhook")
	}
	path, _, _ := strings.Cut(u.Path, "/hooks/")
	return u.Scheme + "://" + u.Host + path, nil
}

func (s *settling) triggers() error {
	if len(s.given.triggers) > maxTriggers {
		return fault.Field("trigger_words", "has %d words; %d is the most", len(s.given.triggers), maxTriggers)
	}
	for i, w := range s.given.triggers {
		if w == "" || len(w) > 200 || strings.ContainsAny(w, " \t\r\n") {
			return fault.Field(fmt.Sprintf("trigger_words[%d]", i), "should be one word, as it stands in the outgoing webhook")
		}
		if !slices.Contains(s.body.TriggerWords, w) {
			s.body.TriggerWords = append(s.body.TriggerWords, w)
		}
	}
	return nil
}

func (s *settling) bot() error {
	s.body.Bot = BotBody{Name: s.given.botName, Icon: s.given.botIcon}
	if len(s.body.Bot.Name) > 200 || strings.ContainsAny(s.body.Bot.Name, "\r\n") {
		return fault.Field("bot.name", "should be one line of at most 200 bytes")
	}
	if icon := s.body.Bot.Icon; icon != "" {
		u, err := url.Parse(icon)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(icon) > 1000 {
			return fault.Field("bot.icon", "is not an http or https address of at most 1000 bytes")
		}
	}
	return nil
}

func (s *settling) limits() error {
	s.body.Answer = s.given.answer
	switch s.body.Answer {
	case "":
		s.body.Answer = byResponse
	case byResponse:
	case byWebhook:
		if s.body.Server == "" {
			return fault.Field("answer", "is webhook, which needs incoming_url")
		}
	default:
		return fault.Field("answer", "%q is neither response nor webhook%s", s.body.Answer, setting.Suggest(s.body.Answer, []string{byResponse, byWebhook}))
	}
	s.body.LoopLimit = DefaultLoopLimit
	if s.given.loopLimit != nil {
		s.body.LoopLimit = *s.given.loopLimit
	}
	if s.body.LoopLimit < 0 || s.body.LoopLimit > 10000 {
		return fault.Field("loop_limit", "should be 0 (no limit) to 10000 messages a minute")
	}
	return nil
}
