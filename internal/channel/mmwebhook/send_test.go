package mmwebhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// failure sends one post and returns what became of it.
func failure(t *testing.T, k *kit) *channel.SendError {
	t.Helper()
	_, err := k.driver.Send(t.Context(), channel.Outgoing{Leg: chat.Leg{Channel: channelID}},
		chat.Part{Number: 1, ID: strings.Repeat("x", 26), Body: []byte(`{"channel":"lobby","text":"hi"}`)})
	if err == nil {
		return nil
	}
	var e *channel.SendError
	if !errors.As(err, &e) {
		t.Fatalf("%T %v", err, err)
	}
	if strings.Contains(err.Error(), hookID) {
		t.Errorf("%v names the hook", err)
	}
	return e
}

func TestSendOutcomes(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": in.url()}))
	plain := func(status int, body string) func(http.ResponseWriter, map[string]any) bool {
		return func(w http.ResponseWriter, _ map[string]any) bool {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return false
		}
	}
	own := func(status int) func(http.ResponseWriter, map[string]any) bool {
		return func(w http.ResponseWriter, _ map[string]any) bool { refuse(w, status); return false }
	}
	for _, tt := range []struct {
		name     string
		answer   func(http.ResponseWriter, map[string]any) bool
		outcome  channel.SendOutcome
		endpoint bool
		says     string
	}{
		{"hook deleted", own(400), channel.SendPermanent, false, "deleted"},
		{"locked", own(403), channel.SendPermanent, false, "locked"},
		{"unknown channel", own(404), channel.SendPermanent, false, "no channel of this name"},
		{"switched off", own(501), channel.SendTemporary, true, "switched off"},
		{"database trouble", own(500), channel.SendTemporary, true, ""},
		{"limited for long", func(w http.ResponseWriter, p map[string]any) bool {
			w.Header().Set("Retry-After", "120")
			return plain(429, "limit exceeded")(w, p)
		}, channel.SendLimited, true, ""},
		{"a proxy's 404", plain(404, "not here"), channel.SendTemporary, true, "not an answer of Mattermost's API"},
		{"a proxy's 403", plain(403, "no"), channel.SendTemporary, true, ""},
		{"a proxy's 502", plain(502, "bad gateway"), channel.SendUncertain, true, ""},
		{"restarting", plain(503, "busy"), channel.SendTemporary, true, ""},
		{"another page", plain(200, "<html>"), channel.SendUncertain, true, ""},
		{"redirect", func(w http.ResponseWriter, _ map[string]any) bool {
			w.Header().Set("Location", "https://elsewhere.example/hooks/x")
			w.WriteHeader(301)
			return false
		}, channel.SendTemporary, true, "https://elsewhere.example"},
		{"lost answer", func(w http.ResponseWriter, _ map[string]any) bool { panic(http.ErrAbortHandler) }, channel.SendUncertain, true, ""},
	} {
		in.mu.Lock()
		in.answer = tt.answer
		in.mu.Unlock()
		e := failure(t, k)
		if e == nil || e.Outcome != tt.outcome || e.Endpoint != tt.endpoint || !strings.Contains(e.Error(), tt.says) {
			t.Errorf("%s: %v, endpoint %v", tt.name, e, e != nil && e.Endpoint)
		}
		if tt.outcome == channel.SendLimited {
			if e.Delay < 100*time.Second {
				t.Errorf("%s: delay %v", tt.name, e.Delay)
			}
			k.prepare(with(map[string]any{"incoming_url": in.url()})) // the client would wait
		}
	}
}

func TestSendToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String() + "/hooks/" + hookID
	l.Close()
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": address}))
	if e := failure(t, k); e == nil || e.Outcome != channel.SendTemporary || !e.Endpoint {
		t.Errorf("%v", e)
	}
	k.prepare()
	if e := failure(t, k); e == nil || e.Outcome != channel.SendTemporary || !e.Endpoint {
		t.Errorf("without a channel: %v", e)
	}
	if _, found, err := k.driver.Find(t.Context(), channel.Outgoing{}, chat.Part{}); found || !errors.Is(err, channel.ErrCannotFind) {
		t.Errorf("find: %v %v", found, err)
	}
	if err := k.driver.Failed(t.Context(), channel.Outgoing{}); err != nil {
		t.Errorf("failed: %v", err)
	}
}

func TestRender(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": in.url()}))
	k.say("hello")
	conv := k.conversation(aliceID)
	render := func(purpose chat.Purpose, c chat.Content) []string {
		t.Helper()
		bodies, err := k.driver.Render(context.Background(), channel.Outgoing{
			Conversation: conv, Leg: chat.Leg{Channel: channelID, Place: conv.Place},
			Entry: chat.Entry{Draft: chat.Draft{Purpose: purpose, Content: c}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, b := range bodies {
			var part struct{ Channel, Text string }
			if err := json.Unmarshal(b, &part); err != nil || part.Channel != "lobby" {
				t.Fatalf("part %s, %v", b, err)
			}
			all = append(all, part.Text)
		}
		return all
	}
	long := "```go\n" + strings.Repeat("line of code @alice\n", 2000) + "```"
	parts := render(chat.Message, chat.TextContent(long))
	if len(parts) != 3 || !strings.HasPrefix(parts[1], "```go\n") || !strings.HasSuffix(strings.TrimSpace(parts[0]), "```") {
		t.Errorf("%d parts", len(parts))
	}
	if got := render(chat.Edit, chat.TextContent("better")); len(got) != 1 || got[0] != "*(corrected)* better" {
		t.Errorf("edit %q", got)
	}
	if got := render(chat.Deletion, chat.TextContent("")); got != nil {
		t.Errorf("deletion %q", got)
	}
	if got := render(chat.Message, chat.ChoicesContent("Which?", chat.StyleButtons, chat.Option{Title: "One", Value: "1"})); got[0] != "Which?\n\n1. One" {
		t.Errorf("choices %q", got)
	}
	if got := render(chat.Message, chat.EventContent("typing")); got != nil {
		t.Errorf("event %q", got)
	}
}

// Nobody has written for so long that the name of the channel is not known.
func TestRenderWithoutName(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": in.url()}))
	o, err := k.driver.Gateway.Open(t.Context(), channel.Place{
		Channel: channelID, Type: "mattermost-webhook", Key: "room:" + teamID + ":" + lobbyID + ":" + bobID,
		Person: chat.Person{ExternalID: bobID}, Mode: chat.LegPush,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.driver.Render(t.Context(), channel.Outgoing{
		Conversation: o.Conversation, Leg: chat.Leg{Channel: channelID}, Entry: chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Content: chat.TextContent("hi")}},
	})
	var e *channel.SendError
	if !errors.As(err, &e) || e.Outcome != channel.SendPermanent {
		t.Errorf("%v", err)
	}
}
