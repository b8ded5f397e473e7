package mattermost_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/testkit/mmtest"
)

func posts(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	made := must(c.CreatePost(ctx, mattermost.NewPost{ChannelID: mm.Lobby.ID, Message: "hello 😀 <b>&", Props: map[string]any{"nonce": "n1", "n": 2.0}}))(t)
	if made.UserID != mm.Bot.ID || made.Message != "hello 😀 <b>&" || made.Prop("nonce") != "n1" || made.Prop("n") != "" || made.Root() != made.ID {
		t.Errorf("made: %+v", made)
	}
	text := "changed"
	edited := must(c.PatchPost(ctx, made.ID, mattermost.Patch{Message: &text}))(t)
	if edited.EditAt == 0 || edited.Message != text || edited.Prop("nonce") != "n1" {
		t.Errorf("edited: %+v", edited)
	}
	if p := must(c.PatchPost(ctx, made.ID, mattermost.Patch{Props: map[string]any{}}))(t); p.Prop("nonce") != "" || p.Message != text {
		t.Errorf("props taken off: %+v", p)
	}
	for range 2 { // a second time is no error
		if err := c.React(ctx, made.ID, "+1"); err != nil {
			t.Fatal(err)
		}
	}
	if r := mm.Alice.Reactions(t, made.ID); len(r) != 1 || r[0].EmojiName != "+1" || r[0].UserID != mm.Bot.ID {
		t.Errorf("reactions: %+v", r)
	}
	if err := c.Unreact(ctx, made.ID, "+1"); err != nil {
		t.Fatal(err)
	}
	if r := mm.Alice.Reactions(t, made.ID); len(r) != 0 {
		t.Errorf("reactions after taking it back: %+v", r)
	}
	if err := c.React(ctx, made.ID, "../../x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("odd emoji: %v", err)
	}
	if err := c.DeletePost(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	_, err := c.Post(ctx, made.ID)
	if !mattermost.IsNotFound(err) || mattermost.Temporary(err) || mattermost.Uncertain(err) {
		t.Errorf("deleted post: %v", err)
	}
	_, err = c.PatchPost(ctx, made.ID, mattermost.Patch{Message: &text})
	if mattermost.StatusOf(err) != 403 && mattermost.StatusOf(err) != 400 && mattermost.StatusOf(err) != 404 {
		t.Errorf("edit of a deleted post: %v", err)
	}
	if err := c.Typing(ctx, mm.Lobby.ID, ""); err != nil {
		t.Errorf("typing: %v", err)
	}
}

func postErrors(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	foreign := mm.Alice.CreateChannel(t, mm.Team.ID, mmtest.Private, "only-alice")
	archived := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, "archived")
	mm.Admin.AddMember(t, archived.ID, mm.Bot.ID)
	mm.Admin.Archive(t, archived.ID)
	lobby := mm.Lobby.ID
	gone := mm.Alice.Post(t, lobby, "gone", "")
	root := mm.Alice.Post(t, lobby, "root", "")
	reply := mm.Alice.Post(t, lobby, "reply", root)
	elsewhere := mm.Alice.Post(t, mm.Secret.ID, "other channel", "")
	mm.Alice.Delete(t, gone)
	for _, test := range []struct {
		what   string
		post   mattermost.NewPost
		status int
		id     string
		shown  string
		again  bool // temporary
	}{
		{"no member", mattermost.NewPost{ChannelID: foreign.ID, Message: "x"}, 403, mattermost.IDPermissions, "add it to the team", false},
		{"unknown channel", mattermost.NewPost{ChannelID: strings.Repeat("z", 26), Message: "x"}, 403, mattermost.IDPermissions, "", false},
		{"archived", mattermost.NewPost{ChannelID: archived.ID, Message: "x"}, 400, mattermost.IDChannelArchived, "archived", false},
		{"reply to a reply", mattermost.NewPost{ChannelID: lobby, RootID: reply, Message: "x"}, 400, mattermost.IDRootGone, "thread", false},
		{"reply to a deleted root", mattermost.NewPost{ChannelID: lobby, RootID: gone, Message: "x"}, 400, mattermost.IDRootGone, "gone", false},
		{"reply across channels", mattermost.NewPost{ChannelID: lobby, RootID: elsewhere, Message: "x"}, 400, mattermost.IDRootElsewhere, "another channel", false},
		{"too long", mattermost.NewPost{ChannelID: lobby, Message: strings.Repeat("ä", 16384)}, 400, mattermost.IDMessageTooLong, "longer", false},
		{"system type", mattermost.NewPost{ChannelID: lobby, Type: "system_x", Message: "x"}, 400, "api.context.invalid_param.app_error", "", false},
		{"odd type", mattermost.NewPost{ChannelID: lobby, Type: "odd", Message: "x"}, 400, "model.post.is_valid.type.app_error", "", false},
		{"long type", mattermost.NewPost{ChannelID: lobby, Type: "custom_" + strings.Repeat("a", 20), Message: "x"}, 500, "app.post.save.app_error", "", false},
		{"eleven files", mattermost.NewPost{ChannelID: lobby, Message: "x", FileIDs: manyIDs(11)}, 400, "model.post.is_valid.file_ids.app_error", "10 files", false},
		{"large body", mattermost.NewPost{ChannelID: lobby, Message: strings.Repeat("x", 301000)}, 413, "api.context.request_body_too_large.app_error", "300 kB", false},
	} {
		_, err := c.CreatePost(ctx, test.post)
		refused(t, test.what, err, test.status, test.id, test.shown)
		if mattermost.Temporary(err) != test.again || mattermost.Uncertain(err) || mattermost.IsUnauthorized(err) {
			t.Errorf("%s: temporary %v, uncertain %v", test.what, mattermost.Temporary(err), mattermost.Uncertain(err))
		}
	}
	if p, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: lobby, Message: strings.Repeat("😀", 16383)}); err != nil || len(p.Message) != 4*16383 {
		t.Errorf("the longest text: %v", err)
	}
	text := "not mine"
	_, err := c.PatchPost(ctx, root, mattermost.Patch{Message: &text})
	refused(t, "edit of another's post", err, 403, mattermost.IDPermissions, "")
	_, err = c.PostsAfter(ctx, foreign.ID, root, 0)
	refused(t, "reading a foreign channel", err, 403, mattermost.IDPermissions, "")
}

