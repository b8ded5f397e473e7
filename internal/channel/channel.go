// Package channel is the contract between a channel's driver and the gateway.
//
// A driver authenticates and normalises what people write and hands it to a
// [Gateway]; it shows what is said back either by reading the log of a
// conversation ([Feed]) or by sending deliveries. It never asks who answers.
package channel

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Place is where somebody writes.
type Place struct {
	Channel chat.ChannelID
	// Type is the channel's type, such as "rtm".
	Type string
	// Key is the place's key, formed by the driver.
	Key    string
	Person chat.Person
	Mode   chat.LegMode
	Thread string
}

// Inbound is one thing a contact said or did.
type Inbound struct {
	Conversation chat.Conversation
	// Speaker is who said it, where that is not the conversation's contact.
	Speaker chat.ContactID
	// By is empty for a contact, or chat.ByAgent for a person who used our own
	// account; what an agent says owes no answer.
	By      chat.AuthorKind
	Content chat.Content
	// Purpose is chat.Message, chat.Event, chat.Edit or chat.Deletion; only
	// messages owe an answer. An edit or deletion changes the turn of an entry
	// that still waits for its answer.
	Purpose chat.Purpose
	// Target is the sequence number an edit or a deletion is about.
	Target int64
	// Silent takes a message without an answer, such as one that is too old.
	Silent bool
	// External is the entry's id on the channel, for edits, deletions and
	// replies to it; empty for none.
	External string
	// Position, if not nil, is how far the room was read with this entry.
	Position *Position
	// Carry asks to bring instant answers itself, in the response to the
	// request that brought the message.
	Carry bool
	// DedupeKey recognises repeats within the channel; empty for none.
	DedupeKey string
	// KeyDecides makes the key alone decide; otherwise the content counts too.
	KeyDecides bool
	// Raw is the input as it came, without secrets.
	Raw []byte
	// Lang is the language the client reports, or empty.
	Lang string
	// Committed, if set, is called once after the commit and before anyone
	// else hears of the entry or its answer. It must not block.
	Committed func(Receipt)
}

// Receipt says that an inbound entry is on disk.
type Receipt struct {
	Entry chat.EntryID
	Seq   int64
	// Duplicate is set when the entry had been accepted before.
	Duplicate bool
	// Carried are the answers that a caller who asked to carry them has to
	// bring. Others are on their way already.
	Carried []chat.Entry
}

// Position is how far a room of a link was read.
type Position struct {
	Room string
	// Value is in the driver's own form.
	Value string
	// CatchingUp is set while older posts than those seen live are missing.
	CatchingUp bool
}

// Notice is something that Parley itself says in a conversation.
type Notice struct {
	Conversation chat.Conversation
	Content      chat.Content
	// Key makes a repeat say nothing; it is unique within the channel.
	Key string
	// Position, if not nil, moves with it.
	Position *Position
}

// Opened is the conversation of a place, for one person who writes there.
type Opened struct {
	chat.Conversation
	// Speaker is the contact behind the person.
	Speaker chat.ContactID
	// Created is set when the conversation did not exist before.
	Created bool
}

// Greeting is a contact opening the conversation.
type Greeting struct {
	Conversation chat.Conversation
	Mode         GreetingMode
	Lang         string
}

// GreetingMode says what opening a conversation does to the episode. In no mode
// is a greeting repeated while nothing has been said since the last one, and in
// none is somebody greeted by an assistant that has no control.
type GreetingMode int

// The greeting modes.
const (
	// GreetIfNew greets only who has no session with the assistant.
	GreetIfNew GreetingMode = iota
	// GreetIfIdle greets when no episode is open.
	GreetIfIdle
	// GreetAlways greets in the open episode too.
	GreetAlways
	// GreetAnew ends the open episode first, even one with a person.
	GreetAnew
	// GreetAnewUnlessHuman does the same, but keeps an episode that waits for
	// or is with a person.
	GreetAnewUnlessHuman
	// GreetNever only opens.
	GreetNever
)

// Gateway accepts what contacts say. Its errors are faults; after an error
// nothing was stored.
type Gateway interface {
	// Open finds or makes the conversation of a place.
	Open(ctx context.Context, p Place) (Opened, error)
	// Greet stores the assistant's greeting, if one is due, before it returns.
	Greet(ctx context.Context, g Greeting) error
	// Accept stores an inbound entry and, when the assistant answers at once,
	// its answer.
	Accept(ctx context.Context, in Inbound) (Receipt, error)
	// Notice says something in the gateway's own name, once per key. It needs
	// no open episode and owes no answer.
	Notice(ctx context.Context, n Notice) error
	// Finish ends the open episode, if any.
	Finish(ctx context.Context, c chat.Conversation, outcome string) error
}

// News is what a feed tells after a commit.
type News struct {
	Conversation chat.ConversationKey
	// Entries are the entries of one commit, in order. Empty means only that
	// there may be something to read.
	Entries []chat.Entry
	// Typing is set while the assistant works on a turn; such news has no
	// entries.
	Typing TypingState
}

// TypingState says whether somebody is about to answer.
type TypingState int

// The typing states.
const (
	TypingUnknown TypingState = iota
	TypingStarted
	TypingStopped
)

// Feed tells readers of conversations what was committed. News may be lost or
// repeated: a reader keeps the last sequence number it has shown and reads the
// rest from the log.
type Feed interface {
	// Subscribe calls tell for all news of a conversation until the returned
	// function is called. tell must not block; calls for one subscription
	// never overlap. since is the sequence number the reader starts from, for
	// the repair of lost news.
	Subscribe(key chat.ConversationKey, since int64, tell func(News)) (cancel func())
}

// Log reads what contacts see.
type Log interface {
	Entries(ctx context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error)
	VisiblePage(ctx context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error)
	ConversationByPlace(ctx context.Context, channel chat.ChannelID, place string) (chat.Conversation, error)
	Confirmed(ctx context.Context, key chat.ConversationKey, reader string) (seq int64, found bool, err error)
}

// Trace records frames and refusals for an integrator who watches one place.
type Trace interface {
	// Watched is cheap and tells whether building a record is worth it.
	Watched(channel chat.ChannelID, place string) bool
	Record(channel chat.ChannelID, place string, r TraceRecord)
}

// TraceRecord is one thing that went over a connection.
type TraceRecord struct {
	At time.Time `json:"at"`
	// Direction is "in", "out" or "note".
	Direction string `json:"direction"`
	// Kind is short: "frame", "grant", "start", "upgrade", "refused", "closed".
	Kind string `json:"kind"`
	// Body is the frame or request with secrets blanked.
	Body string `json:"body,omitempty"`
	// Reason says why something was refused.
	Reason string `json:"reason,omitempty"`
}
