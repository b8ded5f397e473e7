package store

import (
	"time"

	"parley/internal/chat"
)

// Owner names the holder of a claim: a node and its boot. An older boot of the
// same node has lost everything it held.
type Owner struct {
	Node string
	Boot int64
}

// OpenPlace finds or makes the conversation of a place, with its contact,
// identity and contact leg.
type OpenPlace struct {
	Channel     chat.ChannelID
	ChannelType string
	Place       string
	Person      chat.Person
	// Mode and Thread describe the contact leg.
	Mode   chat.LegMode
	Thread string
	Now    time.Time
}

// OpenedPlace is the outcome of [OpenPlace].
type OpenedPlace struct {
	Conversation chat.Conversation
	// Created is set when the conversation did not exist before.
	Created bool
	// Speaker is the contact behind Person, which in a place of several people
	// may be another one than the conversation's.
	Speaker chat.ContactID
}

// Dedupe recognises a repeat of an inbound entry.
type Dedupe struct {
	// Key is unique within the channel.
	Key string
	// Hash is of the normalised content. With a hash, a repeat is the same key
	// and the same hash; the same key with another hash is a new entry, and
	// from then on repeats of that key count for [ReusedKeyLife] only. An
	// empty hash means that the key alone decides.
	Hash []byte
	// HashContent makes the store hash the entry's content as it is stored; the
	// caller then gives no hash.
	HashContent bool
	// Life is how long a repeat is recognised.
	Life time.Duration
}

// ReusedKeyLife is how long repeats of a key count once an integration has
// used it for different contents.
const ReusedKeyLife = time.Minute

// Answerer names what answers, and how entries are collected for it.
type Answerer struct {
	Name    string
	Version int64
	// Collect puts entries that arrive during a turn into one next turn;
	// otherwise each entry gets its own.
	Collect bool
}

// Reply is what an assistant or the gateway says in one turn.
type Reply struct {
	// Entries are appended in order. Author, purpose and visibility are the
	// caller's; an entry may be a desk note.
	Entries []chat.Draft
	// State replaces the assistant's state when SetState is set.
	State    []byte
	SetState bool
	// Change, if not nil, moves control in the same commit, after the entries.
	Change *chat.Change
}

// Fold is a reply that was computed before the step was queued. It is committed
// with the inbound entry when the episode is still as it was seen and no turn
// is open; otherwise only the inbound entry and a turn are.
type Fold struct {
	// Episode is 0 when the reply was computed for a new episode.
	Episode  chat.EpisodeKey
	Epoch    int64
	Revision int64
	Reply    Reply
}

// Accept appends an inbound entry, opens an episode where needed, and records
// the turn owed for it.
type Accept struct {
	Conversation chat.ConversationKey
	// Origin is the leg that brought the entry.
	Origin chat.LegKey
	Draft  chat.Draft
	Dedupe *Dedupe
	// Raw is the input as it came, secrets removed, kept apart for RawLife.
	Raw     []byte
	RawLife time.Duration
	// External is the entry's id on its channel; it becomes a reference. Empty
	// for none. A repeat keeps the reference that is there.
	External string
	// Room, if not nil, moves in the same commit, also for a repeat.
	Room *Room
	// Carry leaves out the delivery of folded replies to the origin leg, for a
	// caller that brings them itself. It has no effect while a delivery of that
	// leg is open.
	Carry bool
	// Take, if not nil, claims the delivery of the first folded reply to the
	// origin leg in the commit that makes it. It has no effect while a delivery
	// of that leg is open, beyond its limit, and on replies that are carried.
	Take *Take
	// Answerer is used when an episode is opened; an open one keeps its own.
	Answerer Answerer
	// IdleBefore closes an open episode whose newest entry is older, with
	// outcome "idle". Zero closes none.
	IdleBefore time.Time
	// OwesTurn is false for entries nobody has to answer.
	OwesTurn bool
	// Owner claims the turn when it can run at once.
	Owner Owner
	Fold  *Fold
	Now   time.Time
}

// Take claims a delivery whose parts were made before it was: sending it costs
// no further commit.
type Take struct {
	Owner Owner
	// Limit is how many deliveries of the channel may be claimed at once, on all
	// nodes together. Two nodes that take in the same moment may exceed it by
	// what each has under way.
	Limit int
	Parts []chat.Part
}

// TakenDelivery is a delivery claimed by [Take].
type TakenDelivery struct {
	Key chat.DeliveryKey
	// Leg is the origin leg, without its channel's id.
	Leg chat.Leg
}

// Accepted is the outcome of [Accept].
type Accepted struct {
	// Entry is the stored entry; for a repeat, the earlier one, of which only
	// Conversation, Seq and CreatedAt are set.
	Entry chat.Entry
	// Duplicate is set for a repeat: nothing was changed.
	Duplicate bool
	// ReusedKey is set when the key was known with another content.
	ReusedKey bool
	// Episode is the open episode after the step.
	Episode chat.Episode
	// Folded is set when the fold was committed; Replies are its entries.
	Folded bool
	// Carried is set when the caller has to bring the replies itself.
	Carried bool
	Replies []chat.Entry
	// Taken is the delivery of Replies[0] to the origin leg, if it was claimed.
	Taken *TakenDelivery
	// Turn is what is owed: nil when folded, when nobody owes an answer, or
	// when control is not with the assistant. When its status is
	// [chat.TurnClaimed], the caller's owner has to run it now.
	Turn *chat.Turn
}

