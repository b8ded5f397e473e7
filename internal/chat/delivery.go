package chat

import "time"

// DeliveryKey is the row key of a delivery.
type DeliveryKey int64

// DeliveryStatus is where a delivery stands.
type DeliveryStatus string

// The states of a delivery. Waiting and claimed ones are open: the oldest open
// delivery of a leg holds up those behind it, and no other leg.
const (
	DeliveryWaiting DeliveryStatus = "waiting"
	DeliveryClaimed DeliveryStatus = "claimed"
	// DeliverySent has reached the far side as a whole.
	DeliverySent DeliveryStatus = "sent"
	// DeliveryFailed will not be tried again unless an operator asks for it.
	DeliveryFailed DeliveryStatus = "failed"
	// DeliveryDropped was given up by an operator, or had nothing to send.
	DeliveryDropped DeliveryStatus = "dropped"
)

// Delivery is an entry on its way over a push leg.
type Delivery struct {
	Key          DeliveryKey
	Conversation ConversationKey
	// Seq is the entry's sequence number.
	Seq     int64
	Leg     LegKey
	Channel ChannelID
	Status  DeliveryStatus
	// Attempts counts the tries that have ended in failure.
	Attempts int
	// DueAt is when the next attempt may start.
	DueAt time.Time
	// LastError is the newest failure, for operators.
	LastError string
	CreatedAt time.Time
	// EndedAt is zero while the delivery is open.
	EndedAt time.Time
}

// Part is one request of a delivery. Parts are made once, stored before the
// first of them is sent, and never change.
type Part struct {
	// Number counts from 1.
	Number int
	// ID is the part's key towards the far side: 26 characters [a-z0-9].
	ID string
	// Body is what to send, in the driver's own form.
	Body []byte
	// External is the far side's id of what was sent; empty for none.
	External string
	// SentAt is zero until the far side has taken the part.
	SentAt time.Time
}

// Reference joins an id of the far side to an entry.
type Reference struct {
	Channel      ChannelID
	External     string
	Conversation ConversationKey
	Seq          int64
	Leg          LegKey
	// Part is the number of the delivery's part; 0 for what came in.
	Part int
}
