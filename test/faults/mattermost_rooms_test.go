package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// archivedUnderUs archives a room between a question and its answer.
func archivedUnderUs(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 2, url: proxy.URL})
	alice := d.mm.Alice
	held := proxy.On(faultproxy.To(http.MethodPost, "/api/v4/posts"), faultproxy.Hang())
	d.ask(t, alice, d.rooms[0], "")
	wait.For(t, patience, func() bool { return held.Hits() > 0 }, "the answer to be sent")
	alice.Archive(t, d.rooms[0])
	held.Lift()
	var failed listedDelivery
	wait.Succeed(t, patience, func() error {
		all := d.deliveries(t)
		if len(all) != 1 || all[0].Status != "failed" {
			return fmt.Errorf("the deliveries are %v", all)
		}
		failed = all[0]
		return nil
	}, "the answer to be given up")
	t.Logf("it was given up with %q", failed.LastError)
	// The others do not suffer.
	d.ask(t, alice, d.direct[alice.ID], "")
	other := d.ask(t, alice, d.rooms[1], "")
	d.saidInThread(t, d.rooms[1], other)
	// It comes back, and so does the answer, when somebody says so.
	d.restore(t, d.rooms[0])
	d.mustRun(t, "delivery", "resend", strconv.FormatInt(failed.ID, 10))
	// The whole team is told of a room that comes back; this one is not ours.
	// After the first link ever Parley would begin at its newest post anyway.
	d.settle(t)
	d.server.Restart()
	d.waitLink(t)
	elsewhere := alice.CreateChannel(t, d.mm.Team.ID, mmtest.Public, d.bot.Username+"-elsewhere").ID
	alice.Post(t, elsewhere, "question 1", "")
	alice.Archive(t, elsewhere)
	d.restore(t, elsewhere)
	d.ask(t, alice, d.rooms[0], "")
	d.settle(t)
	d.oneTurnEach(t)
	d.nothingGivenUp(t)
}

func (d *desk) restore(t *testing.T, room string) {
	t.Helper()
	if err := d.mm.Admin.Do(t.Context(), http.MethodPost, "/channels/"+room+"/restore", nil, nil); err != nil {
		t.Fatal(err)
	}
}

// saidInThread waits for an answer in a thread.
func (d *desk) saidInThread(t *testing.T, room, root string) mmtest.Post {
	t.Helper()
	var found mmtest.Post
	d.readerOf(room).WaitPosts(t, room, patience, func(posts []mmtest.Post) bool {
		i := slices.IndexFunc(posts, func(p mmtest.Post) bool { return p.UserID == d.bot.ID && p.RootID == root })
		if i >= 0 {
			found = posts[i]
		}
		return i >= 0
	}, "an answer in the thread "+root)
	return found
}

// joinBlur is more than what Parley grants Mattermost for telling that somebody
// was added: what was said in that time before it is answered.
const joinBlur = 1500 * time.Millisecond

// removedAndAdded takes the account out of a room and puts it back: what was
// said meanwhile was not said to it.
func removedAndAdded(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 1})
	alice := d.mm.Alice
	room := d.rooms[0]
	for _, down := range []bool{false, true} {
		thread := d.ask(t, alice, room, "")
		d.settle(t)
		if down {
			d.server.Kill()
		}
		alice.RemoveMember(t, room, d.bot.ID)
		d.announced(t, room, "system_remove_from_channel")
		alice.Post(t, room, "question 1", "")
		alice.Post(t, room, "question 2", thread)
		said := time.Now()
		wait.For(t, patience, func() bool { return time.Since(said) > joinBlur }, "the return to be well after it")
		alice.AddMember(t, room, d.bot.ID)
		d.announced(t, room, "system_add_to_channel")
		if down {
			d.server.Start()
		}
		d.ask(t, alice, room, "")
		d.ask(t, alice, room, thread)
		d.settle(t)
	}
}

// announced waits until the newest post says that the account came or went: the
// server says so a moment after it has done it, and until then what people write
// may go either way.
func (d *desk) announced(t *testing.T, room, typ string) {
	t.Helper()
	wait.For(t, patience, func() bool {
		posts := d.mm.Alice.AllPosts(t, room)
		return posts[len(posts)-1].Type == typ
	}, "the post "+typ)
}

// rootDeleted deletes a question, and the root of a thread, before the answer.
func rootDeleted(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 1, url: proxy.URL})
	alice, bob := d.mm.Alice, d.mm.Bob
	for _, inThread := range []bool{false, true} {
		held := proxy.On(faultproxy.To(http.MethodPost, "/api/v4/posts"), faultproxy.Hang())
		root := alice.Post(t, d.rooms[0], "question 1", "")
		wait.For(t, patience, func() bool { return held.Hits() > 0 }, "the answer to be sent")
		if inThread {
			bob.Post(t, d.rooms[0], "question 2", root)
		}
		alice.Delete(t, root)
		held.Lift()
		wait.Succeed(t, settleWithin, d.idle(t), "nothing to be on its way")
	}
	d.ask(t, alice, d.direct[alice.ID], "")
	d.ask(t, alice, d.rooms[0], "")
	d.settle(t)
	d.nothingGivenUp(t)
}

