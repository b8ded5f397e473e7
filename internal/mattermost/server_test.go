package mattermost_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/secret"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// One real server for all: the parts run one after the other, and the ones
// that take it away or slow it down come last.
func TestServer(t *testing.T) {
	mm := mmtest.Start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *mmtest.Server)
	}{
		{"Read", read}, {"Posts", posts}, {"PostErrors", postErrors}, {"Idempotency", idempotency},
		{"Paging", paging}, {"OneMillisecond", oneMillisecond}, {"Since", since}, {"Threads", threads}, {"Places", places}, {"Webhook", webhook},
		{"Logins", logins}, {"SessionEnds", sessionEnds}, {"Token", token},
		{"Events", events}, {"Membership", membership}, {"Resume", resume}, {"BadResume", badResume},
		{"Silence", silence},
		{"Restart", restart}, {"RateLimit", rateLimit},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, mm) })
	}
}

func read(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	asked := time.Now()
	status := must(c.Ping(ctx))(t)
	if status.Status != "OK" || status.Database != "OK" || !strings.HasPrefix(status.Version, "11.") || len(status.Version) > 8 {
		t.Errorf("ping: %+v", status)
	}
	// Its clock is this machine's; a Date has whole seconds.
	if early, late := asked.Add(-2*time.Second), time.Now().Add(time.Second); status.Date.Before(early) || status.Date.After(late) {
		t.Errorf("the server's clock on this machine says %v, want %v to %v", status.Date, early, late)
	}
	config := must(c.Config(ctx))(t)
	if config.MaxPostSize != 16383 || config.SiteURL != mm.URL || !config.EnablePostUsernameOverride ||
		config.CollapsedThreads == "" || config.PostEditTimeLimit != -1 || config.TypingEvery != 5*time.Second || config.MaxFileSize != 100<<20 {
		t.Errorf("config: %+v", config)
	}
	me := must(c.Me(ctx))(t)
	if me.ID != mm.Bot.ID || !me.IsBot || !me.HasRole("system_user") || me.HasRole("system") {
		t.Errorf("me: %+v", me)
	}
	alice := must(c.User(ctx, mm.Alice.ID))(t)
	if byName := must(c.UserByName(ctx, "alice"))(t); alice.ID != mm.Alice.ID || alice.IsBot || byName.ID != alice.ID {
		t.Errorf("alice: %+v, by name %+v", alice, byName)
	}
	unknown := strings.Repeat("x", 26)
	if both := must(c.Users(ctx, mm.Alice.ID, unknown, mm.Bob.ID))(t); len(both) != 2 {
		t.Errorf("users by id: %+v", both)
	}
	if one := must(c.UsersByName(ctx, "bob", "nobody-here"))(t); len(one) != 1 || one[0].ID != mm.Bob.ID {
		t.Errorf("users by name: %+v", one)
	}
	_, err := c.User(ctx, unknown)
	refused(t, "unknown user", err, 404, "app.user.missing_account.const", "does not exist")
	_, err = c.Channel(ctx, unknown)
	if status := mattermost.StatusOf(err); status != 404 && status != 403 {
		t.Errorf("unknown channel: %v", err)
	}
	none := client(t, mattermost.Options{Server: mm.URL})
	if _, err := none.Ping(ctx); err != nil {
		t.Errorf("ping without credentials: %v", err)
	}
	if _, err := none.Me(ctx); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("me without credentials: %v", err)
	}
}

func places(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	teams := must(c.MyTeams(ctx))(t)
	if len(teams) != 1 || teams[0].ID != mm.Team.ID || teams[0].Name != mm.Team.Name {
		t.Errorf("teams: %+v", teams)
	}
	if team := must(c.TeamByName(ctx, mm.Team.Name))(t); team.ID != mm.Team.ID {
		t.Errorf("team: %+v", team)
	}
	if m := must(c.TeamMember(ctx, mm.Team.ID, mm.Bot.ID))(t); m.UserID != mm.Bot.ID || m.DeleteAt != 0 {
		t.Errorf("team member: %+v", m)
	}
	dm := must(c.Direct(ctx, mm.Alice.ID))(t)
	group := must(c.Direct(ctx, mm.Alice.ID, mm.Bob.ID))(t)
	if again := must(c.Direct(ctx, mm.Alice.ID))(t); dm.Type != mattermost.DM || dm.TeamID != "" || again.ID != dm.ID || group.Type != mattermost.Group {
		t.Errorf("direct: %+v, group: %+v", dm, group)
	}
	must(c.CreatePost(ctx, mattermost.NewPost{ChannelID: dm.ID, Message: "hi"}))(t)
	second := mm.CreateTeam(t, "second")
	mm.AddToTeam(t, second.ID, mm.Bot.ID)
	open := mm.Admin.CreateChannel(t, second.ID, mmtest.Public, "open")
	for range 2 { // being in it already is no error
		if err := c.JoinChannel(ctx, open.ID); err != nil {
			t.Fatal(err)
		}
	}
	types := map[string]string{}
	for _, ch := range must(c.MyChannels(ctx))(t) {
		types[ch.ID] = ch.Type
	}
	for id, want := range map[string]string{mm.Lobby.ID: "O", mm.Secret.ID: "P", dm.ID: "D", group.ID: "G", open.ID: "O"} {
		if types[id] != want {
			t.Errorf("my channels have %s as %q, want %q", id, types[id], want)
		}
	}
	lobby := must(c.ChannelByName(ctx, mm.Team.ID, "lobby"))(t)
	if lobby.ID != mm.Lobby.ID || lobby.LastPostAt == 0 || lobby.TotalMsgCount == 0 {
		t.Errorf("lobby: %+v", lobby)
	}
	if m := must(c.ChannelMember(ctx, mm.Lobby.ID, mm.Bot.ID))(t); m.UserID != mm.Bot.ID {
		t.Errorf("member: %+v", m)
	}
	private := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Private, "not-for-bots")
	if err := c.JoinChannel(ctx, private.ID); mattermost.StatusOf(err) != 403 {
		t.Errorf("joining a private channel: %v", err)
	}
	if _, err := c.ChannelMember(ctx, private.ID, mm.Bot.ID); err == nil || mattermost.Temporary(err) {
		t.Errorf("member of a foreign channel: %v", err)
	}
	mm.Admin.Archive(t, open.ID)
	if ch := must(c.Channel(ctx, open.ID))(t); ch.DeleteAt == 0 {
		t.Errorf("archived: %+v", ch)
	}
	if _, err := c.ChannelByName(ctx, second.ID, "open"); !mattermost.IsNotFound(err) {
		t.Errorf("archived channel by name: %v", err)
	}
	mm.RemoveFromTeam(t, second.ID, mm.Bot.ID)
	m, err := c.TeamMember(ctx, second.ID, mm.Bot.ID)
	if err == nil && m.DeleteAt == 0 {
		t.Errorf("team member after leaving: %+v", m)
	}
}

