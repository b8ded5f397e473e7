package mattermost

import (
	"encoding/json"
	"strings"
)

// Post is one message, as read from the server.
type Post struct {
	ID       string
	CreateAt int64
	// UpdateAt also moves on reactions and, for roots, on replies.
	UpdateAt int64
	// EditAt moves when the text changes, and only then.
	EditAt int64
	// DeleteAt is not 0 in lists of changes; a post_deleted event carries 0
	// and the last text.
	DeleteAt  int64
	UserID    string
	ChannelID string
	// RootID is the root of the thread this is a reply in, or empty.
	RootID string
	// OriginalID is not empty for a copy that the server keeps of an older
	// version of a post; such copies are no messages.
	OriginalID string
	Message    string
	// Type is empty for people's posts, "system_..." for the server's own.
	Type string
	// Props are free. Anyone can set from_bot, from_webhook and
	// override_username in them: they prove nothing. nil when there are none
	// or they are not an object.
	Props map[string]any
	// PendingPostID is the key its author gave; only the live event and the
	// answer to the author carry it.
	PendingPostID string
	FileIDs       []string
	Metadata      PostMetadata
}

// PostMetadata is what the server adds to a post it hands out.
type PostMetadata struct {
	Files     []FileInfo
	Reactions []Reaction
}

func (p *Post) identity() string { return p.ID }

// Root is the id that an answer in the same thread has as its RootID.
func (p Post) Root() string {
	if p.RootID != "" {
		return p.RootID
	}
	return p.ID
}

// System reports whether the server made the post ("alice joined").
func (p Post) System() bool { return strings.HasPrefix(p.Type, "system_") }

// Old reports whether this is no message but a kept older version of one.
func (p Post) Old() bool { return p.OriginalID != "" }

// Prop returns a string among the props, or the empty string.
func (p Post) Prop(name string) string {
	s, _ := p.Props[name].(string)
	return s
}

// wirePost is a post on the wire. What other clients and plug-ins fill freely
// is decoded apart, so that odd content there does not lose a message.
type wirePost struct {
	ID            string          `json:"id"`
	CreateAt      int64           `json:"create_at"`
	UpdateAt      int64           `json:"update_at"`
	EditAt        int64           `json:"edit_at"`
	DeleteAt      int64           `json:"delete_at"`
	UserID        string          `json:"user_id"`
	ChannelID     string          `json:"channel_id"`
	RootID        string          `json:"root_id"`
	OriginalID    string          `json:"original_id"`
	Message       string          `json:"message"`
	Type          string          `json:"type"`
	PendingPostID string          `json:"pending_post_id"`
	Props         json.RawMessage `json:"props"`
	FileIDs       json.RawMessage `json:"file_ids"`
	Metadata      json.RawMessage `json:"metadata"`
}

// UnmarshalJSON reads a post. Ids, times and text must have their types;
// props, files and metadata of another shape are left out.
func (p *Post) UnmarshalJSON(data []byte) error {
	var w wirePost
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*p = Post{
		ID: w.ID, CreateAt: w.CreateAt, UpdateAt: w.UpdateAt, EditAt: w.EditAt, DeleteAt: w.DeleteAt,
		UserID: w.UserID, ChannelID: w.ChannelID, RootID: w.RootID, OriginalID: w.OriginalID,
		Message: w.Message, Type: w.Type, PendingPostID: w.PendingPostID,
		Props: lenient[map[string]any](w.Props), FileIDs: lenient[[]string](w.FileIDs),
	}
	parts := lenient[struct {
		Files     json.RawMessage `json:"files"`
		Reactions json.RawMessage `json:"reactions"`
	}](w.Metadata)
	p.Metadata.Files = lenient[[]FileInfo](parts.Files)
	p.Metadata.Reactions = lenient[[]Reaction](parts.Reactions)
	return nil
}

// lenient decodes data, or gives the zero value when it has another shape.
func lenient[T any](data json.RawMessage) T {
	var v, zero T
	if len(data) == 0 || json.Unmarshal(data, &v) != nil {
		return zero
	}
	return v
}
