package mmwebhook_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"parley/internal/assistant"
	"parley/internal/channel/mmwebhook"
	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// One real server for all: the parts run one after the other, each in a channel
// of its own; those that switch something off come last.
func TestServer(t *testing.T) {
	mm := mmtest.Start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *scene)
	}{
		{"TriggerWord", triggerWord}, {"WholeChannelForm", wholeChannelForm}, {"LaterInTheChannel", laterInTheChannel},
		{"BadToken", badToken}, {"TokenRotation", tokenRotation}, {"TwoHooksOnePost", twoHooksOnePost}, {"Reply", reply},
		{"FilesOnly", filesOnly}, {"Burst", burst}, {"BotLoop", botLoop}, {"ButtonsWhispered", buttonsWhispered}, {"QuickReplies", quickReplies},
		{"NoPing", noPing}, {"LongAnswers", longAnswers}, {"StoreAwayReal", storeAwayReal}, {"RenamedChannel", renamedChannel},
		{"Probes", probes}, {"OverridesOff", overridesOff}, {"WebhooksOff", webhooksOff},
	} {
		t.Run(part.name, func(t *testing.T) {
			name := strings.ToLower(part.name)
			c := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, name)
			mm.Admin.AddMember(t, c.ID, mm.Alice.ID, mm.Bob.ID, mm.Bot.ID)
			part.run(t, &scene{Server: mm, channel: c})
		})
	}
}

// scene is a server with a channel for one part.
type scene struct {
	*mmtest.Server
	channel mmtest.Channel
}

// hook makes an outgoing webhook of the scene's channel.
func (s *scene) hook(t *testing.T, k *kit, h mmtest.OutgoingHook) mmtest.Hook {
	t.Helper()
	h.Channel, h.Callbacks = s.channel.ID, []string{k.server.URL + "/hooks/mattermost/" + key}
	if h.ContentType == "" {
		h.ContentType = "application/json"
	}
	return s.CreateOutgoingHook(t, h)
}

// begin starts Parley with one outgoing webhook for every post of the channel.
func (s *scene) begin(t *testing.T, as assistant.Assistant, settings map[string]any) *kit {
	t.Helper()
	k := start(t, as)
	all := with(map[string]any{"outgoing_token": s.hook(t, k, mmtest.OutgoingHook{}).Token})
	maps.Copy(all, settings)
	k.prepare(all)
	return k
}

// answers waits until n posts were made by webhooks, and returns them.
func (s *scene) answers(t *testing.T, n int) []mmtest.Post {
	t.Helper()
	var found []mmtest.Post
	s.Alice.WaitPosts(t, s.channel.ID, patience, func(posts []mmtest.Post) bool {
		found = found[:0]
		for _, p := range posts {
			if p.Props["from_webhook"] == "true" {
				found = append(found, p)
			}
		}
		return len(found) >= n
	}, fmt.Sprintf("%d answers", n))
	if len(found) > n {
		t.Errorf("%d answers, not %d", len(found), n)
	}
	return found
}

func triggerWord(t *testing.T, s *scene) {
	k := start(t, &echo{reply: says("re: $")})
	h := s.hook(t, k, mmtest.OutgoingHook{TriggerWords: []string{"#desk"}, Name: "Desk hook"})
	k.prepare(with(map[string]any{"outgoing_token": h.Token, "trigger_words": []string{"#desk"}, "bot": map[string]any{"name": "Help Desk", "icon": "https://example.com/i.png"}}))
	s.Alice.Post(t, s.channel.ID, "not for you", "")
	s.Alice.Post(t, s.channel.ID, "#desk where is  my order?", "")
	p := s.answers(t, 1)[0]
	if p.Message != "re: where is  my order?" || p.RootID != "" || p.UserID != s.Admin.ID || p.Props["override_username"] != "Help Desk" ||
		p.Props["override_icon_url"] != "https://example.com/i.png" || p.Props["unsafe_links"] != "true" {
		t.Errorf("%+v", p)
	}
}

func wholeChannelForm(t *testing.T, s *scene) {
	k := start(t, &echo{reply: says("re: $")})
	h := s.hook(t, k, mmtest.OutgoingHook{ContentType: "application/x-www-form-urlencoded"})
	k.prepare(with(map[string]any{"outgoing_token": h.Token}))
	s.Alice.Post(t, s.channel.ID, "one & two = 3 +\n`x`", "")
	if p := s.answers(t, 1)[0]; p.Message != "re: one & two = 3 +\n`x`" {
		t.Errorf("%q", p.Message)
	}
}

