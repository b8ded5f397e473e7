package mmwebhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/testkit/wait"
)

func TestAnswerInTheResponse(t *testing.T) {
	k := start(t, &echo{reply: says("re: $", "second")}, with(map[string]any{
		"trigger_words": []string{"#desk"}, "bot": map[string]any{"name": "Help Desk", "icon": "https://example.com/i.png"},
	}))
	a := k.post(k.payload(map[string]any{"text": "#desk  where is  it?", "trigger_word": "#desk"}))
	if a.status != 200 || a.text() != "re: where is  it?\n\nsecond" || a.Username != "Help Desk" || a.IconURL != "https://example.com/i.png" {
		t.Errorf("answer %d %s", a.status, a.raw)
	}
	if a.Props["unsafe_links"] != "true" || a.ResponseType != "" || a.Attachments != nil {
		t.Errorf("answer %s", a.raw)
	}
	entries := k.entries(k.conversation(aliceID))
	if len(entries) != 3 || entries[0].Content.Text != "where is  it?" || entries[0].Content.Speaker != "alice" {
		t.Errorf("entries %+v", entries)
	}
	raw, err := k.store.Raw(t.Context(), entries[0].Conversation, 1)
	if err != nil || strings.Contains(string(raw), token) || !strings.Contains(string(raw), `"text":"#desk  where is  it?"`) {
		t.Errorf("raw input %s, %v", raw, err)
	}
	if n := k.metric("posts_total", "hook-1", "accepted"); n != 1 {
		t.Errorf("counted %v accepted posts", n)
	}
	if n := k.metric("answers_total", "hook-1", "carried"); n != 1 {
		t.Errorf("counted %v carried answers", n)
	}
}

func TestForm(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	a := k.postForm(k.payload(map[string]any{"text": "two\nlines & more", "timestamp": 1795185805}))
	if a.status != 200 || a.text() != "re: two\nlines & more" {
		t.Errorf("answer %d %s", a.status, a.raw)
	}
}

