// Package assistant is the contract of what answers by itself: a turn goes in,
// a reply comes out.
//
// An assistant sees the open episode of one conversation and nothing else. It
// keeps what it needs between turns in a state of its own, which the gateway
// stores with the reply, so that an answer and what led to it are one commit.
package assistant

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Input is what a reply is computed from.
type Input struct {
	// State is what the assistant returned last in this episode; nil in a new
	// one.
	State []byte
	// Entries are the contact's entries to answer, oldest first. A single
	// event entry named [chat.EventConnect] asks for a greeting.
	Entries []chat.Entry
	// Lang is the language the contact's client reports, or empty.
	Lang string
	Now  time.Time
}

// Turn is an input with the way to read more.
type Turn struct {
	Input
	Conversation chat.ConversationID
	Episode      chat.EpisodeID
	// Attempt counts from 1.
	Attempt int
	// Key is stable over all attempts of the turn, for services that can drop
	// repeats.
	Key string
}

// HandOver asks for a person.
type HandOver struct {
	// Queue is the queue to put the episode into.
	Queue string
	// Unavailable is said instead when nobody can be reached; the assistant
	// then keeps control.
	Unavailable chat.Content
}

// Reply is what the assistant says.
type Reply struct {
	// Messages are said in order; none is a valid answer.
	Messages []chat.Content
	// State replaces the state when not nil.
	State []byte
	// HandOver, if not nil, asks for a person after the messages.
	HandOver *HandOver
	// Finish ends the episode after the messages.
	Finish bool
}

// Assistant answers turns.
type Assistant interface {
	// Answer computes the reply to a turn. An error means that another attempt
	// may work: it is retried with back-off. The context ends when the node
	// stops or the turn has taken too long.
	Answer(ctx context.Context, turn Turn) (Reply, error)
	// Collects reports whether entries that arrive during a turn are answered
	// together; otherwise each gets its own answer.
	Collects() bool
}

// Instant is the ability to answer without I/O in under a millisecond. The
// gateway then commits question and answer together.
type Instant interface {
	// Instant must depend on its input only. ok is false when this input needs
	// a turn.
	Instant(in Input) (reply Reply, ok bool)
}

// Kind makes assistants of one kind from their definitions.
type Kind interface {
	// Name is what the catalog calls the kind, such as "flow".
	Name() string
	// Compile checks a definition and returns the assistant it describes. file
	// is the name to use in errors, which are fault.Invalid and give line and
	// column.
	Compile(file string, definition []byte) (Assistant, error)
}
