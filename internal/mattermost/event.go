package mattermost

import (
	"encoding/json"
	"fmt"
)

// Names of the events that [Event] decodes; all others come with Data alone.
const (
	EventHello          = "hello"
	EventPosted         = "posted"
	EventPostEdited     = "post_edited"
	EventPostDeleted    = "post_deleted"
	EventEphemeral      = "ephemeral_message"
	EventReactionAdded  = "reaction_added"
	EventReactionGone   = "reaction_removed"
	EventTyping         = "typing"
	EventUserAdded      = "user_added"
	EventUserRemoved    = "user_removed"
	EventDirectAdded    = "direct_added"
	EventGroupAdded     = "group_added"
	EventChannelCreated = "channel_created"
	EventChannelUpdated = "channel_updated"
	EventChannelDeleted = "channel_deleted"
	EventChannelBack    = "channel_restored"
	EventAddedToTeam    = "added_to_team"
	EventLeaveTeam      = "leave_team"
)

// Event is something that happened on the server, told over the WebSocket.
type Event struct {
	Name string
	// Seq counts the events of one connection from 0 (the hello) without gaps.
	Seq       int64
	Broadcast Broadcast

	// ChannelID is the channel the event is about, wherever it is named: in
	// the post, the data or the broadcast.
	ChannelID string
	// UserID is who the event is about, wherever it is named: the author of a
	// post, who typed, reacted, was added or removed. It is our own id for
	// user_added and user_removed of ourselves.
	UserID string
	// TeamID is empty for direct and group messages.
	TeamID string

	// Post of posted, post_edited, post_deleted and ephemeral_message.
	Post *Post
	// Channel of channel_updated.
	Channel *Channel
	// Reaction of reaction_added and reaction_removed; its ChannelID is filled
	// in for both.
	Reaction *Reaction

	// ChannelType, ChannelName, ChannelDisplayName, SenderName, Mentions and
	// SetOnline come with posted.
	ChannelType        string // [Public], [Private], [DM], [Group]
	ChannelName        string
	ChannelDisplayName string
	// SenderName is made from props that anyone can set. Show it at most;
	// identify by Post.UserID.
	SenderName string
	// Mentions holds our own id or nothing. It is also set for @channel, in
	// direct messages and when we are added: no proof of a direct mention.
	Mentions  []string
	SetOnline bool

	// RemoverID of user_removed, CreatorID of direct_added.
	RemoverID, CreatorID string
	// TeammateIDs of direct_added (one) and group_added.
	TeammateIDs []string
	// ParentID of typing: the root of the thread, or empty.
	ParentID string
	// DeleteAt of channel_deleted.
	DeleteAt int64
	// Malformed is set when a named part of a known event could not be
	// decoded. Something did happen; REST can tell what.
	Malformed error
	// Data is the event's data as it came.
	Data json.RawMessage
}

// Broadcast says to whom the server sent an event.
type Broadcast struct {
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	TeamID    string `json:"team_id"`
}

// frame is anything the server sends: an event has Event and Seq, the answer to
// a request SeqReply and Status.
type frame struct {
	Event     string          `json:"event"`
	Seq       *int64          `json:"seq"`
	Data      json.RawMessage `json:"data"`
	Broadcast Broadcast       `json:"broadcast"`

	Status   string     `json:"status"`
	SeqReply int64      `json:"seq_reply"`
	Error    *wireError `json:"error"`
}

// parseFrame decodes one text message of the WebSocket.
func parseFrame(text []byte) (frame, error) {
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		return frame{}, fmt.Errorf("frame: %w", err)
	}
	switch {
	case f.Event != "" && (f.Seq == nil || *f.Seq < 0):
		return frame{}, fmt.Errorf("frame: event without a sequence number")
	case f.Event == "" && f.Status == "":
		return frame{}, fmt.Errorf("frame: neither event nor answer")
	}
	return f, nil
}

// eventData has the fields of all known events. Posts, channels, reactions and
// lists of ids come as JSON inside strings.
type eventData struct {
	Post               inner  `json:"post"`
	Channel            inner  `json:"channel"`
	Reaction           inner  `json:"reaction"`
	Mentions           inner  `json:"mentions"`
	TeammateIDs        inner  `json:"teammate_ids"`
	TeammateID         string `json:"teammate_id"`
	ChannelID          string `json:"channel_id"`
	ChannelType        string `json:"channel_type"`
	ChannelName        string `json:"channel_name"`
	ChannelDisplayName string `json:"channel_display_name"`
	SenderName         string `json:"sender_name"`
	SetOnline          bool   `json:"set_online"`
	TeamID             string `json:"team_id"`
	UserID             string `json:"user_id"`
	RemoverID          string `json:"remover_id"`
	CreatorID          string `json:"creator_id"`
	ParentID           string `json:"parent_id"`
	DeleteAt           int64  `json:"delete_at"`
}

