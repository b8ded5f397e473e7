package mattermost_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

func TestRoomsComeAndGo(t *testing.T) {
	w := newWorld(t, nil).up()
	alice, admin := w.mm.Alice, w.mm.Admin
	name := "@" + w.bot.Username
	// Archived under us, with an answer on its way.
	room := admin.CreateChannel(t, w.mm.Team.ID, mmtest.Public, short(t, "arch"))
	admin.AddMember(t, room.ID, w.bot.ID, alice.ID)
	root := alice.Post(t, room.ID, name+" one", "")
	w.answered(alice, room.ID, 1, "alice> re: one", root)
	admin.Archive(t, room.ID)
	wait.For(t, within, func() bool { return w.status().Gone > 0 }, "the room to be gone")
	// Removed and added again while connected.
	admin.RemoveMember(t, w.room.ID, w.bot.ID)
	wait.For(t, within, func() bool { return w.status().Gone > 1 }, "the room to be gone")
	longAgo(t, alice, alice.Post(t, w.room.ID, name+" away", ""))
	admin.AddMember(t, w.room.ID, w.bot.ID)
	wait.For(t, within, func() bool { return w.status().Gone == 1 }, "the room to be back")
	back := alice.Post(t, w.room.ID, name+" back", "")
	w.answered(alice, w.room.ID, 1, "alice> re: back", back)
	if got := len(w.talk(th(w.room.ID, back))); got != 2 {
		t.Errorf("%d entries", got)
	}
}

// longAgo waits until a post is certainly older than what comes next.
func longAgo(t *testing.T, by *mmtest.User, post string) {
	t.Helper()
	at := time.UnixMilli(by.GetPost(t, post).CreateAt)
	wait.For(t, within, func() bool { return time.Since(at) > 1100*time.Millisecond }, "a post to be old")
}

// The server's word that we were added is so late that it is not found: what
// was said since is ours all the same, as it was heard.
func TestWordOfReturnIsLate(t *testing.T) {
	w := newWorld(t, nil)
	f := newFaults(t, w.mm.URL)
	w.body = nil
	w.configure(settings{"server": f.URL})
	w.up()
	alice, admin := w.mm.Alice, w.mm.Admin
	name := "@" + w.bot.Username
	admin.RemoveMember(t, w.room.ID, w.bot.ID)
	wait.For(t, within, func() bool { return w.status().Gone > 0 }, "the room to be gone")
	away := alice.Post(t, w.room.ID, name+" away", "")
	longAgo(t, alice, away)
	since := alice.GetPost(t, away).CreateAt
	var hidden atomic.Int32
	plain := func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Accept-Encoding")
		return false
	}
	f.set(plain, func(r *http.Response) bool {
		if r.Request.URL.Path == "/api/v4/channels/"+w.room.ID+"/posts" {
			hidden.Add(hideJoining(t, r, since))
		}
		return false
	})
	admin.AddMember(t, w.room.ID, w.bot.ID)
	wait.For(t, within, func() bool { return w.status().Gone == 0 }, "the room to be back")
	back := alice.Post(t, w.room.ID, name+" back", "")
	w.answered(alice, w.room.ID, 1, "alice> re: back", back)
	if hidden.Load() == 0 {
		t.Error("the word was never asked for")
	}
	// Also when everything is read again.
	f.set(nil, nil)
	w.stop()
	w.up()
	last := alice.Post(t, w.room.ID, name+" last", "")
	w.answered(alice, w.room.ID, 2, "alice> re: last", last)
}

// hideJoining takes the words about who was added since a time out of a list of
// posts, and says how many.
func hideJoining(t *testing.T, r *http.Response, since int64) (hidden int32) {
	var list map[string]any
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		t.Error(err)
		return 0
	}
	r.Body.Close()
	posts, _ := list["posts"].(map[string]any)
	order, _ := list["order"].([]any)
	list["order"] = slices.DeleteFunc(order, func(id any) bool {
		p, _ := posts[id.(string)].(map[string]any)
		at, _ := p["create_at"].(float64)
		hide := p["type"] == "system_add_to_channel" && int64(at) > since
		if hide {
			delete(posts, id.(string))
			hidden++
		}
		return hide
	})
	raw, err := json.Marshal(list)
	if err != nil {
		t.Error(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	r.Header.Del("Content-Length")
	return hidden
}
