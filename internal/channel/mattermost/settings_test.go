package mattermost

import (
	"encoding/json"
	"strings"
	"testing"

	"parley/internal/channel"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

const known = "mm-01a1fd18-b62c-714b-b61d-3e1970bc8063"

func TestSettleRefuses(t *testing.T) {
	with := func(more string) string {
		return `{"server":"https://chat.example.com","token":"t"` + more + `}`
	}
	for _, test := range []struct{ given, field, says string }{
		{`{}`, "server", "is empty"},
		{`{"server":"chat.example.com","token":"t"}`, "server", "https://"},
		{`{"server":"https://chat.example.com"}`, "token", "is missing"},
		{with(`,"user":"u"`), "token", "together"},
		{`{"server":"https://chat.example.com","user":"u"}`, "password", "is missing"},
		{`{"server":"https://chat.example.com","password":"p"}`, "user", "is missing"},
		{`{"server":"https://chat.example.com","token":"a b"}`, "token", "white space"},
		{with(`,"acces":{}`), "acces", "not a known key"},
		{with(`,"access":{"direct":"open"}`), "access", "not built yet"},
		{with(`,"anwser":"always"`), "anwser", `did you mean "answer"`},
		{with(`,"answer":"allways"`), "answer", `did you mean "always"`},
		{with(`,"answer":"prefix"`), "answer", "one word"},
		{with(`,"answer":"prefix a b"`), "answer", "one word"},
		{with(`,"answer":1`), "answer", "should be text"},
		{with(`,"rooms":{"dev-*":{"anser":"always"}}`), "rooms.dev-*.anser", `did you mean "answer"`},
		{with(`,"rooms":{"dev":{}}`), "rooms.dev.answer", "is missing"},
		{with(`,"rooms":{"[":{"answer":"always"}}`), "rooms.[", "pattern"},
		{with(`,"rooms":[]`), "rooms", "group of keys"},
		{with(`,"replies":{"room":"threads"}`), "replies.room", "neither"},
		{with(`,"replies":{"rooms":"flat"}`), "replies.rooms", `did you mean "room"`},
		{with(`,"follow_thread_days":-1`), "follow_thread_days", "0"},
		{with(`,"follow_thread_days":1.5`), "follow_thread_days", "whole number"},
		{with(`,"loop_limit":1001`), "loop_limit", "1000"},
		{with(`,"catch_up":-1`), "catch_up", "below 0"},
		{with(`,"max_answer_age":"1 hour"`), "max_answer_age", "such as 1h"},
		{with(`,"alerts":"a/b/c"`), "alerts", "team/name"},
		{with(`,"id":"st-1"`), "id", "leave it out"},
		{with(`,"ca_file":"/no/such/file"`), "", "ca"},
	} {
		_, err := Kind{}.Settle("chat", json.RawMessage(test.given), nil)
		text := fault.Message(err)
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(strings.ToLower(text), test.field) || !strings.Contains(strings.ToLower(text), strings.ToLower(test.says)) {
			t.Errorf("%s: %q, want %s: ... %s", test.given, text, test.field, test.says)
		}
		if strings.Contains(text, "\"t\"") {
			t.Errorf("a secret in %q", text)
		}
	}
}

func TestSettleCompletesAndExports(t *testing.T) {
	for _, given := range []string{
		`{"server":"HTTPS://Chat.Example.com:443/","token":"top-secret"}`,
		`{"server":"http://127.0.0.1:8065/sub","user":"relay","password":"top-secret","answer":"prefix !bot","rooms":{"dev-*":{"answer":"always"},"dev-1":{"answer":"mention"}},"replies":{"direct":"thread"},"follow_thread_days":0,"loop_limit":0,"max_answer_age":"90m","alerts":"~support/ops","catch_up":5000,"id":"` + known + `"}`,
	} {
		first, err := Kind{}.Settle("chat", json.RawMessage(given), nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(first.Body), "top-secret") || len(first.Secrets) != 1 {
			t.Errorf("body %s, %d secrets", first.Body, len(first.Secrets))
		}
		out, err := Kind{}.Export(channel.Configured{ID: first.ID, Body: first.Body})
		if err != nil {
			t.Fatal(err)
		}
		refs := 0
		for k, v := range out {
			if ref, ok := v.(channel.SecretRef); ok {
				out[k] = first.Secrets[string(ref)]
				refs++
			}
		}
		raw, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Kind{}.Settle("chat", raw, nil)
		if err != nil || string(again.Body) != string(first.Body) || again.ID != first.ID || refs != 1 {
			t.Errorf("exported and settled: %v\n%s\n%s", err, again.Body, first.Body)
		}
		// Left out secrets stay, and the id with them.
		var plain map[string]any
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatal(err)
		}
		delete(plain, "token")
		delete(plain, "password")
		delete(plain, "id")
		raw, _ = json.Marshal(plain)
		kept, err := Kind{}.Settle("chat", raw, first.Body)
		if err != nil || string(kept.Body) != string(first.Body) || len(kept.Secrets) != 0 {
			t.Errorf("kept: %v %s %v", err, kept.Body, kept.Secrets)
		}
	}
}

// A stored secret is not sent to another server.
func TestSecretStaysWithItsServer(t *testing.T) {
	first, err := Kind{}.Settle("chat", json.RawMessage(`{"server":"https://a.example.com","token":"t"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Kind{}).Settle("chat", json.RawMessage(`{"server":"https://b.example.com"}`), first.Body); !fault.Is(err, fault.Invalid) {
		t.Errorf("another server: %v", err)
	}
	moved, err := Kind{}.Settle("chat", json.RawMessage(`{"server":"https://a.example.com","user":"u","password":"p"}`), first.Body)
	if err != nil || moved.Secrets[TokenSecret(first.ID)] != "" || len(moved.Secrets) != 2 {
		t.Errorf("from token to login: %v %v", moved.Secrets, err)
	}
}

func TestAnswerIn(t *testing.T) {
	s, err := newSettings("chat", Body{MaxAnswerAge: "1h", Answer: onMention, Rooms: map[string]RoomBody{
		"*": {"prefix !any"}, "dev-*": {always}, "dev-ops": {"prefix !ops"}, "Town Square": {always},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"dev-1": always, "dev-ops": "prefix !ops", "lobby": "prefix !any"} {
		if got := s.answerIn(mm.Channel{Name: name}); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := s.answerIn(mm.Channel{Name: "town-square", DisplayName: "Town Square"}); got != always {
		t.Errorf("by display name: %s", got)
	}
}

func FuzzSettle(f *testing.F) {
	f.Add(`{"server":"https://chat.example.com","token":"t","rooms":{"a":{"answer":"always"}}}`)
	f.Add(`{"replies":[],"loop_limit":1e99}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, given string) {
		s, err := Kind{}.Settle("chat", json.RawMessage(given), nil)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", given, err)
			}
			return
		}
		if b, err := ParseBody(s.Body); err != nil || b.ID != string(s.ID) {
			t.Errorf("%q: %s %v", given, s.Body, err)
		}
	})
}
