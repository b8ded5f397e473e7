package mattermost_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/mattermost"
	"parley/internal/secret"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

func events(t *testing.T, mm *mmtest.Server) {
	s := connect(t, as(t, mm, mm.Bot), mattermost.Resume{})
	if !s.Lost() || s.Resume().Next != 1 {
		t.Errorf("a fresh stream: lost %v, %+v", s.Lost(), s.Resume())
	}
	lobby := mm.Lobby.ID
	id := mm.Alice.Post(t, lobby, "hi @helperbot", "")
	e := next(t, s, mattermost.EventPosted)
	if p := e.Post; p.ID != id || p.UserID != mm.Alice.ID || p.Message != "hi @helperbot" || e.ChannelID != lobby ||
		e.ChannelType != mattermost.Public || e.TeamID != mm.Team.ID || e.UserID != mm.Alice.ID || e.SenderName != "@alice" ||
		!slices.Equal(e.Mentions, []string{mm.Bot.ID}) || s.Resume().Next != e.Seq+1 {
		t.Errorf("posted: %+v with %+v", e, e.Post)
	}
	mm.Alice.Post(t, lobby, "nobody is meant", "")
	if e := next(t, s, mattermost.EventPosted); len(e.Mentions) != 0 {
		t.Errorf("mentions: %v", e.Mentions)
	}
	mm.Alice.Edit(t, id, "edited")
	if e := next(t, s, mattermost.EventPostEdited); e.Post.ID != id || e.Post.EditAt == 0 || e.Post.Message != "edited" || e.ChannelID != lobby {
		t.Errorf("edited: %+v", e.Post)
	}
	mm.Alice.React(t, id, "+1")
	if e := next(t, s, mattermost.EventReactionAdded); e.Reaction.Emoji != "+1" || e.Reaction.PostID != id || e.ChannelID != lobby || e.Reaction.ChannelID != lobby {
		t.Errorf("reaction: %+v", e.Reaction)
	}
	mm.Alice.Unreact(t, id, "+1")
	if e := next(t, s, mattermost.EventReactionGone); e.Reaction.PostID != id || e.Reaction.ChannelID != lobby {
		t.Errorf("reaction taken back: %+v", e.Reaction)
	}
	mm.Alice.Delete(t, id)
	if e := next(t, s, mattermost.EventPostDeleted); e.Post.ID != id || e.Post.Message != "edited" {
		t.Errorf("deleted: %+v", e.Post)
	}
	own := must(as(t, mm, mm.Bot).CreatePost(soon(t), mattermost.NewPost{ChannelID: lobby, Message: "mine", PendingPostID: mm.Bot.ID + ":own"}))(t)
	if e := next(t, s, mattermost.EventPosted); e.Post.ID != own.ID || e.Post.PendingPostID != mm.Bot.ID+":own" || e.SetOnline {
		t.Errorf("own post: %+v", e)
	}
	if err := as(t, mm, mm.Bob).Typing(soon(t), lobby, ""); err != nil {
		t.Error(err)
	}
	if e := next(t, s, mattermost.EventTyping); e.UserID != mm.Bob.ID || e.ChannelID != lobby {
		t.Errorf("typing: %+v", e)
	}
	dm := mm.Alice.Direct(t, mm.Bot.ID)
	mm.Alice.Post(t, dm, "psst", "")
	if e := next(t, s, mattermost.EventPosted); e.ChannelType != mattermost.DM || e.TeamID != "" || e.ChannelID != dm {
		t.Errorf("direct message: %+v", e)
	}
	mm.Alice.PostRaw(t, map[string]any{"channel_id": lobby, "message": "forged", "props": map[string]any{"from_bot": "true", "from_webhook": "true", "override_username": "root"}})
	if e := next(t, s, mattermost.EventPosted); e.Post.UserID != mm.Alice.ID || e.Post.Prop("from_bot") != "true" {
		t.Errorf("forged: %+v", e.Post)
	}
	// A context that ends leaves the stream whole.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Next with an ended context: %v", err)
	}
	mm.Alice.Post(t, lobby, "still here", "")
	next(t, s, mattermost.EventPosted)
	s.Close()
	s.Close()
	if err := ends(t, s); !errors.Is(err, mattermost.ErrCut) {
		t.Errorf("after Close: %v", err)
	}
}

