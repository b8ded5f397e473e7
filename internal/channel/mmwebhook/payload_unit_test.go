package mmwebhook

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// As sent by server 11.4; the form by 11.1.
const (
	sentJSON = `{"token":"ygsu7c7fnib7tcafpjm78z6a8h","team_id":"adbd1hxgw7b3zmtstxrzr1xhhc","team_domain":"support","channel_id":"etz8ah3jn7du7dtdwqeeg1xz3o",
 "channel_name":"lobby","timestamp":1795185804544,"user_id":"g8sax5ec7fn4tqk9fd1kagdhpe","user_name":"alice","post_id":"iztbx5ec7fn4tqk9fd1kagdhpe",
 "text":"hello  world \u0026 more","trigger_word":"","file_ids":"ez1k9j9qoibw3nmm3t6y7hw6fr,g8sax5ec7fn4tqk9fd1kagdhpe"}`
	sentForm = `channel_id=etz8ah3jn7du7dtdwqeeg1xz3o&channel_name=town-square&file_ids=&post_id=iztbx5ec7fn4tqk9fd1kagdhpe&team_domain=support&team_id=adbd1hxgw7b3zmtstxrzr1xhhc` +
		`&text=%23bot++what+is+up%3F&timestamp=1795185805&token=ygsu7c7fnib7tcafpjm78z6a8h&trigger_word=%23bot&user_id=g8sax5ec7fn4tqk9fd1kagdhpe&user_name=alice`
)

func TestReadPayload(t *testing.T) {
	got, err := readPayload("application/json", []byte(sentJSON))
	if err != nil {
		t.Fatal(err)
	}
	want := payload{
		Token: "ygsu7c7fnib7tcafpjm78z6a8h", TeamID: "adbd1hxgw7b3zmtstxrzr1xhhc", TeamDomain: "support", ChannelID: "etz8ah3jn7du7dtdwqeeg1xz3o",
		ChannelName: "lobby", At: time.UnixMilli(1795185804544), UserID: "g8sax5ec7fn4tqk9fd1kagdhpe", UserName: "alice",
		PostID: "iztbx5ec7fn4tqk9fd1kagdhpe", Text: "hello  world & more",
		Files: []string{"ez1k9j9qoibw3nmm3t6y7hw6fr", "g8sax5ec7fn4tqk9fd1kagdhpe"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("JSON: %+v", got)
	}
	got, err = readPayload("application/x-www-form-urlencoded; charset=utf-8", []byte(sentForm))
	if err != nil || got.Text != "#bot  what is up?" || !got.At.Equal(time.Unix(1795185805, 0)) || got.TriggerWord != "#bot" || got.Files != nil || got.check() != nil {
		t.Errorf("form: %+v, %v", got, err)
	}
	for _, body := range []string{sentJSON, sentForm} {
		if got, err := readPayload("", []byte(body)); err != nil || got.check() != nil {
			t.Errorf("without a content type: %+v, %v", got, err)
		}
	}
}

func TestReadPayloadTolerates(t *testing.T) {
	for name, body := range map[string]string{
		"unknown fields": `{"token":"t","new":{"a":[1]},"post_id":"p"}`,
		"files as list":  `{"token":"t","file_ids":["ez1k9j9qoibw3nmm3t6y7hw6fr"]}`,
		"odd files":      `{"token":"t","file_ids":12}`,
		"time as text":   `{"token":"t","timestamp":"1795185804544"}`,
		"odd time":       `{"token":"t","timestamp":{"a":1}}`,
		"seconds":        `{"token":"t","timestamp":1795185804}`,
		"nulls":          `{"token":"t","text":null,"file_ids":null,"timestamp":null}`,
		"NUL":            `{"token":"t","text":"a\u0000b"}`,
		"half a pair":    `{"token":"t","text":"\ud83d"}`,
	} {
		p, err := readPayload("application/json", []byte(body))
		if err != nil || p.Token != "t" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if strings.Contains(p.Text, "\x00") || name == "seconds" && !p.At.IsZero() || name == "time as text" && p.At.IsZero() || name == "files as list" && len(p.Files) != 1 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func FuzzReadPayload(f *testing.F) {
	f.Add("application/json", []byte(sentJSON))
	f.Add("application/x-www-form-urlencoded", []byte(sentForm))
	f.Add("", []byte(`{"text":"\u0000","file_ids":["x"]}`))
	f.Add("application/json; charset", []byte("null"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		p, err := readPayload(contentType, body)
		if err != nil {
			return
		}
		for _, s := range []string{p.Text, p.UserName, p.ChannelName, p.TriggerWord, said(p, []string{"#bot", p.TriggerWord})} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				t.Errorf("%q cannot be stored", s)
			}
		}
		if len(p.Files) > maxFiles {
			t.Errorf("%d files", len(p.Files))
		}
		if p.check() == nil {
			if _, ok := parsePlace(place{p.TeamID, p.ChannelID, p.UserID}.key()); !ok {
				t.Errorf("%+v has no place", p)
			}
		}
		if !json.Valid(p.raw()) || p.Token != "" && len(p.Token) > 8 && !strings.Contains(p.Text, p.Token) && strings.Contains(string(p.raw()), `"`+p.Token+`"`) && !otherFieldHas(p) {
			t.Errorf("raw %s", p.raw())
		}
	})
}

// otherFieldHas reports a token that stands in another field too.
func otherFieldHas(p payload) bool {
	for _, s := range append([]string{p.TeamID, p.TeamDomain, p.ChannelID, p.ChannelName, p.UserID, p.UserName, p.PostID, p.TriggerWord}, p.Files...) {
		if strings.Contains(s, p.Token) {
			return true
		}
	}
	return false
}

// Both forms of one post say the same.
func FuzzFormAndJSON(f *testing.F) {
	f.Add("#bot hello", "alice", "#bot")
	f.Fuzz(func(t *testing.T, text, user, word string) {
		if !utf8.ValidString(text) || !utf8.ValidString(user) || !utf8.ValidString(word) {
			return
		}
		asJSON, err := json.Marshal(map[string]any{"text": text, "user_name": user, "trigger_word": word})
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"text": {text}, "user_name": {user}, "trigger_word": {word}}.Encode()
		a, err := readPayload("application/json", asJSON)
		if err != nil {
			t.Fatal(err)
		}
		b, err := readPayload("application/x-www-form-urlencoded", []byte(form))
		if err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("JSON %+v, form %+v, %v", a, b, err)
		}
	})
}

