package mattermost_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// faults is a proxy in front of Mattermost that does what the real one cannot
// be asked to do.
type faults struct {
	*httptest.Server
	mu sync.Mutex
	// before may answer a request in place of the server; after may spoil the
	// server's answer. Both report whether they did.
	before func(w http.ResponseWriter, r *http.Request) bool
	after  func(r *http.Response) bool
	seen   []string
}

func newFaults(t *testing.T, target string) *faults {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &faults{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorLog = nil
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	proxy.ModifyResponse = func(r *http.Response) error {
		f.mu.Lock()
		after := f.after
		f.mu.Unlock()
		if after != nil && after(r) {
			return fmt.Errorf("answer lost on purpose")
		}
		return nil
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.seen = append(f.seen, r.Method+" "+r.URL.Path)
		before := f.before
		f.mu.Unlock()
		if before == nil || !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *faults) set(before func(http.ResponseWriter, *http.Request) bool, after func(*http.Response) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *faults) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, s := range f.seen {
		if s == call {
			n++
		}
	}
	return n
}

const createPost = "POST /api/v4/posts"

func isCreate(r *http.Request) bool { return r.Method+" "+r.URL.Path == createPost }

func TestAnswerIsPostedOnce(t *testing.T) {
	w := newWorld(t, nil)
	f := newFaults(t, w.mm.URL)
	w.body = nil
	w.configure(settings{"server": f.URL})
	w.up()
	alice := w.mm.Alice
	dm := alice.Direct(t, w.bot.ID)
	n := 0
	ask := func(what string) {
		t.Helper()
		n++
		alice.Post(t, dm, what, "")
		w.answered(alice, dm, n, "re: "+what, "")
	}
	var lost, refused atomic.Int32
	// The post is made and the answer is lost.
	f.set(nil, func(r *http.Response) bool { return isCreate(r.Request) && lost.Add(1) == 1 })
	ask("answer lost")
	if lost.Load() < 1 {
		t.Error("no answer was lost")
	}
	// A proxy in between says that it got no answer.
	f.set(nil, func(r *http.Response) bool {
		if !isCreate(r.Request) || refused.Add(1) != 1 {
			return false
		}
		r.StatusCode = http.StatusGatewayTimeout
		r.Body = http.NoBody
		r.Header.Del("Content-Length")
		return false
	})
	ask("gateway timeout")
	// Too many requests, in plain text.
	var limited atomic.Int32
	f.set(func(rw http.ResponseWriter, r *http.Request) bool {
		if !isCreate(r) || limited.Add(1) > 2 {
			return false
		}
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, "limit exceeded", http.StatusTooManyRequests)
		return true
	}, nil)
	ask("limited")
	// A server error, and the refusal of a repeat that is under way.
	var broken atomic.Int32
	f.set(func(rw http.ResponseWriter, r *http.Request) bool {
		if !isCreate(r) {
			return false
		}
		switch broken.Add(1) {
		case 1:
			rw.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(rw, `{"id":"app.busy","status_code":503}`)
		case 2:
			rw.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(rw, `{"id":"api.post.deduplicate_create_post.pending","status_code":500}`)
		default:
			return false
		}
		return true
	}, nil)
	ask("broken")
	f.set(nil, nil)
	w.answers(alice, dm, n)
}

func TestAnswerThatFails(t *testing.T) {
	w := newWorld(t, nil)
	f := newFaults(t, w.mm.URL)
	w.body = nil
	w.configure(settings{"server": f.URL})
	w.up()
	alice := w.mm.Alice
	dm := alice.Direct(t, w.bot.ID)
	f.set(func(rw http.ResponseWriter, r *http.Request) bool {
		if isCreate(r) {
			rw.WriteHeader(http.StatusForbidden)
			fmt.Fprint(rw, `{"id":"api.context.permissions.app_error","status_code":403}`)
			return true
		}
		return false
	}, nil)
	question := alice.Post(t, dm, "will fail", "")
	wait.For(t, within, func() bool {
		r := alice.Reactions(t, question)
		return len(r) == 1 && r[0].EmojiName == "warning"
	}, "the mark on the question")
	f.set(nil, nil)
	alice.Post(t, dm, "goes on", "")
	w.answered(alice, dm, 1, "re: goes on", "")
}