func TestNothingToAnswer(t *testing.T) {
	k := start(t, &echo{reply: says()}, with(nil))
	for name, p := range map[string]map[string]any{
		"no answer":  k.payload(nil),
		"empty post": k.payload(map[string]any{"text": " \n"}),
	} {
		if a := k.post(p); a.status != 200 || strings.TrimSpace(a.raw) != "{}" {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	if n := len(k.entries(k.conversation(aliceID))); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestFiles(t *testing.T) {
	k := start(t, &echo{reply: says("got: $")}, with(nil))
	two := aliceID + "," + bobID
	for text, want := range map[string]string{"": "got: [file]\n[file]", "look": "got: look\n[file]\n[file]"} {
		if a := k.post(k.payload(map[string]any{"text": text, "file_ids": two})); a.text() != want {
			t.Errorf("%q: %q", text, a.text())
		}
	}
}

// A response is posted whatever its status, so a refusal must not have what is
// posted.
func TestRefusals(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	good, err := json.Marshal(k.payload(nil))
	if err != nil {
		t.Fatal(err)
	}
	body := func(change map[string]any) []byte {
		b, _ := json.Marshal(k.payload(change))
		return b
	}
	const path, asJSON = "/hooks/mattermost/" + key, "application/json"
	for _, tt := range []struct {
		name, path, contentType string
		body                    []byte
		status                  int
		field                   string
	}{
		{"wrong token", path, asJSON, body(map[string]any{"token": strings.Repeat("a", 26)}), 403, "token"},
		{"no token", path, asJSON, body(map[string]any{"token": ""}), 403, "token"},
		{"wrong token, nothing else", path, asJSON, []byte(`{"token":"x"}`), 403, "token"},
		{"not JSON", path, asJSON, []byte(`{"token":`), 400, ""},
		{"JSON of another kind", path, asJSON, []byte(`[1]`), 400, ""},
		{"bad form", path, "application/x-www-form-urlencoded", []byte("token=%zz"), 400, ""},
		{"other type", path, "text/plain", good, 400, "Content-Type"},
		{"odd type", path, ";", good, 400, "Content-Type"},
		{"no post id", path, asJSON, body(map[string]any{"post_id": ""}), 400, "post_id"},
		{"bad user id", path, asJSON, body(map[string]any{"user_id": "../../x"}), 400, "user_id"},
		{"bad channel name", path, asJSON, body(map[string]any{"channel_name": "@bob"}), 400, "channel_name"},
		{"long name", path, asJSON, body(map[string]any{"user_name": strings.Repeat("x", 300)}), 400, "user_name"},
		{"too large", path, asJSON, body(map[string]any{"text": strings.Repeat("x", 1<<20)}), 413, ""},
	} {
		a := k.send(tt.path, tt.contentType, tt.body)
		if a.status != tt.status || a.Error == "" || a.Field != tt.field {
			t.Errorf("%s: %d %s", tt.name, a.status, a.raw)
		}
		if a.Text != nil || strings.Contains(a.raw, "attachments") || strings.Contains(a.raw, token) || strings.Contains(a.raw, `"text"`) {
			t.Errorf("%s: %s would be posted", tt.name, a.raw)
		}
	}
	if _, err := k.store.ConversationByPlace(t.Context(), channelID, "room:"+teamID+":"+lobbyID+":"+aliceID); err == nil {
		t.Error("a refused call was stored")
	}
}

func TestUnknownAddress(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	body, _ := json.Marshal(k.payload(nil))
	for _, path := range []string{"/hooks/mattermost/", "/hooks/mattermost/" + key + "x", "/hooks/mattermost/" + key[:25], "/hooks/mattermost/" + key + "/more",
		"/hooks/mattermost/" + strings.Repeat("x", 5000), "/hooks/mattermost/actions/more", "/elsewhere"} {
		a := k.send(path, "application/json", body)
		if a.status != 404 || a.raw != "404 page not found\n" {
			t.Errorf("%.60s: %d %q", path, a.status, a.raw)
		}
	}
	for _, path := range []string{key, "actions"} {
		resp, err := http.Get(k.server.URL + "/hooks/mattermost/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: %d", path, resp.StatusCode)
		}
	}
}

func TestCompressedBodyIsRefused(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	req, _ := http.NewRequest(http.MethodPost, k.server.URL+"/hooks/mattermost/"+key, bytes.NewReader([]byte{0x1f, 0x8b}))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := k.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestRotation(t *testing.T) {
	fresh := strings.Repeat("n", 26)
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	const newKey = "another-callback-key"
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{
		"outgoing_token": []any{fresh, map[string]any{"token": token, "until": soon}},
		"callback_key":   []any{newKey, map[string]any{"key": key, "until": soon}},
	}))
	try := func(key, token string) int {
		t.Helper()
		body, _ := json.Marshal(k.payload(map[string]any{"token": token}))
		return k.send("/hooks/mattermost/"+key, "application/json", body).status
	}
	for _, both := range []string{key, newKey} {
		if a, b := try(both, token), try(both, fresh); a != 200 || b != 200 {
			t.Errorf("during the overlap: %d, %d", a, b)
		}
	}
	k.ahead.Store(int64(61 * time.Minute))
	if n := try(newKey, token); n != 403 {
		t.Errorf("old token after its time: %d", n)
	}
	if n := try(key, fresh); n != 404 {
		t.Errorf("old address after its time: %d", n)
	}
	if n := try(newKey, fresh); n != 200 {
		t.Errorf("new address and token: %d", n)
	}
}

func TestPostedTwice(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"outgoing_token": []string{token, strings.Repeat("o", 26)}}))
	p := k.payload(nil)
	if a := k.post(p); a.text() != "re: hello" {
		t.Errorf("first: %s", a.raw)
	}
	// The other hook of the channel tells the same post, with another word.
	p["token"], p["trigger_word"] = strings.Repeat("o", 26), "hello"
	if a := k.post(p); a.status != 200 || a.Text != nil {
		t.Errorf("again: %d %s", a.status, a.raw)
	}
	if n := len(k.entries(k.conversation(aliceID))); n != 2 {
		t.Errorf("%d entries", n)
	}
}

func TestPostedTwiceAtOnce(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	body, _ := json.Marshal(k.payload(nil))
	var group sync.WaitGroup
	var mu sync.Mutex
	texts := 0
	for range 8 {
		group.Go(func() {
			a, err := k.try("/hooks/mattermost/"+key, "application/json", body)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || a.status != 200 {
				t.Errorf("%d %v", a.status, err)
			}
			if a.Text != nil {
				texts++
			}
		})
	}
	group.Wait()
	if texts != 1 {
		t.Errorf("answered %d times", texts)
	}
}

