package mmtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

const within = 2 * time.Minute

// One server for all: the parts run one after the other, and the ones that take
// the server away come last.
func TestServer(t *testing.T) {
	mm := mmtest.Start(t,
		mmtest.WithConfig(map[string]any{"TeamSettings": map[string]any{"SiteName": "Kit"}}),
		mmtest.WithEnv("MM_SERVICESETTINGS_MAXIMUMPAYLOADSIZEBYTES=5000"))
	for _, part := range []struct {
		name string
		run  func(*testing.T, *mmtest.Server)
	}{
		{"People", people},
		{"Posts", posts},
		{"ManyPosts", manyPosts},
		{"Channels", channels},
		{"Mentions", mentions},
		{"Tokens", tokens},
		{"Hooks", hooks},
		{"Buttons", buttons},
		{"Config", config},
		{"Failures", failures},
		{"Outages", outages},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, mm) })
	}
}

func texts(posts []mmtest.Post) (list []string) {
	for _, p := range posts {
		list = append(list, p.Message)
	}
	return list
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// refused checks that the server answered with a status and, unless it is
// empty, an error id.
func refused(t *testing.T, err error, status int, id string) {
	t.Helper()
	var e *mmtest.APIError
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.ID, id) {
		t.Errorf("error %v, want status %d and id %s", err, status, id)
	}
}

func people(t *testing.T, mm *mmtest.Server) {
	if mm.Team.Name != "support" || mm.Lobby.Name != "lobby" || mm.Secret.Name != "secret" {
		t.Errorf("team %+v, channels %+v %+v", mm.Team, mm.Lobby, mm.Secret)
	}
	if mm.Lobby.Type != mmtest.Public || mm.Secret.Type != mmtest.Private {
		t.Errorf("lobby is %s, secret is %s", mm.Lobby.Type, mm.Secret.Type)
	}
	for _, u := range []*mmtest.User{mm.Admin, mm.Alice, mm.Bob, mm.Bot} {
		var me struct {
			ID       string
			Username string
			IsBot    bool `json:"is_bot"`
		}
		if err := u.Do(t.Context(), http.MethodGet, "/users/me", nil, &me); err != nil {
			t.Fatal(err)
		}
		if me.ID != u.ID || me.Username != u.Username || me.IsBot != (u == mm.Bot) {
			t.Errorf("the token of %s is that of %+v", u.Username, me)
		}
		for _, c := range []mmtest.Channel{mm.Lobby, mm.Secret} {
			if !slices.Contains(u.Members(t, c.ID), u.ID) {
				t.Errorf("%s is not in %s", u.Username, c.Name)
			}
		}
	}
	again := mm.Login(t, mm.Alice.Username, mm.Alice.Password)
	if again.ID != mm.Alice.ID || again.Token == mm.Alice.Token {
		t.Error("a second login is not a second session of the same person")
	}
}

func posts(t *testing.T, mm *mmtest.Server) {
	room := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Public, "posts").ID
	mm.Bob.Join(t, room)
	one := mm.Alice.Post(t, room, "one", "")
	two := mm.Bob.Post(t, room, "two", "")
	reply := mm.Bob.Post(t, room, "reply", one)
	second := mm.Alice.Post(t, room, "second reply", one)
	equal(t, "posts", texts(mm.Bob.Posts(t, room)), []string{"one", "two", "reply", "second reply"})
	equal(t, "thread", texts(mm.Bob.Thread(t, one)), []string{"one", "reply", "second reply"})
	if all := mm.Bob.AllPosts(t, room); len(all) <= 4 || !all[0].System() {
		t.Errorf("all posts %q, want the system's too", texts(all))
	}
	mm.Alice.Edit(t, one, "one, edited")
	mm.Alice.Delete(t, second)
	equal(t, "after edit and delete", texts(mm.Bob.Posts(t, room)), []string{"one, edited", "two", "reply"})
	if p := mm.Bob.GetPost(t, reply); p.RootID != one || p.UserID != mm.Bob.ID || p.ChannelID != room {
		t.Errorf("the reply is %+v", p)
	}
	raw := mm.Bot.PostRaw(t, map[string]any{
		"channel_id": mm.Lobby.ID, "message": "raw", "props": map[string]any{"nonce": "n1"},
		"pending_post_id": mm.Bot.ID + ":1",
	})
	if raw.ID == "" || raw.Props["nonce"] != "n1" || raw.PendingPostID != mm.Bot.ID+":1" {
		t.Errorf("the raw post is %+v", raw)
	}
	mm.Alice.React(t, two, "+1")
	want := mmtest.Reaction{UserID: mm.Alice.ID, PostID: two, EmojiName: "+1"}
	if got := mm.Bob.Reactions(t, two); !slices.Equal(got, []mmtest.Reaction{want}) {
		t.Errorf("reactions %+v, want %+v", got, want)
	}
	mm.Alice.Unreact(t, two, "+1")
	if got := mm.Bob.Reactions(t, two); len(got) != 0 {
		t.Errorf("reactions %+v after taking it off", got)
	}
}