func membership(t *testing.T, mm *mmtest.Server) {
	bot := mm.CreateBot(t, "memberbot")
	s := connect(t, as(t, mm, bot), mattermost.Resume{})
	team := mm.CreateTeam(t, "third")
	mm.AddToTeam(t, team.ID, bot.ID)
	if e := next(t, s, mattermost.EventAddedToTeam); e.TeamID != team.ID || e.UserID != bot.ID {
		t.Errorf("added to team: %+v", e)
	}
	ch := mm.Admin.CreateChannel(t, team.ID, mmtest.Public, "rooms")
	mm.Admin.AddMember(t, ch.ID, bot.ID)
	added := func(e mattermost.Event) bool { return e.ChannelID == ch.ID && e.UserID == bot.ID }
	for e := next(t, s, mattermost.EventUserAdded); !added(e); e = next(t, s, mattermost.EventUserAdded) {
	}
	if err := mm.Admin.Do(soon(t), "PUT", "/channels/"+ch.ID+"/patch", map[string]any{"header": "new header"}, nil); err != nil {
		t.Fatal(err)
	}
	if e := next(t, s, mattermost.EventChannelUpdated); e.Channel.ID != ch.ID || e.Channel.Header != "new header" || e.ChannelID != ch.ID {
		t.Errorf("channel updated: %+v", e.Channel)
	}
	mm.Admin.RemoveMember(t, ch.ID, bot.ID)
	if e := next(t, s, mattermost.EventUserRemoved); !added(e) || e.RemoverID != mm.Admin.ID {
		t.Errorf("removed: %+v", e)
	}
	mm.Admin.AddMember(t, ch.ID, bot.ID)
	next(t, s, mattermost.EventUserAdded)
	mm.Admin.Archive(t, ch.ID)
	if e := next(t, s, mattermost.EventChannelDeleted); e.ChannelID != ch.ID || e.DeleteAt == 0 {
		t.Errorf("archived: %+v", e)
	}
	mm.Alice.Direct(t, bot.ID)
	if e := next(t, s, mattermost.EventDirectAdded); !slices.Contains(e.TeammateIDs, bot.ID) || e.CreatorID != mm.Alice.ID || e.ChannelID == "" {
		t.Errorf("direct added: %+v %s", e, e.Data)
	}
	group := mm.Alice.Group(t, bot.ID, mm.Bob.ID)
	if e := next(t, s, mattermost.EventGroupAdded); e.ChannelID != group || !slices.Contains(e.TeammateIDs, bot.ID) {
		t.Errorf("group added: %+v %s", e, e.Data)
	}
	mm.RemoveFromTeam(t, team.ID, bot.ID)
	if e := next(t, s, mattermost.EventLeaveTeam); e.TeamID != team.ID || e.UserID != bot.ID {
		t.Errorf("left team: %+v", e)
	}
}

// texts reads posted events until the last text came.
func texts(t *testing.T, s *mattermost.Stream, last string) (got []string) {
	t.Helper()
	for {
		e := next(t, s, mattermost.EventPosted)
		got = append(got, e.Post.Message)
		if e.Post.Message == last {
			return got
		}
	}
}

// away makes posts while nobody listens.
func away(t *testing.T, mm *mmtest.Server, prefix string, n int) (want []string) {
	t.Helper()
	for i := range n {
		want = append(want, fmt.Sprint(prefix, i))
		mm.Alice.Post(t, mm.Lobby.ID, want[i], "")
	}
	return want
}

// resumed connects with what an ended stream left. The server resumes only what
// it has noticed to be gone, so a reconnect that comes too soon starts anew; the
// events wait all the same.
func resumed(t *testing.T, c *mattermost.Client, r mattermost.Resume) (s *mattermost.Stream) {
	t.Helper()
	wait.For(t, within, func() bool {
		s = connect(t, c, r)
		if s.Lost() {
			s.Close()
		}
		return !s.Lost()
	}, "the server to notice the lost connection")
	return s
}