func TestStoreAway(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	k.say("one")
	k.store.down.Store(true)
	p := k.payload(map[string]any{"text": "two"})
	if a := k.post(p); a.status != 503 || a.Text != nil || a.Error == "" {
		t.Errorf("%d %s", a.status, a.raw)
	}
	k.store.down.Store(false)
	if a := k.post(p); a.status != 200 || a.text() != "re: two" {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

func TestStoppedDriver(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	if err := k.driver.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := k.say("late"); a.status != 503 || a.Text != nil {
		t.Errorf("%d %s", a.status, a.raw)
	}
}

func TestDisabledChannel(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	c := settle(t, "hook", with(nil))
	c.Disabled = true
	apply, err := k.driver.Prepare([]channelConfigured{c})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	if a := k.say("hello"); a.status != 404 {
		t.Errorf("%d", a.status)
	}
}

func TestOneKeyTwice(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(nil))
	other := with(nil)
	delete(other, "id")
	_, err := k.driver.Prepare([]channelConfigured{settle(t, "one", with(nil)), settle(t, "two", other)})
	if err == nil || !strings.Contains(err.Error(), `"one" and "two"`) || strings.Contains(err.Error(), key) {
		t.Errorf("error %v", err)
	}
	if a := k.say("still there"); a.status != 200 {
		t.Errorf("the old channels stopped: %d", a.status)
	}
}

func TestLoopBreaker(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"loop_limit": 3}))
	for i := range 3 {
		if a := k.say("again"); a.text() == "" {
			t.Fatalf("post %d: %s", i, a.raw)
		}
	}
	if a := k.say("again"); !strings.Contains(a.text(), "I stop answering alice here for 10 minutes") {
		t.Errorf("when it trips: %s", a.raw)
	}
	for range 3 {
		if a := k.say("again"); a.status != 200 || a.Text != nil {
			t.Errorf("afterwards: %d %s", a.status, a.raw)
		}
	}
	if a := k.post(k.payload(map[string]any{"user_id": bobID, "user_name": "bob"})); a.text() == "" {
		t.Errorf("somebody else: %s", a.raw)
	}
	// Nothing was lost.
	if n := strings.Count(strings.Join(k.said(k.conversation(aliceID)), "\n"), "contact: again"); n != 7 {
		t.Errorf("%d posts are stored", n)
	}
	if n := k.metric("loops_total", "hook-1"); n != 1 {
		t.Errorf("counted %v loops", n)
	}
	k.ahead.Store(int64(11 * time.Minute))
	if a := k.say("later"); a.text() != "re: later" {
		t.Errorf("after the pause: %s", a.raw)
	}
}

// With two hooks on one channel every post comes twice and counts once.
func TestLoopBreakerCountsPosts(t *testing.T) {
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"loop_limit": 3}))
	for range 3 {
		p := k.payload(nil)
		if a := k.post(p); a.text() != "re: hello" {
			t.Errorf("first: %s", a.raw)
		}
		if a := k.post(p); a.Text != nil {
			t.Errorf("second: %s", a.raw)
		}
	}
}

func TestLoopBreakerSaysSoThroughTheWebhook(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"loop_limit": 1, "incoming_url": in.url()}))
	k.say("one")
	if a := k.say("two"); a.Text != nil {
		t.Errorf("answer %s", a.raw)
	}
	if posts := in.wait(t, 1); !strings.Contains(posts[0]["text"].(string), "I stop answering alice") || posts[0]["channel"] != "lobby" {
		t.Errorf("posts %v", posts)
	}
}

func TestSlowAnswer(t *testing.T) {
	in := newInbox(t)
	slow := make(chan struct{})
	k := start(t, &echo{reply: says("re: $"), slow: slow}, with(map[string]any{"incoming_url": in.url(), "bot": map[string]any{"name": "Desk"}}))
	if a := k.say("hello"); a.status != 200 || strings.TrimSpace(a.raw) != "{}" {
		t.Errorf("answer %d %s", a.status, a.raw)
	}
	if n := len(in.posts()); n != 0 {
		t.Errorf("%d posts before the answer", n)
	}
	slow <- struct{}{}
	p := in.wait(t, 1)[0]
	props, _ := p["props"].(map[string]any)
	if p["text"] != "re: hello" || p["channel"] != "lobby" || p["username"] != "Desk" || props["unsafe_links"] != "true" {
		t.Errorf("post %v", p)
	}
}

