package mattermost

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
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
const Name = "mattermost"

// Defaults of settings.
const (
	DefaultMaxAnswerAge     = time.Hour
	DefaultFollowThreadDays = 7
	DefaultLoopLimit        = 10
)

const prefixChannel = "mm-"

// Body is the stored form of a channel's settings: complete and without
// secrets.
type Body struct {
	ID     string `json:"id"`
	Server string `json:"server"`
	// User is the user name or e-mail address of an account with a password;
	// empty for one with a token.
	User   string `json:"user,omitempty"`
	CAFile string `json:"ca_file,omitempty"`
	Proxy  string `json:"proxy,omitempty"`
	// Answer is "mention", "always" or "prefix " and the prefix. Direct
	// messages are always answered.
	Answer string `json:"answer"`
	// Rooms hold other answers by name or pattern of a room.
	Rooms   map[string]RoomBody `json:"rooms,omitempty"`
	Replies RepliesBody         `json:"replies"`
	// FollowThreadDays is for how many days after our last answer in a thread
	// a reply there needs no mention; 0 for never.
	FollowThreadDays int `json:"follow_thread_days"`
	// MaxAnswerAge is a Go duration: older posts are stored and not answered.
	MaxAnswerAge string `json:"max_answer_age"`
	// LoopLimit is how many answers a minute one person may get in one room
	// while saying much the same; 0 for no limit.
	LoopLimit int `json:"loop_limit"`
	// Alerts is the room where Parley tells of trouble: "team/name" or a name.
	Alerts string `json:"alerts,omitempty"`
	// CatchUp bounds the posts read per room after a loss; 0 for no bound.
	CatchUp int `json:"catch_up,omitempty"`
}

// RoomBody is what differs in one room.
type RoomBody struct {
	Answer string `json:"answer"`
}

// RepliesBody says where answers go: "flat" or "thread".
type RepliesBody struct {
	// Direct is for a post in a direct message, Room for one in a room, Thread
	// for a reply in a thread of either.
	Direct string `json:"direct"`
	Room   string `json:"room"`
	Thread string `json:"thread"`
}

// TokenSecret is the id under which the token of a channel is sealed.
func TokenSecret(id chat.ChannelID) string { return "mattermost/" + string(id) + "/token" }

// PasswordSecret is the id under which the password of a channel is sealed.
func PasswordSecret(id chat.ChannelID) string { return "mattermost/" + string(id) + "/password" }

// ParseBody reads a stored body.
func ParseBody(body []byte) (Body, error) {
	return setting.Stored[Body](Name, body)
}

// given is what an owner writes.
type given struct {
	ID               string               `json:"id"`
	Server           string               `json:"server"`
	Token            string               `json:"token"`
	User             string               `json:"user"`
	Password         string               `json:"password"`
	CAFile           string               `json:"ca_file"`
	Proxy            string               `json:"proxy"`
	Answer           string               `json:"answer"`
	Rooms            map[string]givenRoom `json:"rooms"`
	Replies          RepliesBody          `json:"replies"`
	FollowThreadDays *int                 `json:"follow_thread_days"`
	MaxAnswerAge     string               `json:"max_answer_age"`
	LoopLimit        *int                 `json:"loop_limit"`
	Alerts           string               `json:"alerts"`
	CatchUp          int                  `json:"catch_up"`
}

type givenRoom struct {
	Answer string `json:"answer"`
}

// unknownKey refuses a key, and says of one that is not taken yet why.
func unknownKey(path, key string, known []string) error {
	if path == "access" {
		return fault.Field(path, "is not built yet: everybody who can write to the account is answered; take it out")
	}
	return setting.Unknown(path, key, known)
}

// Kind is the catalog's face of this channel type. The zero value is ready.
type Kind struct{}

var (
	_ channel.Kind     = Kind{}
	_ channel.Exporter = Kind{}
	_ channel.Asker    = Kind{}
)

// Name implements [channel.Kind].
func (Kind) Name() string { return Name }

// Settle implements [channel.Kind].
func (Kind) Settle(_ string, raw json.RawMessage, stored []byte) (channel.Settled, error) {
	var g given
	form := setting.Form{Unknown: unknownKey}
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
	b := Body{CAFile: g.CAFile, Proxy: g.Proxy, User: strings.TrimSpace(g.User), Alerts: strings.TrimPrefix(strings.TrimSpace(g.Alerts), "~")}
	settled := channel.Settled{Secrets: map[string]string{}}
	for _, step := range []func(*Body, given, Body) error{settleID, settleServer, settleAnswers, settleLimits, settleAlerts} {
		if err := step(&b, g, old); err != nil {
			return channel.Settled{}, err
		}
	}
	if err := settleAccount(b, g, old, stored != nil, settled.Secrets); err != nil {
		return channel.Settled{}, err
	}
	body, err := setting.Encode(Name, b)
	if err != nil {
		return channel.Settled{}, err
	}
	settled.ID, settled.Body = chat.ChannelID(b.ID), body
	return settled, nil
}

