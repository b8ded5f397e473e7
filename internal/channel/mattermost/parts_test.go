package mattermost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

func post(id string, at int64) mm.Post { return mm.Post{ID: id, CreateAt: at} }

func TestCursor(t *testing.T) {
	var c cursor
	var tr trail
	for i := range int64(60) {
		c, tr = c.move(tr, post(fmt.Sprint("p", i), 1000+i*1000))
	}
	if c.ID != "p59" || c.At != 60000 || c.From != "p49" || len(tr) > 12 {
		t.Errorf("%+v, trail of %d", c, len(tr))
	}
	// An older post does not move it back, a burst does not make the trail grow.
	for i := range 10000 {
		c, tr = c.move(tr, post(fmt.Sprint("b", i), 60000))
	}
	if c, _ = c.move(tr, post("old", 5)); c.ID != "b9999" || c.From != "p49" || len(tr) > 12 {
		t.Errorf("%+v, trail of %d", c, len(tr))
	}
	c.Out = true
	c = c.late("x")
	if again, err := parseCursor(c.String()); err != nil || again != c {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := parseCursor("{"); err == nil {
		t.Error("half a cursor was read")
	}
}

func TestSendError(t *testing.T) {
	for _, test := range []struct {
		err      error
		outcome  channel.SendOutcome
		endpoint bool
	}{
		{&mm.Error{Status: 400, ID: "x"}, channel.SendPermanent, false},
		{&mm.Error{Status: 403, ID: mm.IDPermissions}, channel.SendPermanent, false},
		{&mm.Error{Status: 401, ID: mm.IDSessionExpired}, channel.SendTemporary, true},
		{&mm.Error{Status: 429, RetryAfter: time.Second}, channel.SendLimited, true},
		{&mm.Error{Status: 500, ID: mm.IDDuplicate}, channel.SendUncertain, false},
		{&mm.Error{Status: 500, ID: idNotSaved}, channel.SendUncertain, false},
		{&mm.Error{Status: 503, ID: "x"}, channel.SendTemporary, true},
		{&mm.Error{}, channel.SendTemporary, true},
		{context.DeadlineExceeded, channel.SendTemporary, true},
		{fault.New(fault.Unavailable, "closed"), channel.SendTemporary, true},
		{fault.Field("channel id", "bad"), channel.SendPermanent, false},
		{errors.New("odd"), channel.SendTemporary, true},
	} {
		got := sendError(test.err)
		if got.Outcome != test.outcome || got.Endpoint != test.endpoint {
			t.Errorf("%v: %s endpoint %v", test.err, got.Outcome, got.Endpoint)
		}
	}
}

func TestEditParts(t *testing.T) {
	at := place{kind: directPlace, room: "r"}
	targets := []chat.Reference{{External: "two", Part: 2}, {External: "one@123", Part: 1}, {Part: 3}}
	ops := func(text string) string {
		var all []string
		for _, p := range editParts(at, chat.TextContent(text), 1000, inOrder(targets)) {
			all = append(all, strings.TrimSpace(p.Op+" "+p.Post))
		}
		return strings.Join(all, ", ")
	}
	long := strings.Repeat("word ", 250) // two parts
	for text, want := range map[string]string{
		"short": "edit one, delete two", long: "edit one, edit two", long + long: "edit one, edit two, post",
	} {
		if got := ops(text); got != want {
			t.Errorf("%d bytes: %s, want %s", len(text), got, want)
		}
	}
	// An earlier edit of entry 1 was entry 5 and added a post.
	targets = []chat.Reference{{External: "added", Seq: 5, Part: 3}, {External: "two", Seq: 1, Part: 2}, {External: "one", Seq: 1, Part: 1}}
	if got, want := ops(long), "edit one, edit two, delete added"; got != want {
		t.Errorf("edited twice: %s, want %s", got, want)
	}
	if got := editParts(at, chat.TextContent("x"), 1000, nil); got != nil {
		t.Errorf("an edit of what never arrived: %v", got)
	}
}

func TestLoopsLeaveFastPeopleAlone(t *testing.T) {
	l := newLoops()
	say := func(i int, at int64, text string) (bool, bool) {
		return l.judge(10, postSaid(mm.Post{ID: fmt.Sprint("p", i), ChannelID: "c", UserID: "u", CreateAt: at}, verdict{text: text}))
	}
	for i := range 500 {
		if _, silent := say(i, int64(i)*10, fmt.Sprint("post ", i)); silent {
			t.Fatalf("post %d is not answered", i)
		}
	}
	// Slow repetition is a person.
	for i := 500; i < 540; i++ {
		if _, silent := say(i, 1_000_000+int64(i)*10_000, "next"); silent {
			t.Fatalf("post %d is not answered", i)
		}
	}
	// Fast repetition is not; it is said once, also when tried again, and ends.
	trips := 0
	for i := 1000; i < 1030; i++ {
		for range 2 {
			if tripped, _ := say(i, 10_000_000+int64(i)*100, "You said: You said: hello"); tripped {
				trips++
			}
		}
	}
	if trips != 2 { // the one post, twice
		t.Errorf("tripped %d times", trips)
	}
	if _, silent := say(2000, 10_103_000+loopPause.Milliseconds(), "hello"); silent {
		t.Error("silent after the pause")
	}
}

func TestMembership(t *testing.T) {
	me := mm.User{ID: "me", Username: "helper"}
	for _, test := range []struct {
		post      mm.Post
		in, about bool
	}{
		{mm.Post{Type: "system_add_to_channel", Props: map[string]any{"addedUserId": "me"}}, true, true},
		{mm.Post{Type: "system_add_to_channel", Props: map[string]any{"addedUserId": "x", "addedUsername": "helper"}}, true, false},
		{mm.Post{Type: "system_add_to_channel", Props: map[string]any{"addedUsername": "helper"}}, true, true},
		{mm.Post{Type: "system_join_channel", UserID: "me"}, true, true},
		{mm.Post{Type: "system_remove_from_channel", Props: map[string]any{"removedUserId": "me"}}, false, true},
		{mm.Post{Type: "system_leave_channel", UserID: "x"}, false, false},
		{mm.Post{Type: "", Props: map[string]any{"addedUserId": "me"}}, false, false},
	} {
		if in, about := membership(test.post, me); about != test.about || about && in != test.in {
			t.Errorf("%+v: in %v about %v", test.post, in, about)
		}
	}
}