func TestStripTrigger(t *testing.T) {
	words := []string{"#desk", "!bot", "!b", "hey"}
	for _, tt := range []struct{ text, told, want string }{
		{"#desk where is it?", "#desk", "where is it?"},
		{"\n  #desk\n where\n  is it?", "#desk", "where\n  is it?"},
		{"#desk", "#desk", "#desk"},                            // nothing else is said
		{"#desk: hello", "#desk", "hello"},                     // a hook for words that begin so
		{"#desk: hello", "", "hello"},                          // a hook for everything
		{"!bothelp me", "!bot", "help me"},                     // a hook for words that begin so
		{"#desktop is broken", "", "#desktop is broken"},       // a hook for everything
		{"#desktop is broken", "#other", "#desktop is broken"}, // with the word of another hook
		{"#other do it", "#other", "#other do it"},             // the word of another hook
		{"hey you", "", "you"},                                 // the word of ours, heard by a hook for everything
		{"Hey you", "hey", "Hey you"},                          // Mattermost minds the case as well
		{"say #desk twice", "#desk", "say #desk twice"},        // not the first word
		{"", "", ""}, {"  ", "#desk", ""}, {"#desk !", "#desk", "!"},
	} {
		if got := stripTrigger(tt.text, tt.told, words); got != tt.want {
			t.Errorf("%q told %q: %q, want %q", tt.text, tt.told, got, tt.want)
		}
	}
	if got := stripTrigger("#desk hello", "#desk", nil); got != "#desk hello" {
		t.Errorf("without words: %q", got)
	}
}

func TestPlace(t *testing.T) {
	p := place{"adbd1hxgw7b3zmtstxrzr1xhhc", "etz8ah3jn7du7dtdwqeeg1xz3o", "g8sax5ec7fn4tqk9fd1kagdhpe"}
	if got, ok := parsePlace(p.key()); !ok || got != p {
		t.Errorf("%+v", got)
	}
	for _, key := range []string{"", "room", "room:a:b:c", "dm:" + p.room, p.key() + ":x"} {
		if _, ok := parsePlace(key); ok {
			t.Errorf("%q is taken for a place", key)
		}
	}
}

func TestLoopsForget(t *testing.T) {
	l := newLoops()
	now := time.Unix(1_800_000_000, 0)
	for i := range maxSpeakers + 10 {
		l.judge(string(rune(i))+"speaker", "p", 1, now.Add(time.Duration(i)*time.Second))
	}
	if n := len(l.speakers); n > 200 {
		t.Errorf("%d speakers are remembered", n)
	}
	// One who never stops, at a rate below the limit, is answered for good.
	for i := range 100 {
		if _, silent := l.judge("slow", "p", 3, now.Add(time.Duration(i)*21*time.Second)); silent {
			t.Fatalf("post %d was not answered", i)
		}
	}
}
