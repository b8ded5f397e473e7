package mmwebhook_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"parley/internal/channel"
	"parley/internal/channel/mmwebhook"
	"parley/internal/fault"
)

func settled(t *testing.T, settings string, stored []byte) channel.Settled {
	t.Helper()
	s, err := mmwebhook.Kind{}.Settle("help-hook", json.RawMessage(settings), stored)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSettle(t *testing.T) {
	s := settled(t, `{"outgoing_token":"`+token+`","incoming_url":"https://chat.example.com/sub/hooks/`+hookID+`","trigger_words":["#desk","#desk"]}`, nil)
	id := string(s.ID)
	key := s.Secrets["mattermost-webhook/"+id+"/callback_key/1"]
	if !regexp.MustCompile(`^mw-[0-9a-f-]{36}$`).MatchString(id) || !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(key) {
		t.Errorf("id %q, key %q", id, key)
	}
	want := `{"answer":"response","bot":{},"callback_key":[{"until":"never"}],"id":"` + id + `","loop_limit":20,"outgoing_token":[{"until":"never"}],"server":"https://chat.example.com/sub","trigger_words":["#desk"]}`
	if string(s.Body) != want {
		t.Errorf("body %s", s.Body)
	}
	if len(s.Secrets) != 3 || s.Secrets["mattermost-webhook/"+id+"/outgoing_token/1"] != token || !strings.HasSuffix(s.Secrets["mattermost-webhook/"+id+"/incoming_url"], hookID) {
		t.Errorf("secrets %v", s.Secrets)
	}
	if len(s.Shown) != 1 || s.Shown[0].Value != "/hooks/mattermost/"+key {
		t.Errorf("shown %v", s.Shown)
	}
	// The same again changes nothing, and secrets that are left out stay.
	again := settled(t, `{"trigger_words":"#desk","outgoing_token":"`+token+`","incoming_url":"https://chat.example.com/sub/hooks/`+hookID+`"}`, s.Body)
	if string(again.Body) != want || len(again.Shown) != 0 || len(again.Secrets) != 2 {
		t.Errorf("again %s %v %v", again.Body, again.Secrets, again.Shown)
	}
	incoming := "mattermost-webhook/" + id + "/incoming_url"
	bare := strings.Replace(want, `,"trigger_words":["#desk"]`, "", 1)
	for _, left := range []string{`{}`, `{"incoming_url":null}`} {
		if less := settled(t, left, s.Body); len(less.Secrets) != 0 || string(less.Body) != bare {
			t.Errorf("%s: %s %v", left, less.Body, less.Secrets)
		}
	}
	if less := settled(t, `{"answer":"webhook","proxy":"none"}`, s.Body); !strings.Contains(string(less.Body), `"answer":"webhook"`) {
		t.Errorf("what needs incoming_url does not find the stored one: %s", less.Body)
	}
	// An empty one takes it away, once.
	none := settled(t, `{"incoming_url":" "}`, s.Body)
	if gone, ok := none.Secrets[incoming]; len(none.Secrets) != 1 || !ok || gone != "" || strings.Contains(string(none.Body), "server") {
		t.Errorf("none %s %v", none.Body, none.Secrets)
	}
	for _, empty := range []string{`{}`, `{"incoming_url":""}`} {
		if still := settled(t, empty, none.Body); len(still.Secrets) != 0 || string(still.Body) != string(none.Body) {
			t.Errorf("%s: %s %v", empty, still.Body, still.Secrets)
		}
	}
	for _, bad := range []string{`{"incoming_url":"","answer":"webhook"}`, `{"incoming_url":"","proxy":"none"}`} {
		if _, err := (mmwebhook.Kind{}).Settle("help-hook", json.RawMessage(bad), s.Body); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// A rotation, and its end.
	both := settled(t, `{"outgoing_token":["`+strings.Repeat("n", 26)+`",{"token":"`+token+`","until":"2026-12-31"}],"callback_key":"mine-and-imported"}`, s.Body)
	if !strings.Contains(string(both.Body), `"outgoing_token":[{"until":"never"},{"until":"2027-01-01T00:00:00Z"}]`) || both.Secrets["mattermost-webhook/"+id+"/outgoing_token/2"] != token {
		t.Errorf("both %s %v", both.Body, both.Secrets)
	}
	one := settled(t, `{"outgoing_token":"`+strings.Repeat("n", 26)+`"}`, both.Body)
	if gone, ok := one.Secrets["mattermost-webhook/"+id+"/outgoing_token/2"]; !ok || gone != "" {
		t.Errorf("one %v", one.Secrets)
	}
}

func TestSettleRefuses(t *testing.T) {
	stored := settled(t, `{"outgoing_token":"`+token+`"}`, nil).Body
	hook := "https://chat.example.com/hooks/" + hookID
	for settings, want := range map[string]string{
		`{}`:                     "outgoing_token: is missing",
		`[]`:                     "should be a group of keys",
		`{"outgoing_token":`:     "not JSON",
		`{"outgoing_tokn":"x"}`:  `outgoing_tokn: is not a known key; did you mean "outgoing_token"?`,
		`{"outgoing_token":1}`:   "outgoing_token: should be text, or a group",
		`{"outgoing_token":[]}`:  "outgoing_token: is an empty list",
		`{"outgoing_token":" "}`: "outgoing_token: is empty",
		`{"outgoing_token":["` + token + `",{"until":"2026-12-31"}]}`:                          "outgoing_token[1].token: is empty",
		`{"outgoing_token":"short"}`:                                                           "outgoing_token: is not the token of an outgoing webhook",
		`{"outgoing_token":["` + token + `","` + token + `"]}`:                                 "outgoing_token[1]: stands in the list twice",
		`{"outgoing_token":{"token":"` + token + `","until":"soon"}}`:                          `outgoing_token.until: "soon" is not a time`,
		`{"outgoing_token":{"token":"` + token + `","unti":"2026-12-31"}}`:                     `outgoing_token.unti: is not a known key; did you mean "until"?`,
		`{"outgoing_token":"` + token + `","callback_key":"a/b/c/d/e/f/g/h/i/j"}`:              "callback_key: needs 16 to 128 letters",
		`{"outgoing_token":"` + token + `","callback_key":"actions"}`:                          "callback_key: needs 16 to 128 letters",
		`{"outgoing_token":"` + token + `","incoming_url":7}`:                                  "incoming_url: should be text",
		`{"outgoing_token":"` + token + `","incoming_url":"https://chat.example.com/hooks/x"}`: "incoming_url: is not the address of an incoming webhook",
		`{"outgoing_token":"` + token + `","incoming_url":"` + hook + `","ca_file":"/none"}`:   "ca_file: cannot be read",
		`{"outgoing_token":"` + token + `","incoming_url":"` + hook + `","proxy":"x"}`:         "proxy: is not the address of a proxy",
		`{"outgoing_token":"` + token + `","proxy":"http://p.example:1"}`:                      "proxy: is for the way to incoming_url",
		`{"outgoing_token":"` + token + `","trigger_words":["two words"]}`:                     "trigger_words[0]: should be one word",
		`{"outgoing_token":"` + token + `","trigger_words":[1]}`:                               "trigger_words[0]: should be text",
		`{"outgoing_token":"` + token + `","bot":"x"}`:                                         "bot: should be a group of keys",
		`{"outgoing_token":"` + token + `","bot":{"icon":"x"}}`:                                "bot.icon: is not an http",
		`{"outgoing_token":"` + token + `","bot":{"nme":"x"}}`:                                 `bot.nme: is not a known key; did you mean "name"?`,
		`{"outgoing_token":"` + token + `","answer":"webhook"}`:                                "answer: is webhook, which needs incoming_url",
		`{"outgoing_token":"` + token + `","answer":"respons"}`:                                `did you mean "response"?`,
		`{"outgoing_token":"` + token + `","loop_limit":-1}`:                                   "loop_limit: should be 0",
		`{"outgoing_token":"` + token + `","loop_limit":1.5}`:                                  "loop_limit: should be a whole number",
		`{"outgoing_token":"` + token + `","id":"mw-1"}`:                                       "id: ",
	} {
		_, err := mmwebhook.Kind{}.Settle("help-hook", json.RawMessage(settings), nil)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), want) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
	if _, err := (mmwebhook.Kind{}).Settle("x", json.RawMessage(`{"id":"`+channelID+`"}`), stored); err == nil || !strings.Contains(err.Error(), "cannot change") {
		t.Errorf("another id: %v", err)
	}
}

func FuzzSettle(f *testing.F) {
	f.Add([]byte(`{"outgoing_token":["` + token + `",{"token":"` + hookID + `","until":"2026-12-31T10:00:00+02:00"}],"bot":{"name":"x"}}`))
	f.Add([]byte(`{"outgoing_token":{"token":null},"trigger_words":[[]],"loop_limit":1e300}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := mmwebhook.Kind{}.Settle("hook", raw, nil)
		if err != nil {
			if fault.Is(err, fault.Internal) {
				t.Errorf("%v", err)
			}
			return
		}
		for id, value := range s.Secrets {
			if len(value) >= 16 && strings.Contains(string(s.Body), value) && !strings.Contains(string(s.ID), value) && strings.Count(string(raw), value) < 2 {
				t.Errorf("the body holds secret %s", id)
			}
		}
		if _, err := mmwebhook.ParseBody(s.Body); err != nil {
			t.Error(err)
		}
	})
}

// What is exported settles to the same again.
func TestExport(t *testing.T) {
	in := newInbox(t)
	for _, settings := range []map[string]any{
		with(nil),
		with(map[string]any{
			"outgoing_token": []any{token, map[string]any{"token": strings.Repeat("o", 26), "until": "2030-01-01"}},
			"callback_key":   []any{key, map[string]any{"key": "an-older-callback-key", "until": "2030-01-01T10:00:00Z"}},
			"incoming_url":   in.url(), "trigger_words": []string{"#desk"}, "bot": map[string]any{"name": "Desk", "icon": "https://example.com/x.png"},
			"answer": "webhook", "loop_limit": 0, "proxy": "none",
		}),
	} {
		c := settle(t, "hook", settings)
		out, err := mmwebhook.Kind{}.Export(c)
		if err != nil {
			t.Fatal(err)
		}
		again := settle(t, "hook", reveal(t, c, out).(map[string]any))
		if string(again.Body) != string(c.Body) {
			t.Errorf("exported %v\nsettles to %s\nnot to     %s", out, again.Body, c.Body)
		}
	}
}

// reveal puts secrets into exported settings.
func reveal(t *testing.T, c channel.Configured, v any) any {
	t.Helper()
	switch v := v.(type) {
	case channel.SecretRef:
		value, err := c.Secret(string(v))
		if err != nil {
			t.Fatal(err)
		}
		return value
	case map[string]any:
		for k := range v {
			v[k] = reveal(t, c, v[k])
		}
	case []any:
		for i := range v {
			v[i] = reveal(t, c, v[i])
		}
	}
	return v
}

func TestGuideAndAdvice(t *testing.T) {
	c := settle(t, "hook", with(map[string]any{
		"trigger_words": []string{"#desk", "!desk"}, "callback_key": []any{key, map[string]any{"key": "an-older-callback-key", "until": "2020-01-01"}},
		"outgoing_token": "imported-and-odd-token",
	}))
	var lines []string
	for _, s := range (mmwebhook.Kind{}).Guide(c, "https://parley.example.com/") {
		lines = append(lines, s.Label+"="+s.Value)
	}
	guide := strings.Join(lines, "\n")
	for _, want := range []string{
		"in Mattermost, outgoing webhook: Callback URLs=https://parley.example.com/hooks/mattermost/" + key,
		"old callback URL, taken until 2020-01-02T00:00:00Z=https://parley.example.com/hooks/mattermost/an-older-callback-key",
		"Content Type=application/json", "Trigger Words=#desk, !desk", "in Parley: outgoing_token=",
	} {
		if !strings.Contains(guide, want) {
			t.Errorf("no %q in\n%s", want, guide)
		}
	}
	if strings.Contains(guide, "imported-and-odd-token") {
		t.Error("the guide holds the token")
	}
	advice := strings.Join(mmwebhook.Kind{}.Advise(c), "\n")
	for _, want := range []string{"no incoming_url", "old callback_key is past its until", "does not look like one that Mattermost made"} {
		if !strings.Contains(advice, want) {
			t.Errorf("no %q in %s", want, advice)
		}
	}
	in := newInbox(t)
	if advice := (mmwebhook.Kind{}).Advise(settle(t, "hook", with(map[string]any{"incoming_url": in.url()}))); len(advice) != 0 {
		t.Errorf("advice %q", advice)
	}
	for _, q := range (mmwebhook.Kind{}).Questions() {
		if q.Key == "" || q.Prompt == "" {
			t.Errorf("question %+v", q)
		}
	}
}

func TestTest(t *testing.T) {
	in := newInbox(t)
	find := func(settings map[string]any) string {
		t.Helper()
		var all []string
		for _, f := range (mmwebhook.Kind{}).Test(t.Context(), settle(t, "hook", settings)) {
			all = append(all, fmt.Sprintf("%s %s: %s", f.Level, f.Name, f.Text))
			if strings.Contains(f.Text+f.Mend, hookID) {
				t.Errorf("%+v names the hook", f)
			}
		}
		return strings.Join(all, "\n")
	}
	if got := find(with(map[string]any{"bot": map[string]any{"name": "x"}})); !strings.Contains(got, "warn incoming webhook: there is none") || !strings.Contains(got, "override usernames") {
		t.Errorf("without a webhook:\n%s", got)
	}
	full := with(map[string]any{"incoming_url": in.url()})
	if got := find(full); !strings.Contains(got, "warn incoming webhook: something took a post") {
		t.Errorf("a far side that takes everything:\n%s", got)
	}
	for status, want := range map[int]string{404: "ok incoming webhook: it is there", 400: "fail incoming webhook: Mattermost does not know it", 501: "fail incoming webhook: incoming webhooks are switched off"} {
		in.refuseAll(status)
		if got := find(full); !strings.Contains(got, want) || !strings.Contains(got, "ok server") {
			t.Errorf("%d:\n%s", status, got)
		}
	}
	in.server.Close()
	if got := find(full); !strings.Contains(got, "fail server: ping: the server cannot be reached") {
		t.Errorf("server gone:\n%s", got)
	}
}