// inner is JSON inside a JSON string, or plain JSON as some versions send it.
type inner []byte

func (i *inner) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*i = inner(s)
		return nil
	}
	if string(data) != "null" {
		*i = append(inner(nil), data...)
	}
	return nil
}

// known tells the events whose data is decoded. Others keep their data alone:
// some use the same field names for other things.
func known(name string) bool {
	switch name {
	case EventPosted, EventPostEdited, EventPostDeleted, EventEphemeral,
		EventReactionAdded, EventReactionGone, EventTyping,
		EventUserAdded, EventUserRemoved, EventDirectAdded, EventGroupAdded,
		EventChannelCreated, EventChannelUpdated, EventChannelDeleted, EventChannelBack,
		EventAddedToTeam, EventLeaveTeam:
		return true
	}
	return false
}

// event makes an [Event] of a frame. It never fails: what cannot be decoded is
// named in Malformed.
func (f frame) event() Event {
	e := Event{Name: f.Event, Broadcast: f.Broadcast, Data: f.Data,
		ChannelID: f.Broadcast.ChannelID, UserID: f.Broadcast.UserID, TeamID: f.Broadcast.TeamID}
	if f.Seq != nil {
		e.Seq = *f.Seq
	}
	if !known(f.Event) {
		return e
	}
	var d eventData
	if len(f.Data) > 0 {
		if err := json.Unmarshal(f.Data, &d); err != nil {
			e.Malformed = fmt.Errorf("data of %s: %w", f.Event, err)
			return e
		}
	}
	e.fill(d)
	e.decode(d)
	return e
}

// fill copies the plain fields of the data.
func (e *Event) fill(d eventData) {
	e.ChannelType, e.ChannelName, e.ChannelDisplayName = d.ChannelType, d.ChannelName, d.ChannelDisplayName
	e.SenderName, e.SetOnline = d.SenderName, d.SetOnline
	e.RemoverID, e.CreatorID, e.ParentID, e.DeleteAt = d.RemoverID, d.CreatorID, d.ParentID, d.DeleteAt
	override(&e.ChannelID, d.ChannelID)
	override(&e.UserID, d.UserID)
	override(&e.TeamID, d.TeamID)
}

// decode reads the parts that are JSON inside strings.
func (e *Event) decode(d eventData) {
	e.Mentions = lenient[[]string](json.RawMessage(d.Mentions))
	if e.TeammateIDs = lenient[[]string](json.RawMessage(d.TeammateIDs)); d.TeammateID != "" {
		e.TeammateIDs = append(e.TeammateIDs, d.TeammateID)
	}
	switch e.Name {
	case EventPosted, EventPostEdited, EventPostDeleted, EventEphemeral:
		if p := part[Post](e, "post", d.Post); p != nil && e.sound("post", p.ID, p.ChannelID) {
			e.Post, e.ChannelID, e.UserID = p, p.ChannelID, p.UserID
		}
	case EventChannelUpdated:
		if c := part[Channel](e, "channel", d.Channel); c != nil && e.sound("channel", c.ID) {
			e.Channel, e.ChannelID = c, c.ID
			override(&e.TeamID, c.TeamID)
		}
	case EventReactionAdded, EventReactionGone:
		if r := part[Reaction](e, "reaction", d.Reaction); r != nil && e.sound("reaction", r.PostID, r.UserID) {
			override(&e.ChannelID, r.ChannelID)
			e.Reaction, e.UserID, r.ChannelID = r, r.UserID, e.ChannelID
		}
	}
}

// sound notes when one of the ids of a part is none.
func (e *Event) sound(name string, ids ...string) bool {
	for _, id := range ids {
		if !ValidID(id) {
			e.Malformed = fmt.Errorf("%s of %s: %.40q is no id", name, e.Name, id)
			return false
		}
	}
	return true
}

// part decodes one part of an event, or notes why it could not.
func part[T any](e *Event, name string, data inner) *T {
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		e.Malformed = fmt.Errorf("%s of %s: %w", name, e.Name, err)
		return nil
	}
	return v
}

func override(field *string, value string) {
	if value != "" {
		*field = value
	}
}