func settleID(b *Body, g given, old Body) error {
	b.ID = g.ID
	if b.ID == "" {
		b.ID = old.ID
	}
	if b.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make a channel id: %w", err)
		}
		b.ID = prefixChannel + id.String()
	}
	if old.ID != "" && b.ID != old.ID {
		return fault.Field("id", "is %s and cannot change, because conversations belong to it; remove this channel and add one under another name", old.ID)
	}
	tail, ok := strings.CutPrefix(b.ID, prefixChannel)
	if _, err := uuid.Parse(tail); !ok || err != nil || len(tail) != 36 {
		return fault.Field("id", "%q is not the id of a Mattermost channel of Parley; leave it out to have one made", b.ID)
	}
	return nil
}

func settleServer(b *Body, g given, _ Body) error {
	// The client knows what a good address is.
	client, err := mm.New(mm.Options{Server: g.Server, CAFile: g.CAFile, Proxy: g.Proxy})
	if err != nil {
		return err
	}
	b.Server = canonicalServer(client.Server())
	return nil
}

// canonicalServer writes the address of a server in one way, so that two
// spellings of it are seen to be the same.
func canonicalServer(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	host := strings.ToLower(u.Host)
	switch strings.ToLower(u.Scheme) {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.ToLower(u.Scheme) + "://" + host + strings.TrimRight(u.Path, "/")
}

// settleAccount checks the credentials. A secret that is left out stays as it
// is stored, unless the account is another one now.
func settleAccount(b Body, g given, old Body, known bool, secrets map[string]string) error {
	id := chat.ChannelID(b.ID)
	token, password := strings.TrimSpace(g.Token), g.Password
	same := known && old.User == b.User && old.Server == b.Server
	switch {
	case token != "" && (b.User != "" || password != ""):
		return fault.Field("token", "is given together with user or password; give a token, or user and password")
	case b.User == "" && password != "":
		return fault.Field("user", "is missing; password needs the user name or e-mail address it belongs to")
	case b.User != "" && password == "" && !same:
		return fault.Field("password", "is missing; give the password of user %q, or a token instead of both", b.User)
	case b.User == "" && token == "" && !same:
		return fault.Field("token", "is missing; give the token of a bot account (System Console, Integrations, Bot Accounts), a personal access token, or user and password")
	case strings.ContainsAny(token, " \t\r\n"):
		return fault.Field("token", "has white space in it; copy the token again")
	}
	if token != "" {
		secrets[TokenSecret(id)] = token
	}
	if password != "" {
		secrets[PasswordSecret(id)] = password
	}
	if known && old.User == "" && b.User != "" {
		secrets[TokenSecret(id)] = ""
	}
	if known && old.User != "" && b.User == "" {
		secrets[PasswordSecret(id)] = ""
	}
	return nil
}

func settleAnswers(b *Body, g given, _ Body) error {
	var err error
	if b.Answer, err = settleAnswer("answer", g.Answer); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(g.Rooms)) {
		at := "rooms." + name
		if strings.TrimSpace(name) == "" {
			return fault.Field("rooms", "has an entry without a name; write the name of a room as in its address, or a pattern such as \"dev-*\"")
		}
		if _, err := path.Match(name, ""); err != nil {
			return fault.Field(at, "is not a pattern; * stands for any letters, ? for one, [ab] for one of these")
		}
		if g.Rooms[name].Answer == "" {
			return fault.Field(at+".answer", "is missing; give mention, always or \"prefix !bot\"")
		}
		answer, err := settleAnswer(at+".answer", g.Rooms[name].Answer)
		if err != nil {
			return err
		}
		if b.Rooms == nil {
			b.Rooms = map[string]RoomBody{}
		}
		b.Rooms[name] = RoomBody{Answer: answer}
	}
	b.Replies = g.Replies
	for _, r := range []struct {
		field, def string
		value      *string
	}{{"direct", flat, &b.Replies.Direct}, {"room", thread, &b.Replies.Room}, {"thread", thread, &b.Replies.Thread}} {
		switch *r.value {
		case "":
			*r.value = r.def
		case flat, thread:
		default:
			return fault.Field("replies."+r.field, "%q is neither flat nor thread", *r.value)
		}
	}
	return nil
}

