package sqlstore

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/store"
)

type roomKey struct {
	channel int64
	room    string
}

// room is where a room is moved to.
type room struct {
	store.Room
	// order is the place in the queue of the step that moved it.
	order int
}

// moveRoom moves a room. Steps are decided in the order of conversations, but a
// room ends up where the last of the queue moves it.
func (b *batch) moveRoom(channel int64, to store.Room, now int64) {
	key := roomKey{channel, to.Room}
	if r := b.rooms[key]; r != nil && r.order > b.order {
		return
	}
	if to.ChangedAt.IsZero() {
		to.ChangedAt = timeOf(now)
	}
	b.rooms[key] = &room{Room: to, order: b.order}
}

func (b *batch) moveRooms(s store.MoveRooms) (any, error) {
	channel := b.channel(s.Channel, s.ChannelType)
	for _, to := range s.Rooms {
		b.moveRoom(channel, to, millis(s.Now))
	}
	return store.MovedRooms{}, nil
}

func (b *batch) changedRooms() {
	for _, key := range slices.SortedFunc(maps.Keys(b.rooms), func(x, y roomKey) int {
		return cmp.Or(cmp.Compare(x.channel, y.channel), strings.Compare(x.room, y.room))
	}) {
		r := b.rooms[key]
		b.add(putRoom, []any{key.channel, key.room, roomStatuses.code(r.Status), r.Position, millis(r.ChangedAt)})
	}
}

// arrived notes what an entry is called where it came from, and how far its
// room was read with it. For a repeat, e is nil.
func (b *batch) arrived(v *conversation, origin chat.LegKey, external string, to *store.Room, e *entry, now int64) {
	if e != nil && external != "" {
		b.refer(v.channelOf(origin), chat.Reference{External: external, Conversation: v.key, Seq: e.Seq, Leg: origin})
	}
	if to != nil {
		b.moveRoom(v.channelOf(origin), *to, now)
	}
}

// channelOf is the channel of a leg of the conversation.
func (v *conversation) channelOf(leg chat.LegKey) int64 {
	for _, l := range v.push {
		if l.Key == leg {
			return l.channel
		}
	}
	return v.channel
}

// refer stores a reference, unless the id is known already.
func (b *batch) refer(channel int64, r chat.Reference) {
	b.add(keepReference, []any{channel, r.External, int64(r.Conversation), r.Seq, int64(r.Leg), int64(r.Part), int64(0), ""})
}

func orderReference(a, b []any) int {
	return cmp.Or(cmp.Compare(a[0].(int64), b[0].(int64)), strings.Compare(a[1].(string), b[1].(string)))
}
