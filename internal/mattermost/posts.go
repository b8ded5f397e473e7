package mattermost

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"parley/internal/fault"
)

const (
	// MaxPage is how many posts a page has at most; the server cuts larger
	// wishes down to it.
	MaxPage = 200
	// sinceCap is how many posts a list of changes has at most, chosen by the
	// server in no useful way.
	sinceCap = 1000
)

// NewPost is a post to make.
type NewPost struct {
	ChannelID string
	// RootID is the root of the thread, never another reply ([Post.Root]), or
	// empty.
	RootID string
	// Message has at most 16,383 runes (ClientConfig.MaxPostSize).
	Message string
	// Type is empty or starts with "custom_", at most 26 characters.
	Type    string
	Props   map[string]any
	FileIDs []string
	// PendingPostID makes repeats of the same post within 30 s give the first
	// one. The key is global to the server, so it starts with the user's id.
	PendingPostID string
	// SetOnline shows the account as online, as a person's post does.
	SetOnline bool
}

// CreatePost makes a post and returns it as the server keeps it.
func (c *Client) CreatePost(ctx context.Context, n NewPost) (Post, error) {
	if err := checkIDs("channel id", n.ChannelID); err != nil {
		return Post{}, err
	}
	if n.RootID != "" && !ValidID(n.RootID) {
		return Post{}, fault.Field("root id", "is not a Mattermost id")
	}
	body := struct {
		ChannelID     string         `json:"channel_id"`
		RootID        string         `json:"root_id,omitempty"`
		Message       string         `json:"message"`
		Type          string         `json:"type,omitempty"`
		Props         map[string]any `json:"props,omitempty"`
		FileIDs       []string       `json:"file_ids,omitempty"`
		PendingPostID string         `json:"pending_post_id,omitempty"`
	}{n.ChannelID, n.RootID, n.Message, n.Type, n.Props, n.FileIDs, n.PendingPostID}
	var p Post
	err := c.call(ctx, request{op: "create post", method: http.MethodPost, path: "/posts",
		query: url.Values{"set_online": {strconv.FormatBool(n.SetOnline)}}, body: body}, &p)
	return p, err
}

// Patch changes a post; nil leaves as is.
type Patch struct {
	Message *string
	// Props replace all props of the post when not nil, also those the server
	// or another program put there.
	Props map[string]any
}

// PatchPost changes one of our own posts. Every change of the text adds a row
// to the server's history: a caller that streams writes at most twice a second.
func (c *Client) PatchPost(ctx context.Context, id string, patch Patch) (Post, error) {
	if err := checkIDs("post id", id); err != nil {
		return Post{}, err
	}
	body := map[string]any{}
	if patch.Message != nil {
		body["message"] = *patch.Message
	}
	if patch.Props != nil {
		body["props"] = patch.Props
	}
	var p Post
	err := c.call(ctx, request{op: "edit post", method: http.MethodPut, path: "/posts/" + id + "/patch", body: body}, &p)
	return p, err
}

// DeletePost deletes a post, with its replies when it is a root. Other
// people's posts need a team or system admin.
func (c *Client) DeletePost(ctx context.Context, id string) error {
	if err := checkIDs("post id", id); err != nil {
		return err
	}
	return c.call(ctx, request{op: "delete post", method: http.MethodDelete, path: "/posts/" + id}, nil)
}

// Post reads one post. A deleted one is not found.
func (c *Client) Post(ctx context.Context, id string) (Post, error) {
	if err := checkIDs("post id", id); err != nil {
		return Post{}, err
	}
	var p Post
	err := c.call(ctx, request{op: "read post", method: http.MethodGet, path: "/posts/" + id}, &p)
	return p, err
}

// PostPage is a part of a channel's posts.
type PostPage struct {
	// Posts are in order, oldest first, without deleted ones.
	Posts []Post
	// More says that the direction asked for may go on; continue with Anchor.
	More bool
	// Anchor is the id to ask the next page with: of the newest post for
	// [Client.PostsAfter], the oldest for [Client.PostsBefore], empty for an
	// empty page.
	Anchor string
}

