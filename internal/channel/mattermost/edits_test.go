package mattermost_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/testkit/wait"
)

// Where a prefix is what counts, a mention that an edit adds is none; except in
// a thread, where everything is said to us.
func TestEditsWithPrefix(t *testing.T) {
	w := newWorld(t, settings{"answer": "prefix !bot"}).up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	root := alice.Post(t, w.room.ID, "!bot first", "")
	w.answered(alice, w.room.ID, 1, "alice> re: first", root)
	edited := func(n int, text string) {
		t.Helper()
		wait.For(t, within, func() bool {
			e := w.talk(th(w.room.ID, root))
			return len(e) == n && e[n-1].Purpose == chat.Edit && e[0].Content.Text == text
		}, "the edit in the log")
	}
	alice.Edit(t, root, "!bot second "+name)
	edited(3, "second "+name)
	alice.Edit(t, root, "no more "+name)
	edited(4, "no more")
	unheard := alice.Post(t, w.room.ID, "to nobody", "")
	alice.Edit(t, unheard, "to nobody "+name)
	follow := alice.Post(t, w.room.ID, "follow", root)
	w.answered(alice, w.room.ID, 2, "alice> re: follow", root)
	alice.Edit(t, follow, name+" follow up")
	w.answered(alice, w.room.ID, 3, "alice> re: follow up", root)
}

// A program that edits its posts into questions is a loop like another one.
func TestLoopOfEdits(t *testing.T) {
	const limit = 3
	w := newWorld(t, settings{"loop_limit": limit}).up()
	alice := w.mm.Alice
	for i := range limit + 3 {
		said := alice.Post(t, w.room.ID, fmt.Sprint("to nobody ", i), "")
		alice.Edit(t, said, "@"+w.bot.Username+" the same again and again")
	}
	last := w.mm.Bob.Post(t, w.room.ID, "@"+w.bot.Username+" hello", "")
	posts := w.answers(alice, w.room.ID, limit+2) // and one line that it stops, and bob's
	told, bob := 0, 0
	for _, p := range posts {
		if strings.Contains(p.Message, "I stop answering") {
			told++
		}
		if p.RootID == last {
			bob++
		}
	}
	if told != 1 || bob != 1 || w.status().Loops != 1 {
		t.Errorf("told %d times, bob %d times, %+v", told, bob, w.status())
	}
}

// An edit that makes a question of a post, and is too old to be answered when it
// is taken, is told of like such a post.
func TestEditedQuestionIsTooOld(t *testing.T) {
	w := newWorld(t, nil)
	w.change = laterBy(2 * time.Hour)
	w.up()
	alice := w.mm.Alice
	name := "@" + w.bot.Username
	said := alice.Post(t, w.room.ID, "to nobody", "")
	alice.Edit(t, said, "to you "+name)
	line := "I was away, and one message here stayed without an answer because it was more than 1 hour old. Please write again if it still matters."
	w.answered(alice, w.room.ID, 1, line, said)
	// It is told once, also when the post is read once more.
	w.stop()
	w.up()
	last := alice.Post(t, w.room.ID, name+" late as well, by this clock", "")
	w.answered(alice, w.room.ID, 2, line, last)
	if e := w.talk(th(w.room.ID, said)); len(e) != 2 {
		t.Errorf("%d entries", len(e))
	}
}
