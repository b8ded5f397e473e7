package chat

import (
	"fmt"
	"slices"
	"time"
)

// Control says who may speak to the contact now.
type Control string

// The holders of control.
const (
	ControlAssistant Control = "assistant"
	ControlQueue     Control = "queue"
	ControlHuman     Control = "human"
	ControlNone      Control = "none"
)

// Episode is one handling of a conversation. At most one is open per
// conversation.
type Episode struct {
	Key          EpisodeKey
	ID           EpisodeID
	Conversation ConversationKey
	Control      Control
	// Epoch grows by one with every change of control; work that was computed
	// under another epoch is not committed.
	Epoch int64
	// Assistant and Version name what answers; the version an episode began
	// with stays until it ends.
	Assistant string
	Version   int64
	// State is what the assistant keeps between turns; only it reads it.
	State []byte
	// Revision grows by one with every change of State.
	Revision int64
	Queue    string
	Agent    string
	Outcome  string
	OpenedAt time.Time
	// LastAt is the time of the conversation's newest entry so far; in a closed
	// episode, of the newest one before its end.
	LastAt time.Time
	// ClosedAt is zero while the episode is open.
	ClosedAt time.Time
}

// Open reports whether the episode still accepts entries.
func (e Episode) Open() bool { return e.Key != 0 && e.ClosedAt.IsZero() }

// Move is a named change of control.
type Move string

// The moves. Their drawing stands in docs/architecture.md and is checked
// against [Moves] by a test.
const (
	// HandOver puts the episode into a queue.
	HandOver Move = "hand over"
	// Take gives control to an agent.
	Take Move = "take"
	// GiveBack returns control to the assistant, from an agent or a queue.
	GiveBack Move = "give back"
	// Requeue puts an agent's episode back into a queue.
	Requeue Move = "requeue"
	// Finish ends the episode.
	Finish Move = "finish"
)

// moves maps holder and move to the next holder. What is missing is refused.
var moves = map[Control]map[Move]Control{
	ControlAssistant: {HandOver: ControlQueue, Take: ControlHuman, Finish: ControlNone},
	ControlQueue:     {Take: ControlHuman, GiveBack: ControlAssistant, Finish: ControlNone},
	ControlHuman:     {Requeue: ControlQueue, GiveBack: ControlAssistant, Finish: ControlNone},
}

// Moves lists every allowed change of control as "from -move-> to", sorted.
func Moves() []string {
	var all []string
	for from, by := range moves {
		for move, to := range by {
			all = append(all, fmt.Sprintf("%s -%s-> %s", from, move, to))
		}
	}
	slices.Sort(all)
	return all
}

// Change asks for a move. Queue, Agent and Outcome are used by the moves that
// need them.
type Change struct {
	Move    Move
	Queue   string
	Agent   string
	Outcome string
	At      time.Time
}

// Apply returns the episode after the change, with a new epoch, or an error
// when the holder of control does not allow the move.
func (e Episode) Apply(c Change) (Episode, error) {
	if !e.Open() {
		return e, fmt.Errorf("episode %s is closed", e.ID)
	}
	to, ok := moves[e.Control][c.Move]
	if !ok {
		return e, fmt.Errorf("%q is not possible while control is with %q", c.Move, e.Control)
	}
	e.Control = to
	e.Epoch++
	e.Queue, e.Agent = "", ""
	switch to {
	case ControlQueue:
		e.Queue = c.Queue
	case ControlHuman:
		e.Agent = c.Agent
	case ControlNone:
		e.Outcome, e.ClosedAt = c.Outcome, c.At
	}
	return e, nil
}

// TurnStatus is where a turn stands.
type TurnStatus string

// The states of a turn. Waiting and claimed turns are open.
const (
	// TurnWaiting has no owner; it runs when due and when it is the oldest
	// open turn of its conversation.
	TurnWaiting TurnStatus = "waiting"
	// TurnClaimed is being worked on by a node.
	TurnClaimed TurnStatus = "claimed"
	// TurnDone has its answer in the log.
	TurnDone TurnStatus = "done"
	// TurnFailed was given up; the person was told, an operator can list it.
	TurnFailed TurnStatus = "failed"
	// TurnDropped lost its right to answer by a change of control.
	TurnDropped TurnStatus = "dropped"
)

// Turn is an answer owed to the contact's entries in [FirstSeq, LastSeq].
type Turn struct {
	Key          TurnKey
	Conversation ConversationKey
	Episode      EpisodeKey
	Status       TurnStatus
	// FirstSeq and LastSeq bound the collected entries; entries of other
	// authors in between are not part of the turn.
	FirstSeq, LastSeq int64
	// Epoch is the episode's epoch when the turn was made.
	Epoch int64
	// Attempts counts the tries that have ended in failure.
	Attempts int
	// DueAt is when the next attempt may start.
	DueAt time.Time
	// LastError is the newest failure, for operators.
	LastError string
}