// PostsAfter reads the posts that directly follow the one with afterID, which
// may be deleted by now, without those made in the same millisecond as it.
// perPage is about how many: 1 to [MaxPage], 0 for the most.
//
// For an id that the channel does not know, the server answers with an empty
// page and no error: an empty page proves nothing when the channel's
// LastPostAt is newer than the anchor.
func (c *Client) PostsAfter(ctx context.Context, channelID, afterID string, perPage int) (PostPage, error) {
	if err := checkIDs("channel id", channelID, "post id", afterID); err != nil {
		return PostPage{}, err
	}
	posts, more, err := c.nextTo(ctx, channelID, url.Values{"after": {afterID}}, perPage)
	return pageOf(posts, more), err
}

// PostsBefore reads the posts that directly precede the one with beforeID,
// without those made in the same millisecond as it; with an empty beforeID the
// newest ones of the channel. perPage is as for [Client.PostsAfter].
func (c *Client) PostsBefore(ctx context.Context, channelID, beforeID string, perPage int) (PostPage, error) {
	if err := checkIDs("channel id", channelID); err != nil {
		return PostPage{}, err
	}
	query := url.Values{}
	if beforeID != "" {
		if err := checkIDs("post id", beforeID); err != nil {
			return PostPage{}, err
		}
		query.Set("before", beforeID)
	}
	posts, more, err := c.nextTo(ctx, channelID, query, perPage)
	page := pageOf(posts, more)
	slices.Reverse(page.Posts)
	return page, err
}

func pageOf(posts []Post, more bool) PostPage {
	page := PostPage{Posts: posts, More: more}
	if len(posts) > 0 {
		page.Anchor = posts[len(posts)-1].ID
	}
	return page
}

// nextTo reads a page next to an anchor, what is nearest to it first. The server
// goes by the anchor's time alone (see getPostsAround in its post store, 11.1):
// what was made in the same millisecond as the last post of a page would be
// passed over by the next one. So a page ends between two milliseconds, and what
// is of its last one is left to the next page; a page that is all of one
// millisecond is read on.
func (c *Client) nextTo(ctx context.Context, channelID string, query url.Values, perPage int) (posts []Post, more bool, err error) {
	size := pageSize(perPage)
	query.Set("per_page", strconv.Itoa(size))
	seen := map[string]bool{}
	for n := 0; ; n++ {
		query.Set("page", strconv.Itoa(n))
		l, err := c.list(ctx, channelID, query)
		if err != nil {
			return nil, false, err
		}
		known := len(posts)
		got := l.ordered()
		if !query.Has("after") {
			slices.Reverse(got)
		}
		for _, p := range got {
			if !seen[p.ID] {
				seen[p.ID] = true
				posts = append(posts, p)
			}
		}
		switch whole := wholeMilliseconds(posts); {
		case len(l.Order) < size && !l.goesOn(query), len(posts) == 0:
			return posts, false, nil
		case len(posts) == known: // a server that turns no pages
			return posts, l.goesOn(query), nil
		case whole > 0:
			return posts[:whole], true, nil
		}
	}
}

// wholeMilliseconds counts the posts before those made in the millisecond of
// the last one.
func wholeMilliseconds(posts []Post) int {
	n := len(posts) - 1
	for n > 0 && posts[n-1].CreateAt == posts[n].CreateAt {
		n--
	}
	return max(n, 0)
}

// NewestPost reads the newest post of a channel; there is none when its id is
// empty.
func (c *Client) NewestPost(ctx context.Context, channelID string) (Post, error) {
	if err := checkIDs("channel id", channelID); err != nil {
		return Post{}, err
	}
	l, err := c.list(ctx, channelID, url.Values{"per_page": {"1"}})
	if err != nil || len(l.Order) == 0 {
		return Post{}, err
	}
	return l.Posts[l.Order[0]], nil
}