func resume(t *testing.T, mm *mmtest.Server) {
	c := as(t, mm, mm.CreateToken(t, mm.Bot))
	s := connect(t, c, mattermost.Resume{})
	mm.Alice.Post(t, mm.Lobby.ID, "before", "")
	texts(t, s, "before")
	s.Close()
	want := away(t, mm, "missed ", 100)
	s = resumed(t, c, s.Resume())
	if got := texts(t, s, want[99]); !slices.Equal(got, want) {
		t.Errorf("resumed %d of %d: %q", len(got), len(want), got)
	}
	// What was read from the wire and not handed out comes again.
	away(t, mm, "unread ", 5)
	e := next(t, s, mattermost.EventPosted)
	wait.For(t, within, func() bool { return s.Queued() >= 4 }, "events to be read ahead")
	s.Close()
	if r := s.Resume(); r.Next != e.Seq+1 {
		t.Errorf("resume at %d after event %d", r.Next, e.Seq)
	}
	s = resumed(t, c, s.Resume())
	if got := texts(t, s, "unread 4"); len(got) != 4 || got[0] != "unread 1" {
		t.Errorf("again: %q", got)
	}
	// A quiet time: only the ping confirms.
	s.Close()
	s = resumed(t, c, s.Resume())
	mm.Alice.Post(t, mm.Lobby.ID, "after the quiet", "")
	texts(t, s, "after the quiet")
	s.Close()
	away(t, mm, "many ", 500)
	s = connect(t, c, s.Resume())
	if !s.Lost() || s.Resume().Next != 1 {
		t.Errorf("after more than the buffer: lost %v, %+v", s.Lost(), s.Resume())
	}
	mm.Alice.Post(t, mm.Lobby.ID, "anew", "")
	texts(t, s, "anew")
}

func badResume(t *testing.T, mm *mmtest.Server) {
	c := as(t, mm, mm.Bot)
	fresh := connect(t, c, mattermost.Resume{})
	for what, r := range map[string]mattermost.Resume{
		"malformed":      {ConnectionID: "no id", Next: 3},
		"unknown":        {ConnectionID: strings.Repeat("u", 26), Next: 3},
		"number unknown": {ConnectionID: fresh.Resume().ConnectionID, Next: 100000},
		"of another":     {ConnectionID: connect(t, as(t, mm, mm.Alice), mattermost.Resume{}).Resume().ConnectionID, Next: 1},
	} {
		s := connect(t, c, r)
		if !s.Lost() || s.Resume().ConnectionID == r.ConnectionID {
			t.Errorf("%s: lost %v, %+v", what, s.Lost(), s.Resume())
		}
		mm.Alice.Post(t, mm.Lobby.ID, what, "")
		texts(t, s, what)
	}
}

// silence has the connections that stay open and say nothing. The server takes
// 5 s to cut them, so they are tried side by side.
func silence(t *testing.T, mm *mmtest.Server) {
	for name, run := range map[string]func(*testing.T, *mmtest.Server){
		"BadToken": badToken, "StaleToken": staleToken, "Zombie": zombie, "ZombieLogin": zombieLogin,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, mm)
		})
	}
}

