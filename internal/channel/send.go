package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

// Sender is the ability of a driver whose legs are pushed: one delivery per
// entry and leg, sent in order on each leg. All methods may be called for
// several legs at once.
type Sender interface {
	// Name is the type of channel it sends for.
	Name() string
	// Render turns an entry into the parts to send, in order. None means that
	// there is nothing to send. It must not send anything, and its outcome is
	// stored before the first part is sent. IDs are given out by the caller. An
	// error is a [*SendError].
	//
	// It may be called before a message is stored, and once more afterwards. So
	// the parts of a message must not depend on what storing gives: the numbers
	// of delivery and entry, the leg's thread, and the questions.
	Render(ctx context.Context, o Outgoing) ([][]byte, error)
	// Send sends one part and returns the far side's id for it, which may be
	// empty. An error is a [*SendError]; any other is taken for uncertain.
	Send(ctx context.Context, o Outgoing, p chat.Part) (external string, err error)
	// Find looks for a part that may have arrived. Where the far side cannot be
	// asked it returns [ErrCannotFind]: the part is then sent again and counted.
	Find(ctx context.Context, o Outgoing, p chat.Part) (external string, found bool, err error)
	// Failed shows people on the far side that an entry will not arrive, where
	// that is possible. It is called at least once after the failure is stored.
	Failed(ctx context.Context, o Outgoing) error
}

// Outgoing is an entry on its way over a leg.
type Outgoing struct {
	Delivery     chat.DeliveryKey
	Conversation chat.Conversation
	Leg          chat.Leg
	Entry        chat.Entry
	// Targets are the references of what an edit or a deletion is about, and of
	// what earlier edits of it have added, on this leg, by entry and part.
	Targets []chat.Reference
	// Questions are the references of what the entry answers.
	Questions []chat.Reference
	// Attempt counts from 1.
	Attempt int
}

// ErrCannotFind says that a far side cannot be asked for a part.
var ErrCannotFind = errors.New("the far side cannot be asked for what it has")

// SendOutcome says what a failed attempt means.
type SendOutcome string

// The outcomes of a failed attempt.
const (
	// SendPermanent will fail again however often it is tried.
	SendPermanent SendOutcome = "permanent"
	// SendTemporary may work later.
	SendTemporary SendOutcome = "temporary"
	// SendLimited may work after the delay the far side has asked for.
	SendLimited SendOutcome = "limited"
	// SendUncertain may have arrived: the request was written and no answer
	// came.
	SendUncertain SendOutcome = "uncertain"
)

// SendError is a failed attempt.
type SendError struct {
	Outcome SendOutcome
	// Delay is for [SendLimited].
	Delay time.Duration
	// Endpoint is set when the failure concerns the far side as a whole, not
	// this entry: everything to it would fail now.
	Endpoint bool
	Cause    error
}

func (e *SendError) Error() string { return fmt.Sprintf("%s: %v", e.Outcome, e.Cause) }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Cause }
