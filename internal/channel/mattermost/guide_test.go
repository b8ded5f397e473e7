package mattermost_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"parley/internal/channel"
	"parley/internal/channel/mattermost"
)

func TestGuide(t *testing.T) {
	for _, test := range []struct {
		name, public string
		settings     map[string]any
		wants        []string
		not          string
	}{
		{"bot, public address", "https://chat.example.com/", at("https://mm.example.com"), []string{"/invite @NAME", "https://mm.example.com", "https://chat.example.com"}, "Allow untrusted"},
		{"person", "", map[string]any{"server": "https://mm.example.com", "user": "relay", "password": "x"}, []string{"/invite @relay"}, "calls"},
		{"by mail address", "", map[string]any{"server": "https://mm.example.com", "user": "relay@example.com", "password": "x"}, []string{"/invite @NAME"}, "relay@"},
		{"loopback", "http://127.0.0.1:8080", at("https://mm.example.com"), []string{"Allow untrusted internal connections", "127.0.0.1"}, "8080;"},
		{"private", "http://10.1.2.3", at("https://mm.example.com"), []string{"Allow untrusted", "10.1.2.3"}, ""},
		{"short name", "http://gateway:8080", at("https://mm.example.com"), []string{"Allow untrusted", "gateway"}, ""},
		{"inside name", "https://parley.corp", at("https://mm.example.com"), []string{"Allow untrusted", "parley.corp"}, ""},
	} {
		var all []string
		for _, s := range (mattermost.Kind{}).Guide(written(t, test.settings), test.public) {
			all = append(all, s.Label, s.Value)
		}
		text := strings.Join(all, "\n")
		for _, want := range test.wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", test.name, want, text)
			}
		}
		if test.not != "" && strings.Contains(text, test.not) {
			t.Errorf("%s: %q in\n%s", test.name, test.not, text)
		}
		if strings.Contains(text, "some-token-of-a-bot") {
			t.Errorf("%s: the token is shown", test.name)
		}
	}
}

func TestAdvise(t *testing.T) {
	for _, test := range []struct {
		settings map[string]any
		wants    string
	}{
		{at("https://mm.example.com"), ""},
		{at("http://localhost:8065"), ""},
		{at("http://mm.example.com"), "not encrypted"},
		{at("https://mm.example.com", "catch_up", 100), "100 posts"},
		{at("https://mm.example.com", "loop_limit", 0), "loop_limit"},
	} {
		all := mattermost.Kind{}.Advise(written(t, test.settings))
		if test.wants == "" && len(all) > 0 || test.wants != "" && (len(all) != 1 || !strings.Contains(all[0], test.wants)) {
			t.Errorf("%v: %v", test.settings, all)
		}
	}
}

// What is exported makes the same channel again, byte for byte.
func TestExportRoundTrip(t *testing.T) {
	for _, settings := range []map[string]any{
		at("https://mm.example.com"),
		{"server": "HTTPS://MM.example.com:443/chat/", "user": "relay", "password": "pass word"},
		at("https://mm.example.com", "answer", "prefix !bot", "rooms", map[string]any{"dev-*": map[string]any{"answer": "always"}},
			"replies", map[string]any{"direct": "thread", "room": "flat", "thread": "flat"}, "follow_thread_days", 0, "max_answer_age", "90m",
			"loop_limit", 0, "alerts", "~support/ops", "catch_up", 500),
	} {
		c := written(t, settings)
		out, err := mattermost.Kind{}.Export(c)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range out {
			if ref, ok := value.(channel.SecretRef); ok {
				opened, err := c.Secret(string(ref))
				if err != nil || opened != settings[key] {
					t.Errorf("%s refers to %q, %v", key, opened, err)
				}
				out[key] = opened
			}
		}
		raw, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		again, err := mattermost.Kind{}.Settle("other", raw, nil)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if string(again.Body) != string(c.Body) || again.ID != c.ID {
			t.Errorf("exported\n%s\nbecomes\n%s", c.Body, again.Body)
		}
	}
}

// The questions make a channel, with a token and with a password.
func TestQuestions(t *testing.T) {
	questions := mattermost.Kind{}.Questions()
	i := func(key string) int {
		return slices.IndexFunc(questions, func(q channel.Question) bool { return q.Key == key })
	}
	for _, key := range []string{"server", "token", "user", "password"} {
		if i(key) < 0 {
			t.Fatalf("nobody asks for %s", key)
		}
	}
	for _, q := range questions {
		if secret := q.Key == "token" || q.Key == "password"; q.Secret != secret {
			t.Errorf("%s: secret %v", q.Key, q.Secret)
		}
		if q.Prompt == "" || q.Unless != "" && i(q.Unless) > i(q.Key) {
			t.Errorf("%+v", q)
		}
	}
	for _, answers := range []map[string]string{
		{"server": "https://mm.example.com", "token": "abc"},
		{"server": "https://mm.example.com", "user": "relay", "password": "x"},
	} {
		given := map[string]any{}
		for _, q := range questions {
			value := answers[q.Key]
			if value == "" {
				value = q.Default
			}
			if asked := q.Unless == "" || answers[q.Unless] == ""; asked && value != "" {
				given[q.Key] = value
			} else if asked && !q.Optional {
				t.Errorf("%v: %s has to be answered", answers, q.Key)
			}
		}
		written(t, given)
	}
}
