package mattermost

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	one = "11111111111111111111111111"
	two = "22222222222222222222222222"
)

func TestPostIsTolerant(t *testing.T) {
	for text, want := range map[string]Post{
		`{"id":"` + one + `","message":"m","props":{"a":"b"},"file_ids":["f"],"metadata":{"files":[{"id":"f","name":"n"}],"reactions":7}}`: {
			ID: one, Message: "m", Props: map[string]any{"a": "b"}, FileIDs: []string{"f"},
			Metadata: PostMetadata{Files: []FileInfo{{ID: "f", Name: "n"}}}},
		`{"id":"` + one + `","props":"text","file_ids":null,"metadata":[]}`: {ID: one},
		`{"id":"` + one + `","props":null,"file_ids":[1],"metadata":null}`:  {ID: one},
		`{"id":"` + one + `","new_field":{"x":[1,2]},"props":[]}`:           {ID: one},
	} {
		var got Post
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{`{"id":5}`, `{"message":{}}`, `[]`, `"x"`, `{"create_at":"now"}`} {
		if err := json.Unmarshal([]byte(text), new(Post)); err == nil {
			t.Errorf("%s is no post", text)
		}
	}
}

func TestEventParts(t *testing.T) {
	inner := func(v any) string {
		text, _ := json.Marshal(v)
		outer, _ := json.Marshal(string(text))
		return string(outer)
	}
	post := inner(map[string]any{"id": one, "channel_id": two, "user_id": two, "message": "hi"})
	for _, test := range []struct {
		what, frame string
		check       func(Event) bool
	}{
		{"string", `{"event":"posted","seq":1,"data":{"post":` + post + `,"mentions":"[\"` + one + `\"]"}}`,
			func(e Event) bool {
				return e.Post != nil && e.Post.Message == "hi" && len(e.Mentions) == 1 && e.ChannelID == two
			}},
		{"plain", `{"event":"posted","seq":1,"data":{"post":{"id":"` + one + `","channel_id":"` + two + `"},"mentions":["` + one + `"]}}`,
			func(e Event) bool { return e.Post != nil && len(e.Mentions) == 1 && e.Malformed == nil }},
		{"no post", `{"event":"posted","seq":1,"data":{},"broadcast":{"channel_id":"` + two + `"}}`,
			func(e Event) bool { return e.Post == nil && e.Malformed != nil && e.ChannelID == two }},
		{"null post", `{"event":"post_edited","seq":1,"data":{"post":"null"}}`, func(e Event) bool { return e.Post == nil && e.Malformed != nil }},
		{"bad post", `{"event":"post_deleted","seq":1,"data":{"post":"{"}}`, func(e Event) bool { return e.Post == nil && e.Malformed != nil }},
		{"bad id", `{"event":"posted","seq":1,"data":{"post":"{\"id\":\"../x\",\"channel_id\":\"` + two + `\"}"}}`,
			func(e Event) bool { return e.Post == nil && e.Malformed != nil }},
		{"no data", `{"event":"posted","seq":1}`, func(e Event) bool { return e.Malformed != nil }},
		{"bad data", `{"event":"typing","seq":1,"data":[]}`, func(e Event) bool { return e.Malformed != nil }},
		{"null channel", `{"event":"channel_updated","seq":1,"data":{"channel":"null"}}`, func(e Event) bool { return e.Channel == nil && e.Malformed != nil }},
		{"reaction", `{"event":"reaction_removed","seq":1,"broadcast":{"channel_id":"` + two + `"},"data":{"reaction":"{\"user_id\":\"` + one + `\",\"post_id\":\"` + one + `\",\"emoji_name\":\"x\"}"}}`,
			func(e Event) bool { return e.Reaction != nil && e.Reaction.ChannelID == two && e.UserID == one }},
		{"unknown", `{"event":"brand_new","seq":1,"data":{"post":5}}`,
			func(e Event) bool {
				return e.Malformed == nil && e.Post == nil && strings.Contains(string(e.Data), "5")
			}},
		{"group", `{"event":"group_added","seq":1,"data":{"teammate_ids":"[\"` + one + `\"]"},"broadcast":{"channel_id":"` + two + `"}}`,
			func(e Event) bool { return len(e.TeammateIDs) == 1 && e.ChannelID == two }},
	} {
		f, err := parseFrame([]byte(test.frame))
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
		} else if e := f.event(); !test.check(e) {
			t.Errorf("%s: %+v", test.what, e)
		}
	}
	for _, text := range []string{``, `{}`, `[]`, `{"event":"x"}`, `{"event":"x","seq":-1}`, `{"seq_reply":1}`, `{"event":5,"seq":1}`} {
		if f, err := parseFrame([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, f)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"event":"hello","data":{"connection_id":"` + one + `"},"seq":0}`))
	f.Add([]byte(`{"status":"FAIL","seq_reply":4,"error":{"id":"a.b","status_code":401}}`))
	f.Add([]byte(`{"event":"posted","seq":1,"data":{"post":"{\"id\":\"` + one + `\",\"channel_id\":\"` + two + `\"}","mentions":"[]"}}`))
	f.Add([]byte(`{"event":"reaction_added","seq":1,"data":{"reaction":"{}"}}`))
	f.Add([]byte(`{"event":"channel_updated","seq":1,"data":{"channel":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := parseFrame(text)
		if err != nil {
			return
		}
		_ = frame.unauthorized()
		if frame.Event == "" {
			return
		}
		e := frame.event()
		if e.Seq < 0 || e.Name != frame.Event {
			t.Errorf("%+v", e)
		}
		if e.Post != nil && (!ValidID(e.Post.ID) || e.ChannelID != e.Post.ChannelID) {
			t.Errorf("a post without id or channel: %+v", e.Post)
		}
		if e.Post != nil && e.Malformed != nil {
			t.Errorf("both a post and %v", e.Malformed)
		}
	})
}

func FuzzPost(f *testing.F) {
	f.Add([]byte(`{"id":"` + one + `","message":"m","props":{"a":[1]},"file_ids":["f"],"metadata":{"files":[{}],"reactions":[]}}`))
	f.Add([]byte(`{"props":"x","metadata":{"files":{}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p Post
		if json.Unmarshal(text, &p) != nil {
			return
		}
		if p.Root() == "" && (p.ID != "" || p.RootID != "") {
			t.Errorf("%+v", p)
		}
		_, _ = p.System(), p.Prop("a")
	})
}

func FuzzServer(f *testing.F) {
	for _, s := range []string{"https://chat.example.com/sub", "chat", "http://u:p@h", "http://[::1]:1/", "http://h/%2e%2e/x", "http://h/a//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseServer(s)
		if err != nil {
			return
		}
		if again, err := parseServer(u.String()); err != nil || again.String() != u.String() {
			t.Errorf("%q is %q, and that is %v, %v", s, u, again, err)
		}
		if u.User != nil || strings.HasSuffix(u.Path, "/") || u.Host == "" {
			t.Errorf("%q is %q", s, u)
		}
	})
}