// outgoing is an entry on its way to a place.
func (w *world) outgoing(place, text string) channel.Outgoing {
	return channel.Outgoing{
		Leg:   chat.Leg{Channel: w.id, Place: place},
		Entry: chat.Entry{Draft: chat.Draft{Purpose: chat.Message, Content: chat.TextContent(text)}, CreatedAt: time.Now()},
	}
}

func (w *world) part(o channel.Outgoing, id string) chat.Part {
	w.t.Helper()
	parts, err := w.driver.Render(w.t.Context(), o)
	if err != nil || len(parts) != 1 {
		w.t.Fatalf("render: %d parts, %v", len(parts), err)
	}
	return chat.Part{Number: 1, ID: id, Body: parts[0]}
}

func TestFindAndRefusals(t *testing.T) {
	w := newWorld(t, nil).up()
	alice := w.mm.Alice
	ctx := t.Context()
	key := strings.Repeat("p1", 13)
	o := w.outgoing("alerts:"+w.room.ID, "found again")
	p := w.part(o, key)
	if id, found, err := w.driver.Find(ctx, o, p); id != "" || found || err != nil {
		t.Errorf("before: %q %v %v", id, found, err)
	}
	sent, err := w.driver.Send(ctx, o, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 210 { // more than a page
		alice.Post(t, w.room.ID, fmt.Sprint("noise ", i), "")
	}
	if id, found, err := w.driver.Find(ctx, o, p); id != sent || !found || err != nil {
		t.Errorf("after: %q %v %v, want %q", id, found, err, sent)
	}
	// Its thread deleted: nobody to answer, and no failure.
	root := alice.Post(t, w.room.ID, "short-lived", "")
	alice.Delete(t, root)
	o = w.outgoing(th(w.room.ID, root), "too late")
	if id, err := w.driver.Send(ctx, o, w.part(o, strings.Repeat("p2", 13))); id != "" || err != nil {
		t.Errorf("to a deleted question: %q %v", id, err)
	}
	// A reply is no root, an archived room takes nothing: for good.
	reply := alice.Post(t, w.room.ID, "reply", alice.Post(t, w.room.ID, "root", ""))
	archived := w.mm.Admin.CreateChannel(t, w.mm.Team.ID, mmtest.Public, short(t, "old"))
	w.mm.Admin.AddMember(t, archived.ID, w.bot.ID)
	w.mm.Admin.Archive(t, archived.ID)
	foreign := w.mm.Admin.CreateChannel(t, w.mm.Team.ID, mmtest.Private, short(t, "foreign"))
	for what, place := range map[string]string{"reply": th(w.room.ID, reply), "archived": "alerts:" + archived.ID, "foreign": "alerts:" + foreign.ID} {
		o := w.outgoing(place, what)
		_, err := w.driver.Send(ctx, o, w.part(o, strings.Repeat("p3", 13)))
		var failed *channel.SendError
		if !errors.As(err, &failed) || failed.Outcome != channel.SendPermanent || failed.Endpoint {
			t.Errorf("%s: %v", what, err)
		}
	}
	// An edit of a post that is gone is fine.
	o = w.outgoing("alerts:"+w.room.ID, "edited")
	o.Entry.Purpose, o.Targets = chat.Edit, []chat.Reference{{External: root, Part: 1}}
	if id, err := w.driver.Send(ctx, o, w.part(o, strings.Repeat("p4", 13))); id != "" || err != nil {
		t.Errorf("edit of a deleted post: %q %v", id, err)
	}
	if post := alice.GetPost(t, sent); post.Message != "found again" {
		t.Errorf("another was edited: %+v", post)
	}
	// A revoked token is the endpoint's trouble.
	w.mm.RevokeToken(t, w.bot)
	o = w.outgoing("alerts:"+w.room.ID, "refused")
	_, err = w.driver.Send(ctx, o, w.part(o, strings.Repeat("p5", 13)))
	var failed *channel.SendError
	if !errors.As(err, &failed) || failed.Outcome != channel.SendTemporary || !failed.Endpoint {
		t.Errorf("revoked: %v", err)
	}
}

// A message of several posts is edited to fewer, and again to more.
func TestAnswerIsEdited(t *testing.T) {
	w := newWorld(t, nil).up()
	ctx := t.Context()
	ids := 0
	send := func(o channel.Outgoing) (made []chat.Reference) {
		t.Helper()
		bodies, err := w.driver.Render(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, body := range bodies {
			ids++
			sent, err := w.driver.Send(ctx, o, chat.Part{Number: i + 1, ID: fmt.Sprintf("%026d", ids), Body: body})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, chat.Reference{External: sent, Seq: o.Entry.Seq, Part: i + 1})
		}
		return made
	}
	long := func(word string) string { return strings.Repeat(word+" ", 10_000/len(word)) }
	says := func(want ...string) {
		t.Helper()
		var got []string
		for _, p := range w.answers(w.mm.Alice, w.room.ID, len(want)) {
			got = append(got, p.Message[:4])
			if p.Props["parley"] == nil {
				t.Errorf("a post is not known as ours: %+v", p.Props)
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("posts %q, want %q", got, want)
		}
	}
	o := w.outgoing("alerts:"+w.room.ID, long("aaaa")+"\n\n"+long("bbbb"))
	o.Entry.Seq = 1
	refs := send(o)
	says("aaaa", "bbbb")
	for i, step := range []struct{ text, want string }{
		{long("cccc"), "cccc"},
		{long("dddd") + "\n\n" + long("eeee"), "dddd eeee"},
		{long("ffff") + "\n\n" + long("gggg") + "\n\n" + long("hhhh"), "ffff gggg hhhh"},
		{long("iiii") + "\n\n" + long("jjjj"), "iiii jjjj"},
	} {
		o := w.outgoing("alerts:"+w.room.ID, step.text)
		o.Entry.Seq, o.Entry.Purpose, o.Targets = int64(i+2), chat.Edit, slices.Clone(refs)
		refs = append(refs, send(o)...)
		says(strings.Fields(step.want)...)
	}
}

func TestTypingIsShown(t *testing.T) {
	w := newWorld(t, nil)
	f := newFaults(t, w.mm.URL)
	w.body = nil
	w.configure(settings{"server": f.URL})
	release := make(chan struct{})
	w.talker.hold = holdUntil(release)
	w.up()
	w.mm.Alice.Post(t, w.room.ID, "@"+w.bot.Username+" think", "")
	const call = "POST /api/v4/users/me/typing"
	wait.For(t, within, func() bool { return f.count(call) > 0 }, "typing")
	close(release)
	w.answers(w.mm.Alice, w.room.ID, 1)
}

func TestAlertsRoom(t *testing.T) {
	w := newWorld(t, nil)
	w.body = nil
	w.configure(settings{"alerts": w.mm.Team.Name + "/" + w.room.Name})
	w.up()
	for range 3 {
		if err := w.driver.Say(t.Context(), "one", "the disk is nearly full, @all"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.driver.Say(t.Context(), "two", "all is well"); err != nil {
		t.Fatal(err)
	}
	posts := w.answers(w.mm.Alice, w.room.ID, 2)
	if posts[0].RootID != "" {
		t.Errorf("%+v", posts)
	}
	w.configure(settings{"alerts": "no-such-room"})
	w.stop()
	w.up()
	if err := w.driver.Say(t.Context(), "three", "x"); err == nil || !strings.Contains(err.Error(), "no-such-room") {
		t.Errorf("unknown room: %v", err)
	}
}

func TestLoopBreaker(t *testing.T) {
	w := newWorld(t, settings{"loop_limit": 5, "answer": "always"}).up()
	alice := w.mm.Alice
	// A program run from a person's account that repeats what we say.
	heard := map[string]bool{}
	root := alice.Post(t, w.room.ID, "start", "")
	wait.For(t, within, func() bool {
		posts := alice.Posts(t, w.room.ID)
		for _, p := range posts {
			if p.UserID == w.bot.ID && strings.Contains(p.Message, "I stop answering") {
				return true
			}
		}
		for _, p := range posts {
			if p.UserID == w.bot.ID && !heard[p.ID] {
				heard[p.ID] = true
				alice.Post(t, w.room.ID, "You said: "+p.Message, root)
			}
		}
		return false
	}, "the loop to be stopped")
	if len(heard) > 12 {
		t.Errorf("%d rounds", len(heard))
	}
	if s := w.status(); s.Loops != 1 {
		t.Errorf("%+v", s)
	}
	// Others are still answered.
	other := w.mm.Bob.Post(t, w.room.ID, "hello", "")
	alice.WaitPosts(t, w.room.ID, within, func(posts []mmtest.Post) bool {
		for _, p := range posts {
			if p.RootID == other && p.Message == "bob> re: hello" {
				return true
			}
		}
		return false
	}, "an answer for bob")
}
