package store

import (
	"context"
	"time"

	"parley/internal/chat"
)

// ClaimDeliveries claims the due heads of legs: for each endpoint (channel) at
// most so many that no more than its limit are claimed by living owners, on all
// nodes together. A head that is claimed by an owner without a living lease, or
// by an older boot of its node, is claimed as uncertain.
type ClaimDeliveries struct {
	Owner Owner
	// PerEndpoint is the limit of an endpoint that Limits does not name.
	PerEndpoint int
	// Limits hold other limits; 0 claims nothing.
	Limits map[chat.ChannelID]int
	// Limit bounds the deliveries of this claim.
	Limit int
	Now   time.Time
}

// ClaimedDelivery is a delivery with all that sending it needs.
type ClaimedDelivery struct {
	chat.Delivery
	// Uncertain is set when an earlier claim was lost, or ended so: parts
	// without SentAt may have arrived.
	Uncertain bool
	// Parts are the stored ones; none before the first claim was rendered.
	Parts        []chat.Part
	Entry        chat.Entry
	Conversation chat.Conversation
	Leg          chat.Leg
	// Targets are, for an edit or a deletion, the references of its target and of
	// earlier edits of it on this leg, by entry and part; for a message, none.
	Targets []chat.Reference
	// Questions are the references of what the entry answers: the contact's
	// entries of its turn.
	Questions []chat.Reference
}

// ClaimedDeliveries is the outcome of [ClaimDeliveries].
type ClaimedDeliveries struct {
	Deliveries []ClaimedDelivery
	// NextDue is when the earliest open delivery that was not claimed becomes
	// due, among endpoints that are not at their limit; zero for none.
	NextDue time.Time
}

// RenderDelivery stores the parts of a claimed delivery that has none yet.
type RenderDelivery struct {
	Delivery chat.DeliveryKey
	Owner    Owner
	Parts    []chat.Part
}

// RenderedDelivery is the outcome of [RenderDelivery].
type RenderedDelivery struct {
	// Lost is set when the claim was gone: nothing was stored.
	Lost bool
	// Parts are the stored ones, which are those of an earlier rendering if
	// there was one.
	Parts []chat.Part
}

// SentPart records that the far side has taken a part, with its reference.
type SentPart struct {
	Delivery chat.DeliveryKey
	Owner    Owner
	Part     int
	// External is the far side's id; empty where it gives none.
	External string
	// Done ends the delivery as sent; it is set with its last part.
	Done bool
	Now  time.Time
}

// EndDelivery ends a claim without success: the delivery waits for another
// attempt, or ends for good.
type EndDelivery struct {
	Delivery chat.DeliveryKey
	Owner    Owner
	// Status is waiting, failed or dropped.
	Status chat.DeliveryStatus
	// DueAt is for a waiting one.
	DueAt time.Time
	Error string
	// CountAttempt is false when the attempt was ended by a shutdown.
	CountAttempt bool
	// Uncertain is set when parts without SentAt may have arrived. The next
	// claim says so, until a part has been sent; so does every claim after one
	// that was lost.
	Uncertain bool
	Now       time.Time
}

// ReleasedDelivery is the outcome of [SentPart] and [EndDelivery].
type ReleasedDelivery struct {
	// Lost is set when the claim was gone: nothing was stored.
	Lost bool
}

// MakeEndpointDue lets all waiting deliveries of an endpoint be tried now; of
// more than 10,000, those that come first, so that nobody else waits for long.
type MakeEndpointDue struct {
	Channel chat.ChannelID
	Now     time.Time
}

// MadeDue is the outcome of [MakeEndpointDue].
type MadeDue struct{ Deliveries int64 }

// ChangeDelivery is an operator's word: resend makes a failed or dropped
// delivery wait again (parts that were sent are not sent twice) and a waiting
// one due; drop ends an open or failed one. Anything else is a fault.Conflict,
// an unknown key fault.NotFound.
type ChangeDelivery struct {
	Delivery chat.DeliveryKey
	// Verb is "resend" or "drop".
	Verb string
	// Actor is for the audit row.
	Actor string
	Now   time.Time
}

// ChangedDelivery is the outcome of [ChangeDelivery].
type ChangedDelivery struct{ Delivery chat.Delivery }

// RoomStatus says how a room of a link is read.
type RoomStatus string

// The states of a room.
const (
	RoomLive       RoomStatus = "live"
	RoomCatchingUp RoomStatus = "catching up"
	// RoomGone is a room we are no longer in; its position is kept.
	RoomGone RoomStatus = "gone"
)