func TestAnswerByWebhook(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": in.url(), "answer": "webhook"}))
	if a := k.say("hello"); a.Text != nil {
		t.Errorf("answer %s", a.raw)
	}
	if p := in.wait(t, 1)[0]; p["text"] != "re: hello" {
		t.Errorf("post %v", p)
	}
}

// The channel may be renamed; the newest name counts.
func TestNewestChannelName(t *testing.T) {
	in := newInbox(t)
	k := start(t, &echo{reply: says("re: $")}, with(map[string]any{"incoming_url": in.url(), "answer": "webhook"}))
	k.say("one")
	in.wait(t, 1)
	k.post(k.payload(map[string]any{"channel_name": "new-name"}))
	if p := in.wait(t, 2)[1]; p["channel"] != "new-name" {
		t.Errorf("post %v", p)
	}
}

// An answer in the response must not overtake one that is still on its way.
func TestOrderOfSlowAndInstant(t *testing.T) {
	in := newInbox(t)
	hold := make(chan struct{})
	var once sync.Once
	in.answer = func(http.ResponseWriter, map[string]any) bool {
		once.Do(func() { <-hold })
		return true
	}
	as := &switching{echo: echo{reply: says("re: $")}}
	k := start(t, as, with(map[string]any{"incoming_url": in.url()}))
	as.turns.Store(true)
	k.say("one")
	wait.For(t, patience, func() bool {
		return slices.Contains(k.said(k.conversation(aliceID)), "assistant: re: one")
	}, "the answer to one")
	as.turns.Store(false)
	if a := k.say("two"); a.Text != nil {
		t.Errorf("the second answer overtook the first: %s", a.raw)
	}
	close(hold)
	var texts []any
	for _, p := range in.wait(t, 2) {
		texts = append(texts, p["text"])
	}
	if fmt.Sprint(texts) != "[re: one re: two]" {
		t.Errorf("posts %v", texts)
	}
}

func TestNoIncomingWebhook(t *testing.T) {
	slow := make(chan struct{})
	k := start(t, &echo{reply: says("re: $"), slow: slow}, with(nil))
	k.say("hello")
	close(slow)
	var failed []chat.Delivery
	wait.For(t, patience, func() bool {
		var err error
		failed, err = k.store.Deliveries(t.Context(), store.DeliveryFilter{Status: chat.DeliveryFailed, Limit: 10})
		return err == nil && len(failed) == 1
	}, "a failed delivery")
	if !strings.Contains(failed[0].LastError, "there is no incoming_url") {
		t.Errorf("error %q", failed[0].LastError)
	}
}

// Thirty posts a second with an assistant that takes its time: each is answered
// once, in order for each person.
func TestManyPosts(t *testing.T) {
	const people, each = 10, 9
	in := newInbox(t)
	k := start(t, &pausing{echo{reply: says("re: $")}}, with(map[string]any{"incoming_url": in.url()}))
	var group sync.WaitGroup
	var queues [people]chan []byte
	for i := range queues {
		// Each person's posts one after the other, as Mattermost tells them.
		queues[i] = make(chan []byte, each)
		group.Go(func() {
			for body := range queues[i] {
				if a, err := k.try("/hooks/mattermost/"+key, "application/json", body); err != nil || a.status != 200 || a.Text != nil {
					t.Errorf("%d %s %v", a.status, a.raw, err)
				}
			}
		})
	}
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	for n := range people * each {
		<-tick.C
		body, _ := json.Marshal(k.payload(map[string]any{"user_id": fmt.Sprintf("u%025d", n%people), "text": fmt.Sprintf("%d-%d", n%people, n/people)}))
		queues[n%people] <- body
	}
	for _, q := range queues {
		close(q)
	}
	group.Wait()
	next := map[string]int{}
	for _, p := range in.wait(t, people*each) {
		who, n, _ := strings.Cut(strings.TrimPrefix(p["text"].(string), "re: "), "-")
		if n != fmt.Sprint(next[who]) {
			t.Errorf("person %s got %v, not the answer to %d", who, p["text"], next[who])
		}
		next[who]++
	}
	if n := len(in.posts()); n != people*each {
		t.Errorf("%d answers", n)
	}
}
