package mattermost_test

import (
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

func TestThreadsAndPlaces(t *testing.T) {
	w := newWorld(t, nil).up()
	name := "@" + w.bot.Username
	alice := mmtest.User(*w.mm.Alice)

	// A mention in a room is answered in a thread under it.
	root := alice.Post(t, w.room.ID, name+" hello", "")
	w.answered(&alice, w.room.ID, 1, "alice> re: hello", root)
	// In that thread no mention is needed, also for others.
	w.mm.Bob.Post(t, w.room.ID, "and me", root)
	w.answered(&alice, w.room.ID, 2, "bob> re: and me", root)
	// A reply to a reply belongs to the same root.
	if got := w.talk(th(w.room.ID, root)); len(got) != 4 || got[2].Content.Speaker != "bob" || got[0].Content.Text != "hello" {
		t.Errorf("conversation of the thread: %+v", got)
	}
	// Without a mention, in code, or for everybody: not ours.
	for _, text := range []string{"nobody asked", "`" + name + " x`", "```\n" + name + "\n```", "@all hi", "@channel hi", "mail" + name, name + "x hi"} {
		alice.Post(t, w.room.ID, text, "")
	}
	other := alice.Post(t, w.room.ID, "a thread of others", "")
	alice.Post(t, w.room.ID, "still not ours", other)
	// A mention in a thread of others is answered there.
	w.mm.Bob.Post(t, w.room.ID, "what do you say, "+strings.ToUpper(name)+"?", other)
	w.answered(&alice, w.room.ID, 3, "bob> re: what do you say?", other)

	// A direct message is flat, its threads are threads.
	dm := alice.Direct(t, w.bot.ID)
	first := alice.Post(t, dm, "private", "")
	w.answered(&alice, dm, 1, "re: private", "")
	alice.Post(t, dm, "below", first)
	w.answered(&alice, dm, 2, "alice> re: below", first)
	if got := w.talk("dm:" + dm); len(got) != 2 {
		t.Errorf("conversation of the direct message: %+v", got)
	}

	// In a group message everybody has to be asked by name.
	group := alice.Group(t, w.bot.ID, w.mm.Bob.ID)
	alice.Post(t, group, "not you", "")
	asked := alice.Post(t, group, name+": you", "")
	w.answered(&alice, group, 1, "alice> re: you", asked)
}

func TestSettingsOfAnswers(t *testing.T) {
	w := newWorld(t, settings{"answer": "always", "replies": map[string]string{"room": "flat", "direct": "thread", "thread": "flat"}}).up()
	alice := w.mm.Alice
	alice.Post(t, w.room.ID, "flat", "")
	w.answered(alice, w.room.ID, 1, "alice> re: flat", "")
	if len(w.talk("room:"+w.room.ID+":"+alice.ID)) != 2 {
		t.Error("no conversation of the person in the room")
	}
	dm := alice.Direct(t, w.bot.ID)
	root := alice.Post(t, dm, "threaded", "")
	w.answered(alice, dm, 1, "alice> re: threaded", root)

	// New settings are taken while the link goes on.
	before := w.status().Since
	w.configure(settings{"rooms": map[string]any{w.room.Name: map[string]string{"answer": "prefix !bot"}}})
	apply, err := w.driver.Prepare(append(w.extra, w.configured()))
	if err != nil {
		t.Fatal(err)
	}
	apply()
	alice.Post(t, w.room.ID, "!bots are many", "")
	asked := alice.Post(t, w.room.ID, "!bot, by prefix", "")
	w.answered(alice, w.room.ID, 2, "alice> re: by prefix", asked)
	if w.status().Since != before {
		t.Error("the link was made anew")
	}
}

func TestNobodyIsPinged(t *testing.T) {
	w := newWorld(t, nil)
	long := strings.Repeat("a line of code\n", 1500)
	w.talker.says = func(c chat.Content) chat.Content {
		if c.Text == "long" {
			return chat.TextContent("before\n\n```go\n" + long + "```\n\nafter @bob")
		}
		return chat.TextContent("@all @channel @here @bob and <@bob> [x](@bob) ![pic](https://pictures.example.com/x.png)")
	}
	w.up()
	alice := w.mm.Alice
	before := w.mm.Bob.MentionCount(t, w.room.ID)
	root := alice.Post(t, w.room.ID, "@"+w.bot.Username+" shout", "")
	w.answers(alice, w.room.ID, 1)
	alice.Post(t, w.room.ID, "long", root)
	posts := w.answers(alice, w.room.ID, 3)
	for _, p := range posts {
		if p.Props["unsafe_links"] != "true" {
			t.Errorf("props %v", p.Props)
		}
		if strings.Count(p.Message, "```")%2 != 0 {
			t.Errorf("a fence is broken in a part of %d bytes", len(p.Message))
		}
		if strings.Contains(p.Message, "![") {
			t.Errorf("a remote picture: %q", p.Message)
		}
	}
	if after := w.mm.Bob.MentionCount(t, w.room.ID); after != before {
		t.Errorf("bob was mentioned %d times", after-before)
	}
}

func TestForgedAndOwn(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	// A person who claims to be a bot or somebody else is heard under their name.
	root := alice.PostRaw(t, map[string]any{
		"channel_id": w.room.ID, "message": name + " forged",
		"props": map[string]any{"from_bot": "true", "from_webhook": "true", "override_username": "bob", "from_plugin": "true"},
	}).ID
	w.answered(alice, w.room.ID, 1, "alice> re: forged", root)
	// Another bot is not heard, whatever it claims.
	bot := w.mm.CreateBot(t, short(t, "o"))
	w.mm.Admin.AddMember(t, w.room.ID, bot.ID)
	bot.Post(t, w.room.ID, name+" from a bot", "")
	bot.Post(t, w.room.ID, "in the thread", root)
	// Nor an incoming webhook, though its posts are of a person.
	hook := w.mm.CreateIncomingHook(t, w.room.ID)
	postHook(t, hook, name+" from a webhook")
	// A person in our own account is no echo, and is not answered.
	w.bot.Post(t, w.room.ID, "a person speaking", root)
	wait.For(t, within, func() bool { return len(w.talk(th(w.room.ID, root))) == 3 }, "the entry of the own account")
	entry := w.talk(th(w.room.ID, root))[2]
	if entry.Author.Kind != chat.ByAgent || entry.Content.Text != "a person speaking" {
		t.Errorf("own account: %+v", entry)
	}
	// And is not heard where nobody talks with us.
	w.bot.Post(t, w.room.ID, name+" to itself", "")
	last := alice.Post(t, w.room.ID, name+" last", "")
	posts := w.answers(alice, w.room.ID, 4) // two of them by the person in the account
	for _, p := range posts {
		if strings.Contains(p.Message, "bot") && strings.HasPrefix(p.Message, "re: ") {
			t.Errorf("answered: %q", p.Message)
		}
	}
	_ = last
}

func TestEdits(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	root := alice.Post(t, w.room.ID, name+" first", "")
	w.answered(alice, w.room.ID, 1, "alice> re: first", root)
	// An edit of an answered post is recorded.
	alice.Edit(t, root, name+" second")
	wait.For(t, within, func() bool {
		e := w.talk(th(w.room.ID, root))
		return len(e) == 3 && e[2].Purpose == chat.Edit && e[0].Content.Text == "second"
	}, "the edit in the log")
	// One that adds our name is a question of its own.
	said := alice.Post(t, w.room.ID, "to nobody", "")
	alice.React(t, said, "thumbsup")
	alice.Edit(t, said, "to nobody else")
	alice.Edit(t, said, "now to you "+name)
	w.answered(alice, w.room.ID, 2, "alice> re: now to you", said)
	// Once only.
	alice.Edit(t, said, "now to you! "+name)
	wait.For(t, within, func() bool {
		e := w.talk(th(w.room.ID, said))
		return len(e) == 3 && e[2].Purpose == chat.Edit
	}, "the second edit in the log")
	// An answered follow-up that gets a mention is asked again.
	follow := alice.Post(t, w.room.ID, "follow", root)
	w.answered(alice, w.room.ID, 3, "alice> re: follow", root)
	alice.Edit(t, follow, name+" follow up")
	w.answered(alice, w.room.ID, 4, "alice> re: follow up", root)
}

// After a break a room's newest posts are read once more. One that became a
// question by an edit was answered under its new text already.
func TestEditedQuestionIsReadAgain(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	heard := w.metric("parley_mattermost_posts_total")
	said := alice.Post(t, w.room.ID, "to nobody", "")
	wait.For(t, within, func() bool { return w.metric("parley_mattermost_posts_total") > heard }, "the post to be heard")
	alice.Edit(t, said, "now to you "+name)
	w.answered(alice, w.room.ID, 1, "alice> re: now to you", said)
	w.stop()
	w.up()
	last := alice.Post(t, w.room.ID, name+" last", "")
	w.answered(alice, w.room.ID, 2, "alice> re: last", last)
	if e := w.talk(th(w.room.ID, said)); len(e) != 2 {
		t.Errorf("the question was taken %d times over: %+v", len(e)/2, e)
	}
}

func TestDeletions(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	root := alice.Post(t, w.room.ID, "@"+w.bot.Username+" first", "")
	w.answered(alice, w.room.ID, 1, "alice> re: first", root)
	reply := alice.Post(t, w.room.ID, "second", root)
	w.answered(alice, w.room.ID, 2, "alice> re: second", root)
	third := alice.Post(t, w.room.ID, "third", root)
	w.answered(alice, w.room.ID, 3, "alice> re: third", root)
	deleted := func() string {
		var texts []string
		for _, e := range w.talk(th(w.room.ID, root)) {
			if e.Purpose == chat.Message && e.Author.Kind == chat.ByContact && !e.Deleted {
				texts = append(texts, e.Content.Text)
			}
		}
		return strings.Join(texts, " ")
	}
	alice.Delete(t, reply)
	wait.For(t, within, func() bool { return deleted() == "first third" }, "the deletion of a reply")
	alice.Delete(t, root)
	wait.For(t, within, func() bool { return deleted() == "" }, "the deletion of the thread")
	_ = third
}

func TestWaitingPostIsEditedAndDeleted(t *testing.T) {
	w := newWorld(t, nil)
	release := make(chan struct{})
	w.talker.hold = holdUntil(release)
	w.up()
	alice := w.mm.Alice
	dm := alice.Direct(t, w.bot.ID)
	alice.Post(t, dm, "blocks", "")
	wait.For(t, within, func() bool { return len(w.talk("dm:"+dm)) == 1 }, "the first")
	second := alice.Post(t, dm, "second", "")
	third := alice.Post(t, dm, "third", "")
	wait.For(t, within, func() bool { return len(w.talk("dm:"+dm)) == 3 }, "all three")
	alice.Edit(t, second, "better")
	alice.Delete(t, third)
	wait.For(t, within, func() bool {
		e := w.talk("dm:" + dm)
		return len(e) == 5 && e[1].Content.Text == "better" && e[2].Deleted
	}, "edit and deletion")
	close(release)
	w.answers(alice, dm, 2)
	w.answered(alice, dm, 2, "re: better", "")
}