func badToken(t *testing.T, mm *mmtest.Server) {
	c := client(t, mattermost.Options{Server: mm.URL, Token: secret.NewText(strings.Repeat("b", 26))})
	_, err := c.Connect(soon(t), mattermost.Resume{})
	if !mattermost.IsUnauthorized(err) || mattermost.Temporary(err) {
		t.Errorf("bad token: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Connect(ctx, mattermost.Resume{}); !errors.Is(err, context.DeadlineExceeded) || mattermost.IsUnauthorized(err) {
		t.Errorf("bad token and little time: %v", err)
	}
}

// With a stale token, resuming says so as well.
func staleToken(t *testing.T, mm *mmtest.Server) {
	bot := mm.CreateBot(t, "stalebot")
	c := as(t, mm, bot)
	s := connect(t, c, mattermost.Resume{})
	s.Close()
	mm.RevokeToken(t, bot)
	if _, err := c.Connect(soon(t), s.Resume()); !mattermost.IsUnauthorized(err) {
		t.Errorf("resume with a revoked token: %v", err)
	}
}

func zombie(t *testing.T, mm *mmtest.Server) {
	for what, end := range map[string]func(*mmtest.User){
		"revoked":  func(u *mmtest.User) { mm.RevokeToken(t, u) },
		"disabled": func(u *mmtest.User) { mm.DisableBot(t, u) },
	} {
		bot := mm.CreateBot(t, "zombie-"+what)
		s := connect(t, as(t, mm, bot), mattermost.Resume{})
		end(bot)
		if err := ends(t, s); !mattermost.IsUnauthorized(err) || mattermost.Temporary(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A session made by password is replaced, so its end is no refusal.
func zombieLogin(t *testing.T, mm *mmtest.Server) {
	u := mm.CreateUser(t, "relay-three")
	c := client(t, mattermost.Options{Server: mm.URL, Login: login("relay-three", u.Password), PingEvery: 200 * time.Millisecond})
	s := connect(t, c, mattermost.Resume{})
	mm.RevokeToken(t, u)
	err := ends(t, s)
	if mattermost.IsUnauthorized(err) || !mattermost.Temporary(err) {
		t.Errorf("ended session: %v", err)
	}
	s = connect(t, c, s.Resume())
	dm := mm.Alice.Direct(t, u.ID)
	mm.Alice.Post(t, dm, "back again", "")
	texts(t, s, "back again")
	s.Close()
	// While away: the connection is accepted and silent, and then replaced.
	mm.RevokeToken(t, u)
	s = connect(t, c, s.Resume())
	mm.Alice.Post(t, dm, "and again", "")
	texts(t, s, "and again")
}

func restart(t *testing.T, mm *mmtest.Server) {
	c := as(t, mm, mm.Bot)
	s := connect(t, c, mattermost.Resume{})
	mm.Alice.Post(t, mm.Lobby.ID, "before the restart", "")
	texts(t, s, "before the restart")
	if err := mm.StopServer(); err != nil {
		t.Fatal(err)
	}
	if err := ends(t, s); !errors.Is(err, mattermost.ErrCut) || !mattermost.Temporary(err) {
		t.Errorf("server stopped: %v", err)
	}
	_, err := c.Connect(soon(t), s.Resume())
	if !mattermost.Temporary(err) || mattermost.IsUnauthorized(err) {
		t.Errorf("connect to nobody: %v", err)
	}
	_, err = c.CreatePost(soon(t), mattermost.NewPost{ChannelID: mm.Lobby.ID, Message: "x"})
	if !mattermost.Temporary(err) || mattermost.Uncertain(err) {
		t.Errorf("post to nobody: %v", err)
	}
	if err := mm.StartServer(); err != nil {
		t.Fatal(err)
	}
	if s = connect(t, c, s.Resume()); !s.Lost() {
		t.Error("a restart lost nothing")
	}
	mm.Alice.Post(t, mm.Lobby.ID, "after the restart", "")
	texts(t, s, "after the restart")
}

func rateLimit(t *testing.T, mm *mmtest.Server) {
	mm.PatchConfig(t, map[string]any{"RateLimitSettings": map[string]any{"Enable": true, "PerSec": 10, "MaxBurst": 5, "VaryByRemoteAddr": true}})
	if err := mm.Restart(); err != nil {
		t.Fatal(err)
	}
	ctx, c := soon(t), as(t, mm, mm.Bot)
	done := make(chan error, 40)
	began := time.Now()
	for range cap(done) {
		go func() { _, err := c.Me(ctx); done <- err }()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Errorf("a call under the limit: %v", err)
		}
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("40 calls took %v with 10 a second and a burst of 5: was there a limit?", took)
	}
	// Somebody else on this machine uses the bucket up; who has no time is told.
	short := as(t, mm, mm.Bot)
	wait.For(t, within, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := short.Me(ctx)
		pause, limited := mattermost.Limited(err)
		if limited && (pause <= 0 || !mattermost.Temporary(err) || mattermost.Uncertain(err)) {
			t.Errorf("limited: %v, %v", pause, err)
		}
		if !limited {
			var others sync.WaitGroup // all at once, however slow the machine is
			for range 20 {
				others.Go(func() { _ = mm.Bot.Do(t.Context(), "GET", "/system/ping", nil, nil) })
			}
			others.Wait()
		}
		return limited
	}, "a 429")
}
