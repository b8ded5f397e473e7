package mmtest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley/internal/testkit/wait"
)

// pageSize is the most that one answer lists (seen with server 11.4).
const pageSize = 200

// Post is a post as the API gives it. Times are Unix milliseconds, 0 for never.
type Post struct {
	ID            string         `json:"id"`
	CreateAt      int64          `json:"create_at"`
	UpdateAt      int64          `json:"update_at"`
	EditAt        int64          `json:"edit_at"`
	DeleteAt      int64          `json:"delete_at"`
	UserID        string         `json:"user_id"`
	ChannelID     string         `json:"channel_id"`
	RootID        string         `json:"root_id"`
	Message       string         `json:"message"`
	Type          string         `json:"type"`
	Props         map[string]any `json:"props"`
	FileIDs       []string       `json:"file_ids"`
	PendingPostID string         `json:"pending_post_id"`
}

// System reports whether the server wrote the post about an event, such as
// "alice joined the channel".
func (p Post) System() bool { return strings.HasPrefix(p.Type, "system_") }

// Reaction is an emoji that somebody put on a post.
type Reaction struct {
	UserID    string `json:"user_id"`
	PostID    string `json:"post_id"`
	EmojiName string `json:"emoji_name"`
}

// Post posts a message and returns the post's id. root is the id of the root
// post that it replies to, or empty.
func (u *User) Post(t T, channel, message, root string) string {
	t.Helper()
	return u.PostRaw(t, map[string]any{"channel_id": channel, "message": message, "root_id": root}).ID
}

// PostRaw posts with any of the API's fields: props, type, pending_post_id, ...
func (u *User) PostRaw(t T, post map[string]any) Post {
	t.Helper()
	var made Post
	u.must(t, http.MethodPost, "/posts", post, &made)
	return made
}

// Edit changes the text of a post of u's.
func (u *User) Edit(t T, post, message string) {
	t.Helper()
	u.must(t, http.MethodPut, "/posts/"+post+"/patch", map[string]any{"message": message}, nil)
}

// Delete deletes a post, and a root post's replies with it.
func (u *User) Delete(t T, post string) {
	t.Helper()
	u.must(t, http.MethodDelete, "/posts/"+post, nil, nil)
}

// GetPost returns a post as it is now.
func (u *User) GetPost(t T, id string) Post {
	t.Helper()
	var p Post
	u.must(t, http.MethodGet, "/posts/"+id, nil, &p)
	return p
}

// Posts returns what people, bots and hooks posted into a channel, replies
// included, oldest first. Deleted posts are not in it.
func (u *User) Posts(t T, channel string) []Post {
	t.Helper()
	return slices.DeleteFunc(u.AllPosts(t, channel), Post.System)
}

// AllPosts is Posts with the system's posts.
func (u *User) AllPosts(t T, channel string) []Post {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	posts, err := u.list(ctx, channel)
	if err != nil {
		t.Fatalf("Mattermost, posts of %s as %s: %v", channel, u.Username, err)
	}
	return posts
}

// postList is how the API lists posts: order says which, newest first; posts
// may hold more.
type postList struct {
	Order []string        `json:"order"`
	Posts map[string]Post `json:"posts"`
}

// list reads all of a channel, oldest first. It pages by an old post seen, not by
// number, so that posts arriving meanwhile shift nothing. The server takes the
// time of that post for all of it: those of the oldest millisecond of a page are
// read again with the next one.
func (u *User) list(ctx context.Context, channel string) ([]Post, error) {
	var posts []Post
	before := ""
	for {
		path := fmt.Sprintf("/channels/%s/posts?per_page=%d", channel, pageSize)
		if before != "" {
			path += "&before=" + before
		}
		var page postList
		if err := u.Do(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		for _, id := range page.Order {
			posts = append(posts, page.Posts[id])
		}
		if len(page.Order) < pageSize {
			slices.Reverse(posts)
			return posts, nil
		}
		oldest := posts[len(posts)-1].CreateAt
		posts = slices.DeleteFunc(posts, func(p Post) bool { return p.CreateAt == oldest })
		if len(posts) == 0 || posts[len(posts)-1].ID == before {
			return nil, fmt.Errorf("%d posts of channel %s are of one millisecond", pageSize, channel)
		}
		before = posts[len(posts)-1].ID
	}
}

// Thread returns a root post and its replies, oldest first.
func (u *User) Thread(t T, root string) []Post {
	t.Helper()
	var list postList
	u.must(t, http.MethodGet, "/posts/"+root+"/thread", nil, &list)
	posts := make([]Post, 0, len(list.Order))
	for _, id := range list.Order {
		posts = append(posts, list.Posts[id])
	}
	slices.SortFunc(posts, func(a, b Post) int {
		return cmp.Or(cmp.Compare(a.CreateAt, b.CreateAt), cmp.Compare(len(a.RootID), len(b.RootID)))
	})
	return posts
}

// WaitPosts waits until cond holds for [User.Posts] of a channel and returns
// them. It fails the test, showing the posts, when cond does not hold within
// that time; the sentence reads "gave up after 5s waiting for <what>".
func (u *User) WaitPosts(t T, channel string, within time.Duration, cond func([]Post) bool, what string) []Post {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var posts []Post
	err := wait.Poll(ctx, func() error {
		// Its own limit, so that a last look is not cut short.
		once, done := context.WithTimeout(context.Background(), callWithin)
		defer done()
		all, err := u.list(once, channel)
		if err != nil {
			return err
		}
		if posts = slices.DeleteFunc(all, Post.System); !cond(posts) {
			return fmt.Errorf("the channel has %d posts:%s", len(posts), summary(posts))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("gave up after %v waiting for %s; %v", within, what, err)
	}
	return posts
}

// summary shows the last posts, for the message of a failed test.
func summary(posts []Post) string {
	const most = 20
	var b strings.Builder
	for _, p := range posts[max(0, len(posts)-most):] {
		fmt.Fprintf(&b, "\n\t%s by %s, root %q: %.200q", p.ID, p.UserID, p.RootID, p.Message)
	}
	return b.String()
}

// React puts an emoji on a post, by name: "+1".
func (u *User) React(t T, post, emoji string) {
	t.Helper()
	u.must(t, http.MethodPost, "/reactions", Reaction{UserID: u.ID, PostID: post, EmojiName: emoji}, nil)
}

// Unreact takes u's emoji off a post again.
func (u *User) Unreact(t T, post, emoji string) {
	t.Helper()
	u.must(t, http.MethodDelete, "/users/"+u.ID+"/posts/"+post+"/reactions/"+emoji, nil, nil)
}

// Reactions returns the reactions to a post.
func (u *User) Reactions(t T, post string) []Reaction {
	t.Helper()
	var list []Reaction
	u.must(t, http.MethodGet, "/posts/"+post+"/reactions", nil, &list)
	return list
}
