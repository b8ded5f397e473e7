package chat

// LegKind says which side of a conversation a leg joins.
type LegKind string

// The kinds of leg.
const (
	LegContact LegKind = "contact"
	LegDesk    LegKind = "desk"
)

// LegMode says how entries travel over a leg.
type LegMode string

// The modes. A feed leg reads the log itself; a push leg gets a delivery row
// for each entry.
const (
	LegFeed LegMode = "feed"
	LegPush LegMode = "push"
)

// Leg joins a conversation to a place outside.
type Leg struct {
	Key          LegKey
	Conversation ConversationKey
	// Episode is set on desk legs, which belong to one.
	Episode EpisodeKey
	Kind    LegKind
	Mode    LegMode
	Channel ChannelID
	// Place is the address on the channel.
	Place string
	// Thread is the root of the thread entries go to, or empty.
	Thread string
}

// Reaches reports whether an entry travels over a leg. It is the one rule of
// fan-out: an entry does not return to where it came from, desk entries stay
// with the desk, a desk leg sees only its own episode, and events stay inside.
func Reaches(e Entry, l Leg) bool {
	switch {
	case e.Conversation != l.Conversation, e.Purpose == Event:
		return false
	case e.Origin != 0 && e.Origin == l.Key && l.Mode == LegPush:
		// A feed leg is shared by all windows of its contact, and each window
		// skips only what it brought itself.
		return false
	case l.Kind == LegContact:
		return e.Visibility == VisibleToAll
	case l.Kind == LegDesk:
		return e.Episode == l.Episode
	default:
		return false
	}
}
