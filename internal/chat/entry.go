package chat

import "time"

// AuthorKind says what sort of participant an entry comes from. There is no
// "direction": what is incoming for one leg is outgoing for another.
type AuthorKind string

// The kinds of author.
const (
	ByContact   AuthorKind = "contact"
	ByAssistant AuthorKind = "assistant"
	ByAgent     AuthorKind = "agent"
	BySystem    AuthorKind = "system"
)

// Author is who an entry comes from.
type Author struct {
	Kind AuthorKind `json:"kind"`
	// ID is the contact id, the assistant's name or the agent's id; it may be
	// empty for the system.
	ID string `json:"id,omitempty"`
}

// Visibility says who may ever see an entry.
type Visibility string

// Visibilities. Desk entries never reach the contact.
const (
	VisibleToAll  Visibility = "all"
	VisibleToDesk Visibility = "desk"
)

// Purpose says what an entry does to the log.
type Purpose string

// Purposes. Only a message has a place of its own in what the contact sees; an
// edit or a deletion names its target, and an event is a fact for assistants
// and desks (a contact connected, a button of the window was pressed).
const (
	Message  Purpose = "message"
	Edit     Purpose = "edit"
	Deletion Purpose = "deletion"
	Event    Purpose = "event"
)

// Draft is an entry before the log has given it a place.
type Draft struct {
	Author     Author
	Purpose    Purpose
	Visibility Visibility
	// Target is the sequence number an edit or a deletion is about.
	Target  int64
	Content Content
}

// Visible reports whether the draft takes a place in what the contact sees.
func (d Draft) Visible() bool { return d.Purpose == Message && d.Visibility == VisibleToAll }

// Entry is one line of a conversation's log.
type Entry struct {
	Draft
	Conversation ConversationKey
	// Seq orders all entries of the conversation, from 1, without gaps.
	Seq int64
	// VisibleSeq orders what the contact sees, from 1, without gaps; 0 for
	// entries that take no place there.
	VisibleSeq int64
	Episode    EpisodeKey
	// Origin is the leg that brought the entry; 0 when the gateway made it.
	Origin LegKey
	// CreatedAt has millisecond precision and never runs backwards within a
	// conversation. Only Seq orders.
	CreatedAt time.Time
	// EditedAt is when the newest edit or the deletion was made; zero if none.
	EditedAt time.Time
	// Deleted marks a placeholder whose content is gone.
	Deleted bool
}

// Conversation is the endless log of one place.
type Conversation struct {
	Key     ConversationKey
	ID      ConversationID
	Channel ChannelID
	// Place is the key the channel's driver formed for the place.
	Place   string
	Contact ContactKey
	// ContactID is the public id of Contact.
	ContactID ContactID
	// Leg is the leg that joins the place to the conversation.
	Leg LegKey
	// Seq and VisibleSeq are the last ones given out, 0 in an empty log.
	Seq, VisibleSeq int64
	CreatedAt       time.Time
	// LastAt is the time of the newest entry; zero in an empty log.
	LastAt time.Time
}

// EntryID returns the public id of the entry with the given sequence number.
func (c Conversation) EntryID(seq int64) EntryID { return EntryID{Conversation: c.ID, Seq: seq} }

// Person is a contact as one channel knows it.
type Person struct {
	// ExternalID is the person's id on the channel.
	ExternalID string
	// Verified is set when a signature vouches for the id.
	Verified bool
	// Name is shown to assistants and agents; empty keeps what is stored.
	Name string
}

// Page asks for entries the contact sees, counted from the newest.
type Page struct {
	// Offset is how many of the newest to skip.
	Offset int64
	Limit  int
}

// VisiblePage is a page of what the contact sees, oldest first.
type VisiblePage struct {
	Entries []Entry
	// Total counts all entries the contact sees.
	Total int64
}