func manyIDs(n int) (ids []string) {
	for i := range n {
		ids = append(ids, strings.Repeat("f", 25)+string(rune('a'+i)))
	}
	return ids
}

func idempotency(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	channel := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, "idempotency")
	mm.Admin.AddMember(t, channel.ID, mm.Bot.ID)
	post := mattermost.NewPost{ChannelID: channel.ID, Message: "once", PendingPostID: mm.Bot.ID + ":k1"}
	first := must(c.CreatePost(ctx, post))(t)
	post.Message = "once, again"
	second := must(c.CreatePost(ctx, post))(t)
	if first.ID != second.ID || second.Message != "once" {
		t.Errorf("a repeat made %+v after %+v", second, first)
	}
	// All at once: each either gets the one post or is told to come again.
	post.PendingPostID = mm.Bot.ID + ":k2"
	type result struct {
		post mattermost.Post
		err  error
	}
	results := make(chan result, 8)
	for range cap(results) {
		go func() {
			p, err := c.CreatePost(ctx, post)
			results <- result{p, err}
		}()
	}
	ids := map[string]bool{}
	for range cap(results) {
		switch r := <-results; {
		case r.err == nil:
			ids[r.post.ID] = true
		case mattermost.IDOf(r.err) != mattermost.IDDuplicate || !mattermost.Temporary(r.err) || mattermost.Uncertain(r.err):
			t.Errorf("a repeat at the same time: %v", r.err)
		}
	}
	if again := must(c.CreatePost(ctx, post))(t); len(ids) != 1 || !ids[again.ID] {
		t.Errorf("posts with one key: %v and %s", ids, again.ID)
	}
	if n := len(mm.Bot.Posts(t, channel.ID)); n != 2 {
		t.Errorf("the channel has %d posts, want 2", n)
	}
}

