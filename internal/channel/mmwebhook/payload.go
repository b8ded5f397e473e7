package mmwebhook

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// maxPayload bounds the body of a call, in bytes. A post has at most 16,383
// characters, which a form writes in up to 12 bytes each.
const maxPayload = 1 << 20

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// payload is what an outgoing webhook tells about a post. Fields that are not
// listed are ignored: later servers may send more.
type payload struct {
	Token       string
	TeamID      string
	TeamDomain  string
	ChannelID   string
	ChannelName string
	// At is the post's time; zero when it is missing or odd. Mattermost writes
	// milliseconds in JSON and seconds in a form (seen with server 11.4).
	At          time.Time
	UserID      string
	UserName    string
	PostID      string
	Text        string
	TriggerWord string
	Files       []string
}

// readPayload reads the body of a call. Errors are faults of kind Invalid.
func readPayload(contentType string, body []byte) (payload, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if contentType == "" {
		kind, err = asForm, nil
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			kind = asJSON
		}
	}
	switch {
	case err == nil && kind == asJSON:
		return readJSON(body)
	case err == nil && kind == asForm:
		return readForm(body)
	}
	return payload{}, fault.Field("Content-Type", "is neither %s nor %s; choose one of them in the outgoing webhook", asJSON, asForm)
}

// jsonPayload is the JSON of a call. It has a name so that the log is short when
// something else comes.
type jsonPayload struct {
	Token       string          `json:"token"`
	TeamID      string          `json:"team_id"`
	TeamDomain  string          `json:"team_domain"`
	ChannelID   string          `json:"channel_id"`
	ChannelName string          `json:"channel_name"`
	Timestamp   json.RawMessage `json:"timestamp"`
	UserID      string          `json:"user_id"`
	UserName    string          `json:"user_name"`
	PostID      string          `json:"post_id"`
	Text        string          `json:"text"`
	TriggerWord string          `json:"trigger_word"`
	FileIDs     json.RawMessage `json:"file_ids"`
}

func readJSON(body []byte) (payload, error) {
	var raw jsonPayload
	if err := json.Unmarshal(body, &raw); err != nil {
		return payload{}, fault.Wrap(err, fault.Invalid, "the body is not the JSON of an outgoing webhook")
	}
	return clean(payload{
		Token: raw.Token, TeamID: raw.TeamID, TeamDomain: raw.TeamDomain, ChannelID: raw.ChannelID, ChannelName: raw.ChannelName,
		At: readTime(strings.Trim(string(raw.Timestamp), `"`), time.UnixMilli), UserID: raw.UserID, UserName: raw.UserName,
		PostID: raw.PostID, Text: raw.Text, TriggerWord: raw.TriggerWord, Files: readFiles(raw.FileIDs),
	}), nil
}

// readFiles reads the ids of files: one text with commas, or a list.
func readFiles(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.Split(text, ",")
	}
	return nil
}

func readForm(body []byte) (payload, error) {
	v, err := url.ParseQuery(string(body))
	if err != nil {
		return payload{}, fault.Wrap(err, fault.Invalid, "the body is not the form of an outgoing webhook")
	}
	seconds := func(n int64) time.Time { return time.Unix(n, 0) }
	return clean(payload{
		Token: v.Get("token"), TeamID: v.Get("team_id"), TeamDomain: v.Get("team_domain"), ChannelID: v.Get("channel_id"),
		ChannelName: v.Get("channel_name"), At: readTime(v.Get("timestamp"), seconds), UserID: v.Get("user_id"),
		UserName: v.Get("user_name"), PostID: v.Get("post_id"), Text: v.Get("text"), TriggerWord: v.Get("trigger_word"),
		Files: strings.Split(v.Get("file_ids"), ","),
	}), nil
}

// readTime reads a time in whole units since 1970. One that cannot be meant in
// these units is none.
func readTime(s string, in func(int64) time.Time) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	at := in(n)
	if year := at.Year(); year < 2010 || year > 2200 {
		return time.Time{}
	}
	return at
}

// clean makes all texts storable: valid UTF-8 without NUL. Odd file ids go.
func clean(p payload) payload {
	for _, s := range []*string{&p.TeamID, &p.TeamDomain, &p.ChannelID, &p.ChannelName, &p.UserID, &p.UserName, &p.PostID, &p.Text, &p.TriggerWord} {
		*s = strings.ReplaceAll(strings.ToValidUTF8(*s, "\uFFFD"), "\x00", "")
	}
	var files []string
	for _, id := range p.Files {
		if id = strings.TrimSpace(id); mm.ValidID(id) && len(files) < maxFiles {
			files = append(files, id)
		}
	}
	p.Files = files
	return p
}

// maxFiles is how many files a post can have in Mattermost.
const maxFiles = 10

// check reports what is missing. It is asked after the token, so that a
// stranger learns nothing from it.
func (p payload) check() error {
	for _, f := range []struct{ name, value string }{
		{"team_id", p.TeamID}, {"channel_id", p.ChannelID}, {"user_id", p.UserID}, {"post_id", p.PostID},
	} {
		if !mm.ValidID(f.value) {
			return fault.Field(f.name, "is missing or not a Mattermost id (26 characters of a-z and 0-9)")
		}
	}
	switch {
	case !validChannelName(p.ChannelName):
		return fault.Field("channel_name", "is missing or not the name of a channel as in its address")
	case len(p.UserName) > 256:
		return fault.Field("user_name", "is longer than 256 bytes")
	}
	return nil
}

// empty reports a post that says nothing, such as one of a bot that has
// attachments alone.
func (p payload) empty() bool { return strings.TrimSpace(p.Text) == "" && len(p.Files) == 0 }

// validChannelName keeps what is not a channel's name from being used as an
// address of an answer: "@name" would be a direct message.
func validChannelName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// raw is the payload as it is kept beside its entry, without the token.
func (p payload) raw() []byte {
	b, err := json.Marshal(map[string]any{
		"team_id": p.TeamID, "team_domain": p.TeamDomain, "channel_id": p.ChannelID, "channel_name": p.ChannelName,
		"timestamp": max(p.At.UnixMilli(), 0), "user_id": p.UserID, "user_name": p.UserName, "post_id": p.PostID,
		"text": p.Text, "trigger_word": p.TriggerWord, "file_ids": p.Files,
	})
	if err != nil {
		return nil // cannot be: all values are texts and numbers
	}
	return b
}