func manyPosts(t *testing.T, mm *mmtest.Server) {
	room := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Public, "many").ID
	var want []string
	for i := range 205 { // more than one page
		want = append(want, strings.Repeat("x", i%7+1))
		mm.Alice.Post(t, room, want[i], "")
	}
	equal(t, "posts", texts(mm.Alice.Posts(t, room)), want)
}

func channels(t *testing.T, mm *mmtest.Server) {
	carol := mm.CreateUser(t, "carol")
	room := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Private, "room")
	mm.Alice.AddMember(t, room.ID, mm.Bot.ID, carol.ID)
	mm.Alice.RemoveMember(t, room.ID, carol.ID)
	err := carol.Do(t.Context(), http.MethodPost, "/posts", map[string]any{"channel_id": room.ID, "message": "hi"}, nil)
	refused(t, err, http.StatusForbidden, "permissions")
	if got := mm.Bot.Members(t, room.ID); len(got) != 2 || slices.Contains(got, carol.ID) {
		t.Errorf("members %v, want alice and the bot", got)
	}
	mm.Alice.Archive(t, room.ID)
	if got := mm.Alice.Channel(t, room.ID); got.DeleteAt == 0 || got.Name != "room" {
		t.Errorf("the archived channel is %+v", got)
	}
	direct := mm.Bot.Direct(t, carol.ID)
	mm.Bot.Post(t, direct, "just you", "")
	equal(t, "direct", texts(carol.Posts(t, direct)), []string{"just you"})
	group := mm.Alice.Group(t, mm.Bob.ID, mm.Bot.ID)
	if got := mm.Bot.Members(t, group); len(got) != 3 {
		t.Errorf("the group has members %v, want three", got)
	}
	team := mm.CreateTeam(t, "sales")
	mm.AddToTeam(t, team.ID, mm.Bot.ID)
	mm.Bot.Join(t, mm.Admin.CreateChannel(t, team.ID, mmtest.Public, "deals").ID)
	mm.RemoveFromTeam(t, team.ID, mm.Bot.ID)
}

func mentions(t *testing.T, mm *mmtest.Server) {
	before := mm.Bob.MentionCount(t, mm.Lobby.ID)
	root := mm.Alice.Post(t, mm.Lobby.ID, "@bob look", "")
	mm.Alice.Post(t, mm.Lobby.ID, "and here, @bob", root)
	mm.Alice.Post(t, mm.Lobby.ID, "`@bob` is quoted", "")
	mm.Alice.Post(t, mm.Lobby.ID, "@bob, that was all", "")
	wait.For(t, within, func() bool { return mm.Bob.MentionCount(t, mm.Lobby.ID) >= before+3 }, "bob's three mentions")
	if got := mm.Bob.MentionCount(t, mm.Lobby.ID) - before; got != 3 {
		t.Errorf("%d mentions, want 3", got)
	}
}

func tokens(t *testing.T, mm *mmtest.Server) {
	works := func(u *mmtest.User) error { return u.Do(t.Context(), http.MethodGet, "/users/me", nil, nil) }
	bot := mm.CreateBot(t, "helper2")
	spare := mm.CreateToken(t, bot)
	mm.RevokeToken(t, bot)
	refused(t, works(bot), http.StatusUnauthorized, "session_expired")
	mm.DisableBot(t, bot)
	refused(t, works(spare), http.StatusUnauthorized, "session_expired")
	mm.EnableBot(t, bot)
	if err := works(spare); err != nil {
		t.Errorf("a token of the enabled bot: %v", err)
	}
	dave := mm.CreateUser(t, "dave")
	mm.RevokeToken(t, dave)
	refused(t, works(dave), http.StatusUnauthorized, "session_expired")
	mm.SetActive(t, dave, false)
	err := mmtest.Try(func(t mmtest.T) { mm.Login(t, dave.Username, dave.Password) })
	refused(t, err, http.StatusUnauthorized, "inactive")
	mm.SetActive(t, dave, true)
	mm.Login(t, dave.Username, dave.Password)
}