func paging(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	channel := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, "paging")
	mm.Admin.AddMember(t, channel.ID, mm.Bot.ID, mm.Alice.ID)
	anchor := mm.Alice.Post(t, channel.ID, "anchor", "")
	oldRoot := mm.Alice.Post(t, channel.ID, "root", "")
	var want []string
	for i := range 450 {
		root := ""
		if i%50 == 49 {
			root = oldRoot // its root comes along outside of the order
		}
		want = append(want, mm.Alice.Post(t, channel.ID, fmt.Sprint(i), root))
	}
	mm.Alice.Delete(t, anchor) // a deleted anchor still works
	var got []string
	pages := 0
	for after, more := anchor, true; more; pages++ {
		page := must(c.PostsAfter(ctx, channel.ID, after, 1000))(t)
		for _, p := range page.Posts {
			if p.ID != oldRoot {
				got = append(got, p.ID)
			}
		}
		after, more = page.Anchor, page.More
	}
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("after: %d posts in %d pages, want %d in order in 3", len(got), pages, len(want))
	}
	if page := must(c.PostsAfter(ctx, channel.ID, want[449], 0))(t); len(page.Posts) != 0 || page.More || page.Anchor != "" {
		t.Errorf("after the last: %+v", page)
	}
	if page := must(c.PostsAfter(ctx, channel.ID, strings.Repeat("q", 26), 0))(t); len(page.Posts) != 0 || page.More {
		t.Errorf("after an unknown post: %+v", page)
	}
	if newest := must(c.NewestPost(ctx, channel.ID))(t); newest.ID != want[449] {
		t.Errorf("the newest post: %+v", newest)
	}
	back := must(c.PostsBefore(ctx, channel.ID, want[449], 4))(t)
	if len(back.Posts) != 3 || back.Posts[0].ID != want[446] || back.Posts[2].ID != want[448] || back.Anchor != want[446] || !back.More {
		t.Errorf("the three before: %+v", back)
	}
	for _, id := range []string{"", "../../users/me", strings.Repeat("A", 26)} {
		if _, err := c.PostsAfter(ctx, id, anchor, 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("channel id %q: %v", id, err)
		}
	}
}

// oneMillisecond has many posts of the same time: no page may end among them,
// because the next one goes by the time.
func oneMillisecond(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	channel := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, "one-millisecond")
	mm.Admin.AddMember(t, channel.ID, mm.Bot.ID)
	post := func(at int64) string {
		var made mmtest.Post
		body := map[string]any{"channel_id": channel.ID, "message": "a", "create_at": at} // which admins may say
		if err := mm.Admin.Do(ctx, http.MethodPost, "/posts", body, &made); err != nil || made.CreateAt != at {
			t.Fatalf("post at %d: %+v, %v", at, made, err)
		}
		return made.ID
	}
	begin := time.Now().Add(time.Second).UnixMilli()
	first := post(begin)
	var want []string
	for _, ms := range []int64{1, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5} {
		want = append(want, post(begin+ms))
	}
	last := post(begin + 6)
	read := func(size int, anchor string, next func(context.Context, string, string, int) (mattermost.PostPage, error)) (all []string) {
		for more := true; more; {
			page := must(next(ctx, channel.ID, anchor, size))(t)
			for _, p := range page.Posts {
				if p.CreateAt > begin && p.CreateAt < begin+6 {
					all = append(all, p.ID)
				}
			}
			if anchor, more = page.Anchor, page.More; len(all) > len(want) {
				break
			}
		}
		return slices.Sorted(slices.Values(all))
	}
	slices.Sort(want)
	for size := 1; size < 20; size++ {
		if got := read(size, first, c.PostsAfter); !slices.Equal(got, want) {
			t.Errorf("forwards by %d: %d posts, want each of %d once", size, len(got), len(want))
		}
		if got := read(size, last, c.PostsBefore); !slices.Equal(got, want) {
			t.Errorf("backwards by %d: %d posts, want each of %d once", size, len(got), len(want))
		}
	}
}