// The incoming webhook's own channel is the lobby; the answer comes where the
// question was asked.
func laterInTheChannel(t *testing.T, s *scene) {
	slow := make(chan struct{})
	k := s.begin(t, &echo{reply: says("re: $"), slow: slow}, map[string]any{"incoming_url": s.IncomingHook, "bot": map[string]any{"name": "Help Desk"}})
	s.Alice.Post(t, s.channel.ID, "hello", "")
	wait.For(t, patience, func() bool { return k.metric("posts_total", "hook-1", "accepted") == 1 }, "the post")
	close(slow)
	p := s.answers(t, 1)[0]
	if p.Message != "re: hello" || p.Props["override_username"] != "Help Desk" {
		t.Errorf("%+v", p)
	}
	if n := len(s.Alice.Posts(t, s.Lobby.ID)); n != 0 {
		t.Errorf("%d posts in the lobby", n)
	}
}

func badToken(t *testing.T, s *scene) {
	k := start(t, &echo{reply: says("re: $")})
	h := s.hook(t, k, mmtest.OutgoingHook{})
	k.prepare(with(nil))
	s.Alice.Post(t, s.channel.ID, "with the wrong token", "")
	wait.For(t, patience, func() bool { return k.metric("posts_total", "hook-1", "bad_token") == 1 }, "the refusal")
	k.prepare(with(map[string]any{"outgoing_token": h.Token}))
	s.Alice.Post(t, s.channel.ID, "with the right one", "")
	if p := s.answers(t, 1)[0]; p.Message != "re: with the right one" {
		t.Errorf("%q", p.Message)
	}
}