// Changes is what [Client.PostsSince] finds.
type Changes struct {
	// Posts are new, edited, deleted (DeleteAt not 0, text empty) and
	// otherwise touched posts, by UpdateAt, without kept older versions.
	Posts []Post
	// Capped says that there was more than the server gives, and that what is
	// here is no sensible part of it.
	Capped bool
}

// PostsSince reads what changed in a channel after a moment. It is the only
// way to hear of edits and deletions that were missed, and good for short
// times only.
func (c *Client) PostsSince(ctx context.Context, channelID string, since time.Time) (Changes, error) {
	if err := checkIDs("channel id", channelID); err != nil {
		return Changes{}, err
	}
	// 0 would mean "no since" to the server, which then answers a first page.
	ms := max(since.UnixMilli(), 1)
	l, err := c.list(ctx, channelID, url.Values{"since": {strconv.FormatInt(ms, 10)}})
	if err != nil {
		return Changes{}, err
	}
	changes := Changes{Capped: len(l.Order) >= sinceCap}
	for _, p := range l.ordered() {
		if !p.Old() {
			changes.Posts = append(changes.Posts, p)
		}
	}
	slices.SortStableFunc(changes.Posts, func(a, b Post) int { return cmp.Compare(a.UpdateAt, b.UpdateAt) })
	return changes, nil
}

// Thread reads a root and its replies, oldest first. rootID may be that of any
// post of the thread.
func (c *Client) Thread(ctx context.Context, rootID string) ([]Post, error) {
	if err := checkIDs("post id", rootID); err != nil {
		return nil, err
	}
	query := url.Values{"perPage": {strconv.Itoa(MaxPage)}, "direction": {"down"}}
	var posts []Post
	seen := map[string]bool{}
	for {
		var l postList
		err := c.call(ctx, request{op: "read thread", method: http.MethodGet, path: "/posts/" + rootID + "/thread", query: query}, &l)
		if err != nil {
			return nil, err
		}
		before := len(posts)
		for _, p := range l.Posts {
			if !seen[p.ID] {
				seen[p.ID] = true
				posts = append(posts, p)
			}
		}
		slices.SortFunc(posts, byCreation)
		if !l.HasNext || len(posts) == before {
			return posts, nil
		}
		last := posts[len(posts)-1]
		query.Set("fromPost", last.ID)
		query.Set("fromCreateAt", strconv.FormatInt(last.CreateAt, 10))
	}
}

// postList is a list of posts on the wire: Order is newest first and names the
// posts asked for; Posts may hold their roots as well.
type postList struct {
	Order      []string        `json:"order"`
	Posts      map[string]Post `json:"posts"`
	NextPostID string          `json:"next_post_id"`
	PrevPostID string          `json:"prev_post_id"`
	HasNext    bool            `json:"has_next"`
}

func (c *Client) list(ctx context.Context, channelID string, query url.Values) (postList, error) {
	var l postList
	err := c.call(ctx, request{op: "read posts", method: http.MethodGet, path: "/channels/" + channelID + "/posts", query: query}, &l)
	return l, err
}

// goesOn reports whether the server knows of more in the direction asked for.
// A page may be short all the same, without what its reader may not see.
func (l postList) goesOn(query url.Values) bool {
	if query.Has("after") {
		return l.NextPostID != ""
	}
	return l.PrevPostID != ""
}

// ordered gives the posts of Order, oldest first.
func (l postList) ordered() []Post {
	posts := make([]Post, 0, len(l.Order))
	for _, id := range slices.Backward(l.Order) {
		if p, ok := l.Posts[id]; ok {
			posts = append(posts, p)
		}
	}
	return posts
}

func byCreation(a, b Post) int {
	return cmp.Or(cmp.Compare(a.CreateAt, b.CreateAt), cmp.Compare(a.ID, b.ID))
}

func pageSize(n int) int {
	if n < 1 || n > MaxPage {
		return MaxPage
	}
	return n
}
