package chat

import (
	"errors"
	"strconv"
	"strings"
)

// Row keys. Rows refer to each other by integers, which keep indexes small and
// inserts local; public ids are only for the outside.
type (
	// ConversationKey is the row key of a conversation.
	ConversationKey int64
	// EpisodeKey is the row key of an episode.
	EpisodeKey int64
	// TurnKey is the row key of a turn.
	TurnKey int64
	// LegKey is the row key of a leg.
	LegKey int64
	// ContactKey is the row key of a contact.
	ContactKey int64
)

// Public ids: a prefix and a UUIDv7, safe to show and to log.
type (
	// ConversationID looks like "cv-" + UUID.
	ConversationID string
	// EpisodeID looks like "ep-" + UUID.
	EpisodeID string
	// ContactID looks like "ct-" + UUID.
	ContactID string
	// ChannelID names one configured channel for as long as the data lives. For
	// type rtm it is the bot id, "st-" + UUID, which client apps hold.
	ChannelID string
)

// Prefixes of public ids.
const (
	PrefixConversation = "cv-"
	PrefixEpisode      = "ep-"
	PrefixContact      = "ct-"
	PrefixEntry        = "ms-"
)

// EntryID is the public id of an entry. It follows from the conversation and
// the sequence number, so that a repeat of the entry anywhere carries the same
// id without storing one.
type EntryID struct {
	Conversation ConversationID
	Seq          int64
}

// String renders the id in [A-Za-z0-9_-], which is what every client accepts as
// a message id: "ms-" + UUID + "-" + sequence.
func (id EntryID) String() string {
	return PrefixEntry + strings.TrimPrefix(string(id.Conversation), PrefixConversation) + "-" + strconv.FormatInt(id.Seq, 10)
}

var errEntryID = errors.New("not an entry id")

// ParseEntryID reads what [EntryID.String] writes.
func ParseEntryID(s string) (EntryID, error) {
	rest, ok := strings.CutPrefix(s, PrefixEntry)
	cut := strings.LastIndexByte(rest, '-')
	if !ok || cut <= 0 {
		return EntryID{}, errEntryID
	}
	seq, err := strconv.ParseInt(rest[cut+1:], 10, 64)
	if err != nil || seq <= 0 || rest[cut+1:] != strconv.FormatInt(seq, 10) {
		return EntryID{}, errEntryID
	}
	return EntryID{Conversation: ConversationID(PrefixConversation + rest[:cut]), Seq: seq}, nil
}