func since(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	channel := mm.Admin.CreateChannel(t, mm.Team.ID, mmtest.Public, "since")
	mm.Admin.AddMember(t, channel.ID, mm.Bot.ID, mm.Alice.ID)
	edited := mm.Alice.Post(t, channel.ID, "to edit", "")
	deleted := mm.Alice.Post(t, channel.ID, "to delete", "")
	mark := mm.Alice.GetPost(t, mm.Alice.Post(t, channel.ID, "mark", ""))
	mm.Alice.Edit(t, edited, "edited")
	mm.Alice.Delete(t, deleted)
	fresh := mm.Alice.Post(t, channel.ID, "new", "")
	changes := must(c.PostsSince(ctx, channel.ID, mattermost.Time(mark.UpdateAt)))(t)
	if changes.Capped || len(changes.Posts) != 3 {
		t.Fatalf("changes: %+v", changes)
	}
	e, d, f := changes.Posts[0], changes.Posts[1], changes.Posts[2]
	if e.ID != edited || e.EditAt == 0 || e.Message != "edited" || e.DeleteAt != 0 {
		t.Errorf("the edited one: %+v", e)
	}
	if d.ID != deleted || d.DeleteAt == 0 || d.Message != "" {
		t.Errorf("the deleted one: %+v", d)
	}
	if f.ID != fresh || f.EditAt != 0 {
		t.Errorf("the new one: %+v", f)
	}
	if none := must(c.PostsSince(ctx, channel.ID, mattermost.Time(f.UpdateAt)))(t); len(none.Posts) != 0 {
		t.Errorf("since the last change: %+v", none)
	}
	var posting errgroup.Group
	posting.SetLimit(8)
	for i := range 1001 {
		posting.Go(func() error {
			return mm.Alice.Do(ctx, http.MethodPost, "/posts", map[string]string{"channel_id": channel.ID, "message": fmt.Sprint(i)}, nil)
		})
	}
	if err := posting.Wait(); err != nil {
		t.Fatal(err)
	}
	if changes := must(c.PostsSince(ctx, channel.ID, mattermost.Time(mark.UpdateAt)))(t); !changes.Capped {
		t.Errorf("%d changes are not told to be capped", len(changes.Posts))
	}
}

func threads(t *testing.T, mm *mmtest.Server) {
	ctx, c := soon(t), as(t, mm, mm.Bot)
	root := mm.Alice.Post(t, mm.Lobby.ID, "root", "")
	want := []string{root}
	for i := range 230 {
		want = append(want, mm.Bob.Post(t, mm.Lobby.ID, fmt.Sprint(i), root))
	}
	var got []string
	for _, p := range must(c.Thread(ctx, root))(t) {
		got = append(got, p.ID)
		if p.Root() != root {
			t.Errorf("root of %s is %s", p.ID, p.Root())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("thread has %d posts, want %d in order", len(got), len(want))
	}
	reply := must(c.CreatePost(ctx, mattermost.NewPost{ChannelID: mm.Lobby.ID, RootID: root, Message: "answer"}))(t)
	if reply.RootID != root {
		t.Errorf("reply: %+v", reply)
	}
	mm.Alice.Delete(t, root)
	if _, err := c.Post(ctx, reply.ID); !mattermost.IsNotFound(err) {
		t.Errorf("reply of a deleted root: %v", err)
	}
}
