package mmwebhook_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
)

// menu offers two things and repeats what was chosen.
func menu(style chat.ChoiceStyle) func(chat.Entry) []chat.Content {
	return func(e chat.Entry) []chat.Content {
		if e.Content.Click != nil || e.Content.Text != "menu" {
			return says("chosen: $")(e)
		}
		return []chat.Content{
			chat.TextContent("Hello."),
			chat.ChoicesContent("Which?", style, chat.Option{Title: "Track my order", Value: "track"},
				chat.Option{Title: "Our page", URL: "https://example.com/"}, chat.Option{Title: "Cancel", Value: "cancel"}),
			chat.TextContent("Take your time."),
		}
	}
}

// press presses a button as Mattermost tells it.
func (k *kit) press(context map[string]string, change map[string]any) answered {
	k.t.Helper()
	p := map[string]any{"user_id": aliceID, "user_name": "alice", "channel_id": lobbyID, "channel_name": "lobby", "team_id": teamID,
		"post_id": k.newPost(), "trigger_id": fmt.Sprint("trigger", k.posts.Add(1)), "type": "button", "context": context}
	for name, v := range change {
		p[name] = v
	}
	body, _ := json.Marshal(p)
	return k.send("/hooks/mattermost/actions", "application/json", body)
}

func TestButtonsInTheResponse(t *testing.T) {
	k := start(t, &echo{reply: menu(chat.StyleButtons)}, with(nil))
	a := k.say("menu")
	if want := "Hello.\n\nWhich?\n\n1. Track my order\n2. [Our page](https://example.com/)\n3. Cancel\n\nTake your time."; a.text() != want {
		t.Errorf("text %q", a.text())
	}
	if len(a.Attachments) != 1 || len(a.Attachments[0].Actions) != 2 {
		t.Fatalf("answer %s", a.raw)
	}
	second := a.Attachments[0].Actions[1]
	u, err := url.Parse(second.Integration.URL)
	if err != nil || u.Path != "/hooks/mattermost/actions" || second.Name != "Cancel" || second.Type != "button" || second.ID != "option3" {
		t.Errorf("button %+v", second)
	}
	// Without an incoming webhook the answer is whispered to who pressed.
	for range 2 {
		if got := k.press(second.Integration.Context, nil); got.status != 200 || got.Ephemeral != "chosen: cancel" || got.Update != nil {
			t.Errorf("press: %d %s", got.status, got.raw)
		}
	}
	entries := k.entries(k.conversation(aliceID))
	last := entries[len(entries)-2]
	if last.Content.Click == nil || last.Content.Click.Value != "cancel" || last.Content.Click.Display != "Cancel" || last.Content.Speaker != "alice" {
		t.Errorf("entry %+v", last.Content)
	}
	if n := len(entries); n != 4+2+2 {
		t.Errorf("%d entries", n)
	}
}

func TestPressToldTwice(t *testing.T) {
	k := start(t, &echo{reply: menu(chat.StyleButtons)}, with(nil))
	context := k.say("menu").Attachments[0].Actions[0].Integration.Context
	same := map[string]any{"trigger_id": "one"}
	k.press(context, same)
	k.press(context, same)
	if n := strings.Count(strings.Join(k.said(k.conversation(aliceID)), "\n"), "contact: track"); n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestQuickRepliesDisappear(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: menu(chat.StyleQuickReplies)}, with(map[string]any{"incoming_url": in.url()}))
	a := k.say("menu")
	actions := a.Attachments[0].Actions
	got := k.press(actions[0].Integration.Context, nil)
	if got.Ephemeral != "" || got.Update == nil || got.Update.Message != a.text() || got.Update.Props["attachments"] != nil || got.Update.Props["unsafe_links"] != "true" {
		t.Errorf("press: %s", got.raw)
	}
	if p := in.wait(t, 1)[0]; p["text"] != "chosen: track" || p["channel"] != "lobby" {
		t.Errorf("post %v", p)
	}
	// The first press counts.
	k.press(actions[1].Integration.Context, nil)
	if said := k.said(k.conversation(aliceID)); slices.Contains(said, "contact: cancel") {
		t.Errorf("said %q", said)
	}
}