func tokenRotation(t *testing.T, s *scene) {
	k := start(t, &echo{reply: says("re: $")})
	h := s.hook(t, k, mmtest.OutgoingHook{})
	k.prepare(with(map[string]any{"outgoing_token": h.Token}))
	s.Alice.Post(t, s.channel.ID, "before", "")
	s.answers(t, 1)
	var fresh mmtest.Hook
	if err := s.Admin.Do(t.Context(), http.MethodPost, "/hooks/outgoing/"+h.ID+"/regen_token", nil, &fresh); err != nil || fresh.Token == h.Token {
		t.Fatalf("a new token: %+v, %v", fresh, err)
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	k.prepare(with(map[string]any{"outgoing_token": []any{fresh.Token, map[string]any{"token": h.Token, "until": until}}}))
	s.Alice.Post(t, s.channel.ID, "after", "")
	s.answers(t, 2)
}

// A hook for every post and one for a word match the same post; both are told
// the word of the last.
func twoHooksOnePost(t *testing.T, s *scene) {
	k := start(t, &echo{reply: says("re: $")})
	all := s.hook(t, k, mmtest.OutgoingHook{})
	word := s.hook(t, k, mmtest.OutgoingHook{TriggerWords: []string{"#desk"}})
	k.prepare(with(map[string]any{"outgoing_token": []string{all.Token, word.Token}, "trigger_words": []string{"#desk"}}))
	s.Alice.Post(t, s.channel.ID, "#desk hello", "")
	wait.For(t, patience, func() bool {
		return k.metric("posts_total", "hook-1", "accepted") == 1 && k.metric("posts_total", "hook-1", "repeat") == 1
	}, "both calls")
	s.answers(t, 1) // Mattermost posts it after the call, so the next could be earlier
	s.Alice.Post(t, s.channel.ID, "bye", "")
	if posts := s.answers(t, 2); posts[0].Message != "re: hello" || posts[1].Message != "re: bye" {
		t.Errorf("%q, %q", posts[0].Message, posts[1].Message)
	}
}

// A reply in a thread fires too, and its answer is a new post: the payload does
// not say that it is a reply.
func reply(t *testing.T, s *scene) {
	s.begin(t, &echo{reply: says("re: $")}, nil)
	root := s.Alice.Post(t, s.channel.ID, "root", "")
	s.answers(t, 1)
	s.Alice.Post(t, s.channel.ID, "in the thread", root)
	if posts := s.answers(t, 2); posts[1].Message != "re: in the thread" || posts[1].RootID != "" {
		t.Errorf("%+v", posts[1])
	}
}

func filesOnly(t *testing.T, s *scene) {
	s.begin(t, &echo{reply: says("re: $")}, nil)
	var up struct {
		Infos []struct {
			ID string `json:"id"`
		} `json:"file_infos"`
	}
	if err := s.Alice.Do(t.Context(), http.MethodPost, "/files?filename=a.txt&channel_id="+s.channel.ID, "the file", &up); err != nil || len(up.Infos) != 1 {
		t.Fatalf("upload: %+v, %v", up, err)
	}
	s.Alice.PostRaw(t, map[string]any{"channel_id": s.channel.ID, "message": "", "file_ids": []string{up.Infos[0].ID}})
	if p := s.answers(t, 1)[0]; p.Message != "re: [file]" {
		t.Errorf("%q", p.Message)
	}
}

// Thirty posts a second and an assistant that takes its time: each post is
// answered once.
func burst(t *testing.T, s *scene) {
	const posts = 60
	s.begin(t, &pausing{echo{reply: says("re: $")}}, map[string]any{"incoming_url": s.IncomingHook, "loop_limit": 0})
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	want := map[string]int{}
	for i := range posts {
		<-tick.C
		who := []*mmtest.User{s.Alice, s.Bob}[i%2]
		who.Post(t, s.channel.ID, fmt.Sprint("post ", i), "")
		want[fmt.Sprint("re: post ", i)]++
	}
	got := map[string]int{}
	for _, p := range s.answers(t, posts) {
		got[p.Message]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("answers %v", got)
	}
}

// A bot answers every answer; our own posts call no hook, the bot's do.
func botLoop(t *testing.T, s *scene) {
	const limit = 5
	k := s.begin(t, &echo{reply: says("re: $")}, map[string]any{"incoming_url": s.IncomingHook, "loop_limit": limit})
	for n := range limit {
		s.Bot.Post(t, s.channel.ID, "I answer you", "")
		s.answers(t, n+1)
	}
	s.Bot.Post(t, s.channel.ID, "I answer you", "")
	if p := s.answers(t, limit+1)[limit]; !strings.Contains(p.Message, "I stop answering helperbot here for 10 minutes") {
		t.Errorf("%q", p.Message)
	}
	s.Bot.Post(t, s.channel.ID, "I answer that too", "")
	wait.For(t, patience, func() bool { return k.metric("posts_total", "hook-1", "loop") == 2 }, "the silence")
	s.Alice.Post(t, s.channel.ID, "and me?", "")
	if p := s.answers(t, limit+2)[limit+1]; p.Message != "re: and me?" {
		t.Errorf("%q", p.Message)
	}
}

// actionsOf are the ids of the buttons of a post, by name.
func actionsOf(t *testing.T, p mmtest.Post) map[string]string {
	t.Helper()
	found := map[string]string{}
	attachments, _ := p.Props["attachments"].([]any)
	for _, a := range attachments {
		actions, _ := a.(map[string]any)["actions"].([]any)
		for _, action := range actions {
			action := action.(map[string]any)
			found[action["name"].(string)] = action["id"].(string)
			if action["integration"] != nil {
				t.Errorf("people see %v", action["integration"])
			}
		}
	}
	return found
}

func buttonsWhispered(t *testing.T, s *scene) {
	k := s.begin(t, &echo{reply: menu(chat.StyleButtons)}, nil)
	s.Alice.Post(t, s.channel.ID, "menu", "")
	p := s.answers(t, 1)[0]
	buttons := actionsOf(t, p)
	if len(buttons) != 2 || !strings.Contains(p.Message, "1. Track my order") {
		t.Fatalf("%+v", p)
	}
	for _, who := range []*mmtest.User{s.Bob, s.Alice, s.Alice} {
		if err := who.ClickButton(t.Context(), p.ID, buttons["Cancel"]); err != nil {
			t.Errorf("%s: %v", who.Username, err)
		}
	}
	if a, b := k.metric("clicks_total", "accepted"), k.metric("clicks_total", "not_theirs"); a != 2 || b != 1 {
		t.Errorf("%v accepted, %v refused", a, b)
	}
	if after := s.Alice.GetPost(t, p.ID); len(actionsOf(t, after)) != 2 {
		t.Error("the buttons went away")
	}
	s.answers(t, 1)
}

func quickReplies(t *testing.T, s *scene) {
	for i, settings := range []map[string]any{{"answer": "response"}, {"answer": "webhook"}} {
		t.Run(settings["answer"].(string), func(t *testing.T) {
			settings["incoming_url"] = s.IncomingHook
			s := &scene{s.Server, s.Admin.CreateChannel(t, s.Team.ID, mmtest.Public, fmt.Sprint("quick-", i))}
			s.Admin.AddMember(t, s.channel.ID, s.Alice.ID)
			s.begin(t, &echo{reply: menu(chat.StyleQuickReplies)}, settings)
			s.Alice.Post(t, s.channel.ID, "menu", "")
			posts := s.answers(t, 1+2*i)
			p := posts[slices.IndexFunc(posts, func(p mmtest.Post) bool { return strings.Contains(p.Message, "Which?") })]
			if err := s.Alice.ClickButton(t.Context(), p.ID, actionsOf(t, p)["Track my order"]); err != nil {
				t.Fatal(err)
			}
			after := s.Alice.GetPost(t, p.ID)
			if len(actionsOf(t, after)) != 0 || after.Message != p.Message || after.Props["from_webhook"] != "true" ||
				after.Props["override_username"] != p.Props["override_username"] || after.Props["unsafe_links"] != "true" {
				t.Errorf("before %+v\nafter  %+v", p, after)
			}
			if posts := s.answers(t, len(posts)+1); posts[len(posts)-1].Message != "chosen: track" {
				t.Errorf("%q", posts[len(posts)-1].Message)
			}
		})
	}
}

// Neither way pings anybody or loads a picture, whatever the assistant says.
func noPing(t *testing.T, s *scene) {
	bad := "@bob @channel @all @here <!channel> <!here> <@" + s.Bob.ID + "> <x|@bob> !<https://example.com/a.png|p> ![p](https://example.com/b.png)"
	// Being added is a mention too; looking at the channel clears it.
	wait.For(t, patience, func() bool { return s.Bob.MentionCount(t, s.channel.ID) == 1 }, "the mention of being added")
	if err := s.Bob.Do(t.Context(), http.MethodPost, "/channels/members/me/view", map[string]any{"channel_id": s.channel.ID}, nil); err != nil {
		t.Fatal(err)
	}
	in := &switching{echo: echo{reply: says(bad, "```\nopen", "```\n@bob @all\n```", "```\n"+strings.Repeat("@bob ", 5000)+"\n```")}}
	s.begin(t, in, map[string]any{"incoming_url": s.IncomingHook})
	s.Alice.Post(t, s.channel.ID, "go", "")
	s.answers(t, 2) // one response, which Mattermost cuts
	in.turns.Store(true)
	s.Alice.Post(t, s.channel.ID, "go", "")
	for _, p := range s.answers(t, 2+3+2) {
		if strings.Contains(p.Message, "](https://example.com/a.png)") && strings.Contains(p.Message, "![") {
			t.Errorf("a picture in %.300q", p.Message)
		}
	}
	if n := s.Bob.MentionCount(t, s.channel.ID); n != 0 {
		t.Errorf("bob was pinged %d times", n)
	}
	// A mention that is one counts.
	s.Alice.Post(t, s.channel.ID, "@bob", "")
	wait.For(t, patience, func() bool { return s.Bob.MentionCount(t, s.channel.ID) == 1 }, "a real mention")
}

func longAnswers(t *testing.T, s *scene) {
	line := strings.Repeat("long ", 20) + "\n"
	k := s.begin(t, &echo{reply: says("```\n" + strings.Repeat(line, 400) + "```")}, map[string]any{"incoming_url": s.IncomingHook, "answer": "webhook"})
	s.Alice.Post(t, s.channel.ID, "go", "")
	for i, p := range s.answers(t, 3) {
		if n := utf8.RuneCountInString(p.Message); n > 16383 || strings.Count(p.Message, "```") != 2 {
			t.Errorf("part %d has %d characters", i, n)
		}
	}
	if waiting, err := k.store.Deliveries(t.Context(), store.DeliveryFilter{Status: chat.DeliveryFailed, Limit: 5}); err != nil || len(waiting) != 0 {
		t.Errorf("failed %v, %v", waiting, err)
	}
}

func storeAwayReal(t *testing.T, s *scene) {
	k := s.begin(t, &echo{reply: says("re: $")}, nil)
	k.store.down.Store(true)
	s.Alice.Post(t, s.channel.ID, "lost", "")
	wait.For(t, patience, func() bool { return k.metric("posts_total", "hook-1", "failed") == 1 }, "the refusal")
	k.store.down.Store(false)
	s.Alice.Post(t, s.channel.ID, "kept", "")
	if p := s.answers(t, 1)[0]; p.Message != "re: kept" {
		t.Errorf("%q", p.Message)
	}
}

// The channel is renamed while the assistant thinks: the answer cannot be
// brought, and says why; the next one can.
func renamedChannel(t *testing.T, s *scene) {
	slow := make(chan struct{}, 2)
	k := s.begin(t, &echo{reply: says("re: $"), slow: slow}, map[string]any{"incoming_url": s.IncomingHook})
	s.Alice.Post(t, s.channel.ID, "one", "")
	wait.For(t, patience, func() bool { return k.metric("posts_total", "hook-1", "accepted") == 1 }, "the post")
	if err := s.Admin.Do(t.Context(), http.MethodPut, "/channels/"+s.channel.ID+"/patch", map[string]any{"name": "renamed-now"}, nil); err != nil {
		t.Fatal(err)
	}
	slow <- struct{}{}
	var failed []chat.Delivery
	wait.For(t, patience, func() bool {
		var err error
		failed, err = k.store.Deliveries(context.Background(), store.DeliveryFilter{Status: chat.DeliveryFailed, Limit: 5})
		return err == nil && len(failed) == 1
	}, "a failed delivery")
	if !strings.Contains(failed[0].LastError, "no channel of this name") {
		t.Errorf("error %q", failed[0].LastError)
	}
	s.Alice.Post(t, s.channel.ID, "two", "")
	slow <- struct{}{}
	if p := s.answers(t, 1)[0]; p.Message != "re: two" {
		t.Errorf("%q", p.Message)
	}
}

// found is what a test of the channel says about the incoming webhook.
func found(t *testing.T, url string) string {
	t.Helper()
	for _, f := range (mmwebhook.Kind{}).Test(t.Context(), settle(t, "hook", with(map[string]any{"incoming_url": url}))) {
		if f.Name == "incoming webhook" {
			return string(f.Level) + ": " + f.Text
		}
	}
	return "nothing"
}

func probes(t *testing.T, s *scene) {
	if got := found(t, s.IncomingHook); !strings.HasPrefix(got, "ok: it is there") {
		t.Errorf("good: %s", got)
	}
	if got := found(t, s.URL+"/hooks/"+strings.Repeat("x", 26)); !strings.HasPrefix(got, "fail: Mattermost does not know it") {
		t.Errorf("unknown: %s", got)
	}
	if n := len(s.Alice.Posts(t, s.Lobby.ID)) + len(s.Alice.Posts(t, s.channel.ID)); n != 0 {
		t.Errorf("%d posts were made", n)
	}
}

func overridesOff(t *testing.T, s *scene) {
	s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnablePostUsernameOverride": false, "EnablePostIconOverride": false}})
	t.Cleanup(func() {
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnablePostUsernameOverride": true, "EnablePostIconOverride": true}})
	})
	s.begin(t, &echo{reply: says("re: $")}, map[string]any{"bot": map[string]any{"name": "Help Desk"}})
	s.Alice.Post(t, s.channel.ID, "hello", "")
	if p := s.answers(t, 1)[0]; p.Props["override_username"] != nil || p.UserID != s.Admin.ID {
		t.Errorf("%+v", p)
	}
}

// Incoming webhooks are switched off for a while: the answer waits and comes.
func webhooksOff(t *testing.T, s *scene) {
	var tries atomic.Int64
	in := &echo{reply: func(e chat.Entry) []chat.Content { tries.Add(1); return says("re: $")(e) }}
	k := s.begin(t, in, map[string]any{"incoming_url": s.IncomingHook, "answer": "webhook"})
	enable := func(on bool) {
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableIncomingWebhooks": on}})
	}
	enable(false)
	t.Cleanup(func() { enable(true) })
	s.Alice.Post(t, s.channel.ID, "hello", "")
	wait.For(t, patience, func() bool {
		waiting, err := k.store.Deliveries(context.Background(), store.DeliveryFilter{Status: chat.DeliveryWaiting, Limit: 5})
		return err == nil && len(waiting) == 1 && waiting[0].Attempts > 0 && strings.Contains(waiting[0].LastError, "switched off")
	}, "a waiting delivery")
	if got := found(t, s.IncomingHook); !strings.HasPrefix(got, "fail: incoming webhooks are switched off") {
		t.Errorf("test: %s", got)
	}
	enable(true)
	s.answers(t, 1)
}