func webhook(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), client(t, mattermost.Options{Server: mm.URL})
	if err := c.IncomingWebhook(ctx, mm.IncomingHook, map[string]any{"text": "by hook", "username": "Visitor 7"}); err != nil {
		t.Fatal(err)
	}
	mm.Alice.WaitPosts(t, mm.Lobby.ID, within, func(posts []mmtest.Post) bool {
		return slices.ContainsFunc(posts, func(p mmtest.Post) bool {
			return p.Message == "by hook" && p.Props["override_username"] == "Visitor 7"
		})
	}, "the post of the hook")
	const general = "web.incoming_webhook.general.app_error"
	for _, test := range []struct {
		what    string
		hook    string
		payload any
		status  int
		id      string
	}{
		{"unknown channel", mm.IncomingHook, map[string]any{"text": "x", "channel": "no-such"}, 404, general},
		{"unknown user", mm.IncomingHook, map[string]any{"text": "x", "channel": "@nobody-here"}, 400, general},
		{"empty", mm.IncomingHook, map[string]any{"text": ""}, 400, general},
		{"unknown hook", mm.URL + "/hooks/" + strings.Repeat("h", 26), map[string]any{"text": "x"}, 400, general},
		{"odd type", mm.IncomingHook, map[string]any{"text": "x", "type": "odd"}, 500, general},
		{"large", mm.IncomingHook, map[string]any{"text": strings.Repeat("x", 301000)}, 400, "web.incoming_webhook.decode.app_error"},
	} {
		err := c.IncomingWebhook(ctx, test.hook, test.payload)
		refused(t, test.what, err, test.status, test.id, "")
		if id := test.hook[len(test.hook)-26:]; strings.Contains(err.Error()+fault.Message(err), id) {
			t.Errorf("%s: the error tells the secret: %v", test.what, err)
		}
	}
	mm.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableIncomingWebhooks": false}})
	defer mm.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableIncomingWebhooks": true}})
	wait.For(t, within, func() bool {
		err := c.IncomingWebhook(ctx, mm.IncomingHook, map[string]any{"text": "x"})
		return mattermost.StatusOf(err) == http.StatusNotImplemented && !mattermost.Temporary(err)
	}, "hooks to be off")
}

func token(t *testing.T, mm *mmtest.Server) {
	ctx := soon(t)
	bot := mm.CreateBot(t, "tokenbot")
	c := as(t, mm, bot)
	must(c.Me(ctx))(t)
	mm.DisableBot(t, bot)
	_, err := c.Me(ctx)
	refused(t, "disabled bot", err, 401, mattermost.IDSessionExpired, "make a new token")
	mm.EnableBot(t, bot)
	must(c.Me(ctx))(t) // a token works again, unlike a login
	mm.RevokeToken(t, bot)
	_, err = c.CreatePost(ctx, mattermost.NewPost{ChannelID: mm.Lobby.ID, Message: "x"})
	refused(t, "revoked token", err, 401, mattermost.IDSessionExpired, "make a new token")
	if !mattermost.IsUnauthorized(err) || mattermost.Temporary(err) || !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("revoked token: %v", err)
	}
	if strings.Contains(err.Error(), bot.Token) {
		t.Errorf("the error tells the token: %v", err)
	}
	wrong := client(t, mattermost.Options{Server: mm.URL, Token: secret.NewText("abc")})
	if _, err := wrong.Me(ctx); !mattermost.IsUnauthorized(err) {
		t.Errorf("wrong token: %v", err)
	}
}
