package mattermost

import (
	"context"
	"net/http"

	"parley/internal/fault"
)

// React puts an emoji, by name and without colons, on a post. It is no error
// when it is there already.
func (c *Client) React(ctx context.Context, postID, emoji string) error {
	self, err := c.reactor(ctx, postID, emoji)
	if err != nil {
		return err
	}
	return c.call(ctx, request{op: "react", method: http.MethodPost, path: "/reactions",
		body: map[string]string{"user_id": self, "post_id": postID, "emoji_name": emoji}}, nil)
}

// Unreact takes our emoji off a post.
func (c *Client) Unreact(ctx context.Context, postID, emoji string) error {
	self, err := c.reactor(ctx, postID, emoji)
	if err != nil {
		return err
	}
	return c.call(ctx, request{op: "take back reaction", method: http.MethodDelete,
		path: "/users/" + self + "/posts/" + postID + "/reactions/" + emoji}, nil)
}

func (c *Client) reactor(ctx context.Context, postID, emoji string) (self string, err error) {
	if err := checkIDs("post id", postID); err != nil {
		return "", err
	}
	if !emojiName(emoji) {
		return "", fault.Field("emoji", "is not the name of an emoji; write it without colons, such as \"warning\"")
	}
	return c.selfID(ctx)
}

// emojiName reports whether a name can be that of an emoji; it becomes part of
// a path.
func emojiName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '+' && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Typing shows for about 5 s that we write in a channel or, with parentID, in
// a thread. The server may refuse it while busy; that matters to nobody.
func (c *Client) Typing(ctx context.Context, channelID, parentID string) error {
	if err := checkIDs("channel id", channelID); err != nil {
		return err
	}
	if parentID != "" && !ValidID(parentID) {
		return fault.Field("parent id", "is not a Mattermost id")
	}
	return c.call(ctx, request{op: "show typing", method: http.MethodPost, path: "/users/me/typing",
		body: map[string]string{"channel_id": channelID, "parent_id": parentID}}, nil)
}