func hooks(t *testing.T, mm *mmtest.Server) {
	calls := make(chan map[string]any, 1)
	callee := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call map[string]any
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Errorf("the call's body: %v", err)
		}
		calls <- call
		io.WriteString(w, `{"text":"answered","response_type":"comment"}`)
	}))
	defer callee.Close()
	hook := mm.CreateOutgoingHook(t, mmtest.OutgoingHook{
		Channel: mm.Lobby.ID, TriggerWords: []string{"#bot"}, Prefix: true,
		Callbacks: []string{callee.URL}, ContentType: "application/json", Name: "out",
	})
	asked := mm.Alice.Post(t, mm.Lobby.ID, "#bot: hi", "")
	select {
	case call := <-calls:
		if call["token"] != hook.Token || call["post_id"] != asked || call["trigger_word"] != "#bot" {
			t.Errorf("the call is %v", call)
		}
	case <-time.After(within):
		t.Fatal("the outgoing webhook was not called")
	}
	mm.Alice.WaitPosts(t, mm.Lobby.ID, within, func(posts []mmtest.Post) bool {
		last := posts[len(posts)-1]
		return last.Message == "answered" && last.RootID == asked && last.UserID == mm.Admin.ID
	}, "the webhook's answer")

	for _, url := range []string{mm.IncomingHook, mm.CreateIncomingHook(t, mm.Lobby.ID)} {
		resp, err := http.Post(url, "application/json", strings.NewReader(`{"text":"from outside","username":"Visitor 7"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		posts := mm.Alice.Posts(t, mm.Lobby.ID)
		if last := posts[len(posts)-1]; last.Message != "from outside" || last.Props["override_username"] != "Visitor 7" {
			t.Errorf("after %s the last post is %+v", resp.Status, last)
		}
	}
}

func buttons(t *testing.T, mm *mmtest.Server) {
	chosen := make(chan any, 2)
	callee := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			UserID  string `json:"user_id"`
			Context map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.UserID != mm.Bob.ID {
			t.Errorf("the call is %+v (%v), want it from bob", call, err)
		}
		chosen <- call.Context["selected_option"]
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, `{}`)
	}))
	defer callee.Close()
	action := func(id, kind, path string) map[string]any {
		return map[string]any{
			"id": id, "name": id, "type": kind, "integration": map[string]any{"url": callee.URL + path},
			"options": []map[string]any{{"text": "Red", "value": "red"}},
		}
	}
	post := mm.Bot.PostRaw(t, map[string]any{
		"channel_id": mm.Lobby.ID, "props": map[string]any{"attachments": []any{map[string]any{
			"text": "choose", "actions": []any{action("take", "button", "/"), action("color", "select", "/broken")},
		}}},
	}).ID
	if err := mm.Bob.ClickButton(t.Context(), post, "take"); err != nil {
		t.Errorf("click: %v", err)
	}
	refused(t, mm.Bob.ChooseOption(t.Context(), post, "color", "red"), http.StatusBadRequest, "action_integration")
	if first, second := <-chosen, <-chosen; first != nil || second != "red" {
		t.Errorf("chosen %v and %v, want nothing and red", first, second)
	}
}

func config(t *testing.T, mm *mmtest.Server) {
	var seen struct{ SiteName, SiteURL string }
	if err := mm.Bob.Do(t.Context(), http.MethodGet, "/config/client?format=old", nil, &seen); err != nil {
		t.Fatal(err)
	}
	if seen.SiteName != "Kit" || seen.SiteURL != mm.URL {
		t.Errorf("the server says %+v, want what it was started with", seen)
	}
	long := map[string]any{"channel_id": mm.Lobby.ID, "message": strings.Repeat("x", 9000)}
	err := mm.Alice.Do(t.Context(), http.MethodPost, "/posts", long, nil)
	refused(t, err, http.StatusRequestEntityTooLarge, "request_body_too_large")
	limit := func(on bool) map[string]any {
		return map[string]any{"RateLimitSettings": map[string]any{"Enable": on, "PerSec": 1, "MaxBurst": 1}}
	}
	mm.PatchConfig(t, limit(true))
	if err := mm.Restart(); err != nil { // the limiter is made at the start
		t.Fatal(err)
	}
	wait.For(t, within, func() bool {
		err := mm.Alice.Do(t.Context(), http.MethodGet, "/users/me", nil, nil)
		return mmtest.Status(err) == http.StatusTooManyRequests
	}, "the rate limit")
	wait.Succeed(t, within, func() error {
		return mm.Admin.Do(t.Context(), http.MethodPut, "/config/patch", limit(false), nil)
	}, "the rate limit to let a call through")
	if err := mm.Restart(); err != nil {
		t.Fatal(err)
	}
}

func failures(t *testing.T, mm *mmtest.Server) {
	room := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Public, "failures").ID
	mm.Alice.Post(t, room, "the only one", "")
	err := mmtest.Try(func(t mmtest.T) {
		mm.Alice.WaitPosts(t, room, time.Millisecond, func(p []mmtest.Post) bool { return len(p) > 1 }, "a second post")
	})
	if err == nil || !strings.HasPrefix(err.Error(), "gave up after 1ms waiting for a second post; ") ||
		!strings.Contains(err.Error(), `"the only one"`) {
		t.Errorf("WaitPosts said %v", err)
	}
	err = mmtest.Try(func(t mmtest.T) { mm.Alice.Post(t, room, "hi", "nosuchroot") })
	refused(t, err, http.StatusBadRequest, "")
	if !strings.Contains(err.Error(), "POST /posts as alice") {
		t.Errorf("Post said %v", err)
	}
}
