package mattermost

import (
	"strings"

	mm "parley/internal/mattermost"
)

// place is where something is said, as it stands in a conversation's place key.
type place struct {
	kind placeKind
	// room is the Mattermost channel.
	room string
	// root is the thread's root post, for a thread.
	root string
	// user is who writes, for a person in a room.
	user string
}

type placeKind string

// The kinds of place. Each begins its keys. A thread is a place of its own
// also in a direct message; flat places are one per direct message, and one per
// person in a room, where several people write past each other.
const (
	directPlace placeKind = "dm"
	threadPlace placeKind = "th"
	personPlace placeKind = "room"
	alertsPlace placeKind = "alerts"
)

// key is the place key.
func (p place) key() string {
	k := string(p.kind) + ":" + p.room
	switch p.kind {
	case threadPlace:
		k += ":" + p.root
	case personPlace:
		k += ":" + p.user
	}
	return k
}

// parsePlace reads what key writes.
func parsePlace(key string) (place, bool) {
	parts := strings.Split(key, ":")
	for _, id := range parts[1:] {
		if !mm.ValidID(id) {
			return place{}, false
		}
	}
	p := place{kind: placeKind(parts[0])}
	switch {
	case len(parts) == 2 && (p.kind == directPlace || p.kind == alertsPlace):
		p.room = parts[1]
	case len(parts) == 3 && p.kind == threadPlace:
		p.room, p.root = parts[1], parts[2]
	case len(parts) == 3 && p.kind == personPlace:
		p.room, p.user = parts[1], parts[2]
	default:
		return place{}, false
	}
	return p, true
}

// placeOf is the place of a post in a room of the given type. A group message
// is a room: several people write there.
func placeOf(roomType string, p mm.Post, r RepliesBody) place {
	direct := roomType == mm.DM
	where := r.Room
	switch {
	case p.RootID != "":
		where = r.Thread
	case direct:
		where = r.Direct
	}
	switch {
	case where == thread:
		return place{kind: threadPlace, room: p.ChannelID, root: p.Root()}
	case direct:
		return place{kind: directPlace, room: p.ChannelID}
	default:
		return place{kind: personPlace, room: p.ChannelID, user: p.UserID}
	}
}
