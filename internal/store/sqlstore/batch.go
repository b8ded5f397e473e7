package sqlstore

import (
	"errors"
	"time"

	"parley/internal/chat"
)

// batch is the loaded rows of one transaction and what the steps made of them.
// Steps change it without I/O; changes() then lists what to write.
type batch struct {
	// now is the writer's clock, for steps without a time of their own.
	now  time.Time
	keys *keyBlock

	conversations map[chat.ConversationKey]*conversation
	channels      map[chat.ChannelID]int64
	identities    map[identityKey]*identity
	places        map[placeKey]*chat.Conversation
	dedupes       map[dedupeKey]*dedupe
	once          map[onceKey]bool
	readers       map[readerKey]reader
	deliveries    map[chat.DeliveryKey]*delivery
	rooms         map[roomKey]*room
	// busy are the legs known to have open deliveries; of those in behind, one
	// is inserted by this batch.
	busy, behind map[chat.LegKey]bool
	// claimed counts the claimed deliveries of channels that replies may be taken
	// for.
	claimed map[int64]int64
	// due is set when a delivery was inserted that somebody has to claim.
	due bool
	// order is the place in the queue of the step being decided.
	order int

	// Rows that are only ever inserted or deleted, in order.
	rows map[*Change][][]any
}

type (
	identityKey struct {
		channel    chat.ChannelID
		externalID string
	}
	placeKey struct {
		channel chat.ChannelID
		place   string
	}
	dedupeKey struct {
		channel int64
		key     string
	}
	onceKey   struct{ kind, key string }
	readerKey struct {
		conversation chat.ConversationKey
		reader       string
	}
)

func newBatch(now time.Time, keys *keyBlock) *batch {
	return &batch{
		now: now, keys: keys,
		conversations: make(map[chat.ConversationKey]*conversation),
		channels:      make(map[chat.ChannelID]int64),
		identities:    make(map[identityKey]*identity),
		places:        make(map[placeKey]*chat.Conversation),
		dedupes:       make(map[dedupeKey]*dedupe),
		once:          make(map[onceKey]bool),
		readers:       make(map[readerKey]reader),
		deliveries:    make(map[chat.DeliveryKey]*delivery),
		rooms:         make(map[roomKey]*room),
		claimed:       make(map[int64]int64),
		rows:          make(map[*Change][][]any),
	}
}

// keyBlock gives out row keys that the database has reserved.
type keyBlock struct{ next, end int64 }

// errKeys means that a batch needs more keys than were reserved.
var errKeys = errors.New("out of reserved keys")

func (k *keyBlock) left() int64 { return k.end - k.next }

// take panics with errKeys when none is left; the writer makes sure that there
// are enough before it decides.
func (k *keyBlock) take() int64 {
	if k.next >= k.end {
		panic(errKeys)
	}
	k.next++
	return k.next - 1
}

func (b *batch) add(c *Change, row []any) { b.rows[c] = append(b.rows[c], row) }