// Two people have the same menu at the same place of their conversations.
func TestQuickRepliesOfTwoPeople(t *testing.T) {
	k := start(t, &echo{reply: menu(chat.StyleQuickReplies)}, with(nil))
	for id, name := range map[string]string{aliceID: "alice", bobID: "bob"} {
		a := k.post(k.payload(map[string]any{"text": "menu", "user_id": id, "user_name": name}))
		who := map[string]any{"user_id": id, "user_name": name}
		if got := k.press(a.Attachments[0].Actions[0].Integration.Context, who); got.Ephemeral != "chosen: track" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
}

func TestButtonsThroughTheWebhook(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: menu(chat.StyleQuickReplies)}, with(map[string]any{"incoming_url": in.url(), "answer": "webhook"}))
	k.say("menu")
	posts := in.wait(t, 3)
	if posts[0]["attachments"] != nil || posts[2]["attachments"] != nil {
		t.Errorf("posts %v", posts)
	}
	raw, _ := json.Marshal(posts[1])
	var post answered
	if err := json.Unmarshal(raw, &post); err != nil || len(post.Attachments) != 1 {
		t.Fatalf("post %s, %v", raw, err)
	}
	got := k.press(post.Attachments[0].Actions[0].Integration.Context, nil)
	if got.Update == nil || got.Update.Message != post.text() {
		t.Errorf("press: %s", got.raw)
	}
	if p := in.wait(t, 4)[3]; p["text"] != "chosen: track" {
		t.Errorf("post %v", p)
	}
}

func TestPressesRefused(t *testing.T) {
	k := start(t, &echo{reply: menu(chat.StyleButtons)}, with(nil))
	good := k.say("menu").Attachments[0].Actions[0].Integration.Context
	forged := map[string]string{"token": good["token"][:len(good["token"])-1] + "A"}
	if forged["token"] == good["token"] {
		forged["token"] = good["token"][:len(good["token"])-1] + "B"
	}
	const foreign, others = "not valid any more", "somebody else"
	for _, tt := range []struct {
		name    string
		context map[string]string
		change  map[string]any
		says    string
	}{
		{"forged", forged, nil, foreign},
		{"no token", nil, nil, foreign},
		{"huge token", map[string]string{"token": strings.Repeat("x", 10000)}, nil, foreign},
		{"in another channel", good, map[string]any{"channel_id": teamID}, foreign},
		{"by another person", good, map[string]any{"user_id": bobID, "user_name": "bob"}, others},
	} {
		a := k.press(tt.context, tt.change)
		if a.status != 200 || !strings.Contains(a.Ephemeral, tt.says) || a.Update != nil {
			t.Errorf("%s: %d %s", tt.name, a.status, a.raw)
		}
	}
	for _, body := range []string{"", "{", `{"user_id":"x"}`, strings.Repeat(" ", 70<<10)} {
		if a := k.send("/hooks/mattermost/actions", "application/json", []byte(body)); a.status != 400 && a.status != 413 {
			t.Errorf("%.20q: %d", body, a.status)
		}
	}
	k.ahead.Store(int64(91 * 24 * time.Hour))
	if a := k.press(good, nil); !strings.Contains(a.Ephemeral, "too old") {
		t.Errorf("after its time: %s", a.raw)
	}
	k.ahead.Store(0)
	k.store.down.Store(true)
	if a := k.press(good, nil); !strings.Contains(a.Ephemeral, "could not be stored") {
		t.Errorf("without a store: %s", a.raw)
	}
	k.store.down.Store(false)
	k.prepare()
	if a := k.press(good, nil); !strings.Contains(a.Ephemeral, foreign) {
		t.Errorf("without the channel: %s", a.raw)
	}
	if n := len(k.entries(k.conversation(aliceID))); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestNoButtonsWithoutAnAddress(t *testing.T) {
	k := start(t, &echo{reply: menu(chat.StyleButtons)}, with(nil))
	k.base.Store("")
	if a := k.say("menu"); a.Attachments != nil || !strings.Contains(a.text(), "1. Track my order") {
		t.Errorf("answer %s", a.raw)
	}
}