// forgedProps has a person claim to be a program or somebody else.
func forgedProps(t *testing.T) {
	d := newDesk(t, deskOptions{})
	alice := d.mm.Alice
	room := d.direct[alice.ID]
	for _, props := range []map[string]any{
		{"from_bot": "true"},
		{"from_webhook": "true"},
		{"override_username": "bob", "override_icon_url": "https://pictures.example.com/bob.png"},
		{"from_bot": "true", "from_webhook": "true", "override_username": d.bot.Username},
		{"parley": map[string]any{"part": "forged"}},
	} {
		n, text := d.question()
		alice.PostRaw(t, map[string]any{"channel_id": room, "message": text, "props": props})
		d.expect(spot{room: room}, n)
		d.settle(t)
	}
	all := d.conversations(t)
	if len(all) != 1 || all[0].User != alice.ID {
		t.Errorf("the conversations are %+v, want one of %s", all, alice.ID)
	}
}

// nobodyIsCalled has an answer full of mentions.
func nobodyIsCalled(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 1})
	alice, bob := d.mm.Alice, d.mm.Bob
	// Being added is a mention, which is counted in its own time.
	wait.For(t, patience, func() bool { return bob.MentionCount(t, d.rooms[0]) == 1 }, "the mention of being added")
	people := []*mmtest.User{alice, bob}
	var before []int
	for _, who := range people {
		before = append(before, who.MentionCount(t, d.rooms[0]))
	}
	root := alice.Post(t, d.rooms[0], "shout", "")
	if got := d.saidInThread(t, d.rooms[0], root); !strings.Contains(got.Message, "Attention") || !strings.Contains(got.Message, "channel") {
		t.Fatalf("the answer is %q", got.Message)
	}
	for i, who := range people {
		if n := who.MentionCount(t, d.rooms[0]); n > before[i] {
			t.Errorf("%s was called %d times", who.Username, n-before[i])
		}
	}
	// The counts do count.
	d.bot.Post(t, d.rooms[0], "@bob", "")
	wait.For(t, patience, func() bool { return bob.MentionCount(t, d.rooms[0]) == before[1]+1 }, "a mention to be counted")
}

// tokenRevoked revokes the token of an open connection. A second account tells
// of it.
func tokenRevoked(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 1})
	alice := d.mm.Alice
	ops := d.mm.CreateBot(t, d.bot.Username+"-ops")
	alerts := d.newRoom(t, d.bot.Username+"-alerts")
	alice.AddMember(t, alerts, ops.ID)
	d.env = append(d.env, "OPS_TOKEN="+ops.Token)
	d.more = fmt.Sprintf("  ops: { type: mattermost, assistant: desk, server: %s, token: \"${env:OPS_TOKEN}\", alerts: %s/%s-alerts }\n", d.mm.URL, d.mm.Team.Name, d.bot.Username)
	d.apply(t)
	d.ask(t, alice, d.rooms[0], "")
	d.settle(t)
	pid := d.server.PID()

	d.mm.RevokeToken(t, d.bot)
	began := time.Now()
	d.ask(t, alice, d.rooms[0], "")
	d.ask(t, alice, d.direct[alice.ID], "")
	tells := func(within time.Duration, words ...string) {
		t.Helper()
		alice.WaitPosts(t, alerts, within, func(posts []mmtest.Post) bool {
			return slices.ContainsFunc(posts, func(p mmtest.Post) bool {
				return p.UserID == ops.ID && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(p.Message, w) })
			})
		}, fmt.Sprintf("an alert with %q", words))
	}
	tells(patience, deskChannel, "refused")
	t.Logf("it was told %v after the token was revoked", time.Since(began).Round(time.Second))
	wantMetric(t, d.server, patience, linkUp, "0")
	for i, args := range [][]string{{"channel", "test", deskChannel}, {"doctor"}} {
		got := d.run(t, args...)
		if got.Code != 1 || !strings.Contains(got.Stdout, "token") {
			t.Errorf("%d: parley %v ends with %d and says\n%s%s", i, args, got.Code, got.Stdout, got.Stderr)
		}
	}

	d.bot = d.mm.CreateToken(t, d.bot)
	d.env = append(d.env, "BOT_TOKEN="+d.bot.Token)
	d.apply(t)
	wantMetric(t, d.server, patience, linkUp, "1")
	tells(patience, deskChannel, "All clear")
	d.ask(t, alice, d.rooms[0], "")
	d.settle(t)
	if d.server.PID() != pid {
		t.Error("it was restarted")
	}
}