// Room is how far a room of a channel was read.
type Room struct {
	Room   string
	Status RoomStatus
	// Position is in the driver's own form.
	Position  string
	ChangedAt time.Time
}

// MoveRooms records how far rooms were read, where no entry does.
type MoveRooms struct {
	Channel     chat.ChannelID
	ChannelType string
	Rooms       []Room
	Now         time.Time
}

// MovedRooms is the outcome of [MoveRooms].
type MovedRooms struct{}

// ClaimLink takes or keeps the one connection of an account. It is free when
// nobody has it, or its owner has no living lease or a newer boot.
type ClaimLink struct {
	Account string
	Owner   Owner
	Now     time.Time
}

// ClaimedLink is the outcome of [ClaimLink].
type ClaimedLink struct {
	// Held is set when the link is the owner's now.
	Held bool
	// Holder is who has it.
	Holder Owner
}

// FreeLink gives a link back, if the owner has it.
type FreeLink struct {
	Account string
	Owner   Owner
}

// FreedLink is the outcome of [FreeLink].
type FreedLink struct{}

// SetAlert raises or clears an alert.
type SetAlert struct {
	// Name is stable for one condition of one subject.
	Name string
	// Raised is false to clear it.
	Raised bool
	Text   string
	Now    time.Time
}

// Alert is a condition that an owner should know of.
type Alert struct {
	Name     string
	Text     string
	RaisedAt time.Time
	// ClearedAt is zero while it holds.
	ClearedAt time.Time
	// Count grows by one each time it is raised anew.
	Count int64
}

// AlertSet is the outcome of [SetAlert].
type AlertSet struct {
	Alert Alert
	// Changed is set for the one caller that raised or cleared it.
	Changed bool
}

// DeliveryFilter narrows a list of deliveries.
type DeliveryFilter struct {
	Channel      chat.ChannelID
	Conversation chat.ConversationKey
	// Status is empty for open and failed ones.
	Status chat.DeliveryStatus
	// Before continues a list: only deliveries with a smaller key.
	Before chat.DeliveryKey
	// Limit is 1 to 500; 0 means 50. Newest first.
	Limit int
}

// DeliveryCount counts the deliveries of an endpoint.
type DeliveryCount struct {
	Channel chat.ChannelID
	// Open are waiting and claimed; Failed have ended so.
	Open, Failed int64
	// OldestOpen is when the oldest open one was made; zero for none.
	OldestOpen time.Time
}

// Deliveries reads deliveries, references, rooms and alerts.
type Deliveries interface {
	// Delivery returns a delivery with its parts, or fault.NotFound.
	Delivery(ctx context.Context, key chat.DeliveryKey) (chat.Delivery, []chat.Part, error)
	Deliveries(ctx context.Context, f DeliveryFilter) ([]chat.Delivery, error)
	DeliveryCounts(ctx context.Context) ([]DeliveryCount, error)
	// Reference returns the entry behind an id of the far side, or
	// fault.NotFound.
	Reference(ctx context.Context, ch chat.ChannelID, external string) (chat.Reference, error)
	// References returns the references of an entry.
	References(ctx context.Context, key chat.ConversationKey, seq int64) ([]chat.Reference, error)
	// HasPart reports whether a part with this id was made by this database.
	HasPart(ctx context.Context, id string) (bool, error)
	// Rooms returns the rooms of a channel, sorted by room.
	Rooms(ctx context.Context, ch chat.ChannelID) ([]Room, error)
	// Alerts returns those that hold and those cleared since the given time.
	Alerts(ctx context.Context, since time.Time) ([]Alert, error)
}

func (ClaimDeliveries) step() {}
func (RenderDelivery) step()  {}
func (SentPart) step()        {}
func (EndDelivery) step()     {}
func (MakeEndpointDue) step() {}
func (ChangeDelivery) step()  {}
func (MoveRooms) step()       {}
func (ClaimLink) step()       {}
func (FreeLink) step()        {}
func (SetAlert) step()        {}

func (ClaimDeliveries) outcome(ClaimedDeliveries) {}
func (RenderDelivery) outcome(RenderedDelivery)   {}
func (SentPart) outcome(ReleasedDelivery)         {}
func (EndDelivery) outcome(ReleasedDelivery)      {}
func (MakeEndpointDue) outcome(MadeDue)           {}
func (ChangeDelivery) outcome(ChangedDelivery)    {}
func (MoveRooms) outcome(MovedRooms)              {}
func (ClaimLink) outcome(ClaimedLink)             {}
func (FreeLink) outcome(FreedLink)                {}
func (SetAlert) outcome(AlertSet)                 {}
