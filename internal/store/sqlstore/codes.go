package sqlstore

import (
	"time"

	"parley/internal/chat"
	"parley/internal/store"
)

// codes stores the values of an enumeration as 1, 2, ... in the given order:
// append only. Code 0 is the empty value.
type codes[T ~string] []T

func (c codes[T]) code(v T) int64 {
	for i, have := range c {
		if have == v {
			return int64(i) + 1
		}
	}
	return 0
}

func (c codes[T]) value(code int64) T {
	if code < 1 || code > int64(len(c)) {
		return ""
	}
	return c[code-1]
}

var (
	controls     = codes[chat.Control]{chat.ControlAssistant, chat.ControlQueue, chat.ControlHuman, chat.ControlNone}
	authorKinds  = codes[chat.AuthorKind]{chat.ByContact, chat.ByAssistant, chat.ByAgent, chat.BySystem}
	visibilities = codes[chat.Visibility]{chat.VisibleToAll, chat.VisibleToDesk}
	purposes     = codes[chat.Purpose]{chat.Message, chat.Edit, chat.Deletion, chat.Event}
	statuses     = codes[chat.TurnStatus]{chat.TurnWaiting, chat.TurnClaimed, chat.TurnDone, chat.TurnFailed, chat.TurnDropped}
	legKinds     = codes[chat.LegKind]{chat.LegContact, chat.LegDesk}
	legModes     = codes[chat.LegMode]{chat.LegFeed, chat.LegPush}
)

// deliveryBehind is a waiting delivery that is known not to be the head of its
// leg: it is out of the way of those who look for what is due. Whoever ends the
// head puts the next one in its place.
const deliveryBehind chat.DeliveryStatus = "behind"

var (
	deliveryStatuses = codes[chat.DeliveryStatus]{
		chat.DeliveryWaiting, chat.DeliveryClaimed, deliveryBehind, chat.DeliverySent, chat.DeliveryFailed, chat.DeliveryDropped,
	}
	roomStatuses = codes[store.RoomStatus]{store.RoomLive, store.RoomCatchingUp, store.RoomGone}
)

// millis stores a time; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