// Where answers go.
const (
	flat   = "flat"
	thread = "thread"
)

// When a room is answered.
const (
	onMention = "mention"
	always    = "always"
	onPrefix  = "prefix "
)

func settleAnswer(field, answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	prefix, isPrefix := strings.CutPrefix(answer, onPrefix)
	switch prefix = strings.TrimSpace(prefix); {
	case answer == "":
		return onMention, nil
	case answer == onMention, answer == always:
		return answer, nil
	case isPrefix && prefix != "" && len(prefix) <= 64 && !strings.ContainsAny(prefix, " \t\r\n"):
		return onPrefix + prefix, nil
	case isPrefix || answer == strings.TrimSpace(onPrefix):
		return "", fault.Field(field, "needs one word after prefix, such as \"prefix !bot\"")
	}
	mend := ""
	if best := fault.Nearest(answer, []string{onMention, always}); best != "" {
		mend = fmt.Sprintf("; did you mean %q?", best)
	}
	return "", fault.Field(field, "%q is none of mention, always and \"prefix !bot\"%s", answer, mend)
}

func settleLimits(b *Body, g given, _ Body) error {
	b.FollowThreadDays, b.LoopLimit, b.CatchUp = DefaultFollowThreadDays, DefaultLoopLimit, g.CatchUp
	if g.FollowThreadDays != nil {
		b.FollowThreadDays = *g.FollowThreadDays
	}
	if g.LoopLimit != nil {
		b.LoopLimit = *g.LoopLimit
	}
	switch {
	case b.FollowThreadDays < 0 || b.FollowThreadDays > 3650:
		return fault.Field("follow_thread_days", "should be 0 (never) to 3650")
	case b.LoopLimit < 0 || b.LoopLimit > 1000:
		return fault.Field("loop_limit", "should be 0 (no limit) to 1000 answers a minute")
	case b.CatchUp < 0:
		return fault.Field("catch_up", "is below 0; leave it out to read everything")
	}
	age := DefaultMaxAnswerAge
	if g.MaxAnswerAge != "" {
		var err error
		if age, err = time.ParseDuration(g.MaxAnswerAge); err != nil || age < time.Minute || age > 365*24*time.Hour {
			return fault.Field("max_answer_age", "%q is not a time between 1m and 8760h, such as 1h", g.MaxAnswerAge)
		}
	}
	b.MaxAnswerAge = age.String()
	return nil
}

func settleAlerts(b *Body, _ given, _ Body) error {
	if b.Alerts == "" {
		return nil
	}
	parts := strings.Split(b.Alerts, "/")
	if len(parts) > 2 || slices.Contains(parts, "") || strings.ContainsAny(b.Alerts, " \t\r\n") {
		return fault.Field("alerts", "%q is not a room; write its name as in its address, or team/name", b.Alerts)
	}
	return nil
}

// Export implements [channel.Exporter].
func (Kind) Export(c channel.Configured) (map[string]any, error) {
	var m map[string]any
	if err := json.Unmarshal(c.Body, &m); err != nil {
		return nil, fmt.Errorf("export mattermost settings: %w", err)
	}
	if _, login := m["user"]; login {
		m["password"] = channel.SecretRef(PasswordSecret(c.ID))
	} else {
		m["token"] = channel.SecretRef(TokenSecret(c.ID))
	}
	return m, nil
}

// Questions implements [channel.Asker].
func (Kind) Questions() []channel.Question {
	return []channel.Question{
		{Key: "server", Prompt: "address of the Mattermost server", Help: "as people open it in the browser, with https://"},
		{Key: "token", Prompt: "access token of the account", Help: "System Console, Integrations, Bot Accounts; leave it empty for an account with a password", Secret: true, Optional: true},
		{Key: "user", Prompt: "user name of the account", Unless: "token"},
		{Key: "password", Prompt: "password of the account", Secret: true, Unless: "token"},
		{Key: "answer", Prompt: "answer in rooms: mention, always or \"prefix !bot\"", Default: onMention},
		{Key: "alerts", Prompt: "room for alerts, as team/name", Help: "Parley tells there of trouble; empty for none", Optional: true},
	}
}

// label names a channel for people, by name and server.
func label(name, server string) string { return strconv.Quote(name) + " on " + server }
