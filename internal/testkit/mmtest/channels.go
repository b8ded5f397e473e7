package mmtest

import (
	"net/http"
	"strconv"
)

// The kinds of a channel.
const (
	Public  = "O"
	Private = "P"
)

// Channel is a channel as the API gives it.
type Channel struct {
	ID string `json:"id"`
	// TeamID is empty for direct and group messages.
	TeamID      string `json:"team_id"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	// Type is [Public], [Private], "D" for direct or "G" for group messages.
	Type    string `json:"type"`
	Header  string `json:"header"`
	Purpose string `json:"purpose"`
	// DeleteAt is when it was archived, in Unix milliseconds, or 0.
	DeleteAt int64 `json:"delete_at"`
}

// CreateChannel makes a channel of kind [Public] or [Private]; u is its only
// member. A name is 1 to 64 of a-z, 0-9, dash and underscore.
func (u *User) CreateChannel(t T, team, kind, name string) Channel {
	t.Helper()
	var c Channel
	u.must(t, http.MethodPost, "/channels", map[string]any{
		"team_id": team, "type": kind, "name": name, "display_name": name,
	}, &c)
	return c
}

// Channel returns a channel as it is now, also an archived one.
func (u *User) Channel(t T, id string) Channel {
	t.Helper()
	var c Channel
	u.must(t, http.MethodGet, "/channels/"+id, nil, &c)
	return c
}

// Direct returns the id of the channel of direct messages between u and another
// user, opening it when there was none.
func (u *User) Direct(t T, user string) string {
	t.Helper()
	var c Channel
	u.must(t, http.MethodPost, "/channels/direct", []string{u.ID, user}, &c)
	return c.ID
}

// Group returns the id of the group channel of u and at least two others,
// opening it when there was none.
func (u *User) Group(t T, users ...string) string {
	t.Helper()
	var c Channel
	u.must(t, http.MethodPost, "/channels/group", append([]string{u.ID}, users...), &c)
	return c.ID
}

// Join makes u a member of a public channel.
func (u *User) Join(t T, channel string) {
	t.Helper()
	u.AddMember(t, channel, u.ID)
}

// AddMember adds users to a channel that u may add to.
func (u *User) AddMember(t T, channel string, users ...string) {
	t.Helper()
	for _, id := range users {
		u.must(t, http.MethodPost, "/channels/"+channel+"/members", map[string]any{"user_id": id}, nil)
	}
}

// RemoveMember takes a user out of a channel; u leaves it when it is u.
func (u *User) RemoveMember(t T, channel, user string) {
	t.Helper()
	u.must(t, http.MethodDelete, "/channels/"+channel+"/members/"+user, nil, nil)
}

// Members returns the ids of a channel's members, in no order.
func (u *User) Members(t T, channel string) []string {
	t.Helper()
	var ids []string
	for page := 0; ; page++ {
		var members []struct {
			UserID string `json:"user_id"`
		}
		u.must(t, http.MethodGet, "/channels/"+channel+"/members?per_page=200&page="+strconv.Itoa(page), nil, &members)
		for _, m := range members {
			ids = append(ids, m.UserID)
		}
		if len(members) < pageSize {
			return ids
		}
	}
}

// Archive archives a channel: it stays readable, and posting is refused.
func (u *User) Archive(t T, channel string) {
	t.Helper()
	u.must(t, http.MethodDelete, "/channels/"+channel, nil, nil)
}

// MentionCount returns how often u was mentioned in a channel since last
// reading it, in root posts and in replies.
func (u *User) MentionCount(t T, channel string) int {
	t.Helper()
	var member struct {
		MentionCount int `json:"mention_count"`
	}
	u.must(t, http.MethodGet, "/channels/"+channel+"/members/"+u.ID, nil, &member)
	return member.MentionCount
}