// FinishTurn commits the answer of a turn. It takes effect only while the turn
// is claimed by Owner. When the epoch moved meanwhile, visible entries become
// desk notes and neither state nor control change.
type FinishTurn struct {
	Conversation chat.ConversationKey
	Turn         chat.TurnKey
	Owner        Owner
	Epoch        int64
	Reply        Reply
	// Failed marks the turn as failed instead of done; Error is for operators.
	Failed bool
	Error  string
	Now    time.Time
}

// FinishedTurn is the outcome of [FinishTurn].
type FinishedTurn struct {
	// Lost is set when the claim was gone: nothing was stored.
	Lost bool
	// Late is set when control changed meanwhile and the reply was kept as
	// desk notes.
	Late    bool
	Entries []chat.Entry
	Episode chat.Episode
	// Next is the conversation's next turn, claimed for the same owner.
	Next *chat.Turn
}

// PostponeTurn gives a failed attempt back, to be tried again at DueAt.
type PostponeTurn struct {
	Conversation chat.ConversationKey
	Turn         chat.TurnKey
	Owner        Owner
	DueAt        time.Time
	Error        string
	// CountAttempt is false when the attempt was ended by a shutdown.
	CountAttempt bool
}

// Postponed is the outcome of [PostponeTurn].
type Postponed struct{ Lost bool }

// ClaimTurns claims due turns without a living owner, oldest first, at most one
// per conversation (its oldest open turn).
type ClaimTurns struct {
	Owner Owner
	Limit int
	Now   time.Time
}

// ClaimedTurns is the outcome of [ClaimTurns].
type ClaimedTurns struct{ Turns []chat.Turn }

// MoveControl changes who has control.
type MoveControl struct {
	Conversation chat.ConversationKey
	Episode      chat.EpisodeKey
	// Epoch is the one the caller saw.
	Epoch  int64
	Change chat.Change
	// Entries are appended before the move, such as a note to the contact.
	Entries []chat.Draft
	Now     time.Time
}

// MovedControl is the outcome of [MoveControl].
type MovedControl struct {
	// Stale is set when the episode was closed or its epoch moved: nothing
	// was stored.
	Stale   bool
	Episode chat.Episode
	Entries []chat.Entry
}

// Append adds entries that owe no answer (a late edit, a note of the gateway).
// They belong to the open episode, if there is one.
type Append struct {
	Conversation chat.ConversationKey
	Origin       chat.LegKey
	Entries      []chat.Draft
	// Dedupe, if not nil, makes a repeat of the whole step change nothing. Its
	// hash has to be empty: the key alone decides.
	Dedupe *Dedupe
	// External is the first entry's id on the channel; empty for none.
	External string
	// Room, if not nil, moves in the same commit, also for a repeat.
	Room *Room
	Now  time.Time
}

// Appended is the outcome of [Append].
type Appended struct {
	Entries []chat.Entry
	// Duplicate is set for a repeat: nothing was changed.
	Duplicate bool
}

// RenewLease takes or renews the node's lease on the database's clock.
type RenewLease struct {
	Node string
	// Boot is 0 for a fresh start: the node gets a new boot.
	Boot int64
	Life time.Duration
}

// RenewedLease is the outcome of [RenewLease].
type RenewedLease struct {
	// Boot is the node's boot now. It differs from the one given when the
	// lease had lapsed: everything held under the old boot is lost.
	Boot int64
	// Until is the end of the lease on the database's clock.
	Until time.Time
}

// UseOnce spends a single-use value.
type UseOnce struct {
	// Kind separates families of values, such as "rtm-sid".
	Kind string
	// Key is the value or its hash.
	Key string
	// ExpiresAt is when the row may be forgotten: not before the value itself
	// has expired.
	ExpiresAt time.Time
}

// UsedOnce is the outcome of [UseOnce].
type UsedOnce struct {
	// First is set for exactly one of all callers with the same kind and key.
	First bool
}

// ConfirmRead records how far a reader of a feed leg has certainly read. A
// smaller Seq than the stored one changes nothing.
type ConfirmRead struct {
	Conversation chat.ConversationKey
	// Reader names one access token or device.
	Reader    string
	Seq       int64
	ExpiresAt time.Time
	Now       time.Time
}

// ConfirmedRead is the outcome of [ConfirmRead].
type ConfirmedRead struct{}

// Sweep deletes expired rows in small steps: de-duplication, raw input, single
// use, readers, and deliveries that ended 30 days ago (failed ones 90). Finished
// turns are kept.
type Sweep struct {
	Now time.Time
	// Limit bounds the rows deleted per table.
	Limit int
}

// Swept is the outcome of [Sweep].
type Swept struct {
	Rows int
	// More is set when a limit was reached.
	More bool
}

func (OpenPlace) step()    {}
func (Accept) step()       {}
func (FinishTurn) step()   {}
func (PostponeTurn) step() {}
func (ClaimTurns) step()   {}
func (MoveControl) step()  {}
func (Append) step()       {}
func (RenewLease) step()   {}
func (UseOnce) step()      {}
func (ConfirmRead) step()  {}
func (Sweep) step()        {}
func (PutCatalog) step()   {}

func (OpenPlace) outcome(OpenedPlace)     {}
func (Accept) outcome(Accepted)           {}
func (FinishTurn) outcome(FinishedTurn)   {}
func (PostponeTurn) outcome(Postponed)    {}
func (ClaimTurns) outcome(ClaimedTurns)   {}
func (MoveControl) outcome(MovedControl)  {}
func (Append) outcome(Appended)           {}
func (RenewLease) outcome(RenewedLease)   {}
func (UseOnce) outcome(UsedOnce)          {}
func (ConfirmRead) outcome(ConfirmedRead) {}
func (Sweep) outcome(Swept)               {}
func (PutCatalog) outcome(StoredRevision) {}
