package mattermost

import (
	"strings"
	"time"
)

// Time turns Unix milliseconds into a time; 0 gives the zero time.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// idLength is the length of every Mattermost id.
const idLength = 26

// ValidID reports whether s has the form of a Mattermost id.
func ValidID(s string) bool {
	if len(s) != idLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// User is an account: a person or a bot.
type User struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	Nickname  string `json:"nickname"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Locale    string `json:"locale"`
	// IsBot is the only proof of a bot: from_bot in a post's props can be set
	// by anybody.
	IsBot bool `json:"is_bot"`
	// DeleteAt is not 0 for a deactivated account.
	DeleteAt int64 `json:"delete_at"`
	// Roles are names with spaces between them; see [User.HasRole].
	Roles string `json:"roles"`
}

func (u *User) identity() string    { return u.ID }
func (t *Team) identity() string    { return t.ID }
func (c *Channel) identity() string { return c.ID }

// HasRole reports whether the account has a system-wide role, for example
// "system_admin" or "system_post_all".
func (u User) HasRole(role string) bool { return hasWord(u.Roles, role) }

// DisplayName is the nickname, else first and last name, else the user name.
func (u User) DisplayName() string {
	if u.Nickname != "" {
		return u.Nickname
	}
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return u.Username
}

func hasWord(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// Team is a team.
type Team struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	DeleteAt    int64  `json:"delete_at"`
}

// TeamMember says that a user is in a team.
type TeamMember struct {
	TeamID   string `json:"team_id"`
	UserID   string `json:"user_id"`
	Roles    string `json:"roles"`
	DeleteAt int64  `json:"delete_at"`
}

// The types of channels.
const (
	Public  = "O"
	Private = "P"
	DM      = "D"
	Group   = "G"
)

// Channel is a place where people write.
type Channel struct {
	ID string `json:"id"`
	// Type is [Public], [Private], [DM] or [Group].
	Type string `json:"type"`
	// TeamID is empty for direct and group messages.
	TeamID string `json:"team_id"`
	// Name is unique in its team; that of a DM is "<user id>__<user id>".
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	Header      string `json:"header"`
	Purpose     string `json:"purpose"`
	// DeleteAt is not 0 for an archived channel.
	DeleteAt      int64 `json:"delete_at"`
	CreateAt      int64 `json:"create_at"`
	LastPostAt    int64 `json:"last_post_at"`
	TotalMsgCount int64 `json:"total_msg_count"`
}

// Member says that a user is in a channel.
type Member struct {
	ChannelID string `json:"channel_id"`
	UserID    string `json:"user_id"`
	Roles     string `json:"roles"`
	// MsgCount is how many root and reply posts the user has seen;
	// MentionCount how many unread ones mention them.
	MsgCount     int64 `json:"msg_count"`
	MentionCount int64 `json:"mention_count"`
	LastViewedAt int64 `json:"last_viewed_at"`
}

// Reaction is an emoji on a post.
type Reaction struct {
	UserID string `json:"user_id"`
	PostID string `json:"post_id"`
	Emoji  string `json:"emoji_name"`
	// CreateAt is 0, and ChannelID empty, in a reaction_removed event.
	CreateAt  int64  `json:"create_at"`
	ChannelID string `json:"channel_id"`
}

// FileInfo describes a file on a post.
type FileInfo struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Extension string `json:"extension"`
	Size      int64  `json:"size"`
	MIMEType  string `json:"mime_type"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
}
