package sqlstore

import (
	"github.com/google/uuid"

	"parley/internal/chat"
	"parley/internal/store"
)

// newID makes a public id. UUIDv7 sorts by time, which keeps the ids' indexes
// local.
func newID(prefix string) string { return prefix + uuid.Must(uuid.NewV7()).String() }

func (b *batch) openPlace(s store.OpenPlace) (any, error) {
	at := s.Now.UnixMilli()
	if c := b.places[placeKey{s.Channel, s.Place}]; c != nil {
		out := store.OpenedPlace{Conversation: *c, Speaker: c.ContactID}
		if s.Person.ExternalID != "" {
			out.Speaker = b.person(s, b.channel(s.Channel, s.ChannelType), at).contactID
		}
		return out, nil
	}
	channel := b.channel(s.Channel, s.ChannelType)
	who := b.person(s, channel, at)
	c := &chat.Conversation{
		Key: chat.ConversationKey(b.keys.take()), ID: chat.ConversationID(newID(chat.PrefixConversation)), Channel: s.Channel, Place: s.Place,
		Contact: who.contact, ContactID: who.contactID, Leg: chat.LegKey(b.keys.take()), CreatedAt: timeOf(at),
	}
	push := int64(0)
	if s.Mode == chat.LegPush {
		push = 1
	}
	b.add(insertConversation, []any{int64(c.Key), string(c.ID), channel, s.Place, int64(who.contact), int64(c.Leg),
		int64(0), int64(0), int64(0), int64(0), push, "", at, int64(0)})
	b.add(insertLeg, []any{int64(c.Leg), int64(c.Key), int64(0), legKinds.code(chat.LegContact), legModes.code(s.Mode), channel, s.Place, s.Thread, at})
	b.places[placeKey{s.Channel, s.Place}] = c
	return store.OpenedPlace{Conversation: *c, Created: true, Speaker: who.contactID}, nil
}

func (b *batch) channel(id chat.ChannelID, kind string) int64 {
	key, ok := b.channels[id]
	if !ok {
		key = b.keys.take()
		b.channels[id] = key
		b.add(insertChannel, []any{key, string(id), kind})
	}
	return key
}

// person finds or makes the identity and its contact.
func (b *batch) person(s store.OpenPlace, channel, at int64) *identity {
	key := identityKey{s.Channel, s.Person.ExternalID}
	if who := b.identities[key]; who != nil {
		who.learn(s.Person)
		return who
	}
	who := &identity{
		channelID: s.Channel, channel: channel, externalID: s.Person.ExternalID, contact: chat.ContactKey(b.keys.take()),
		contactID: chat.ContactID(newID(chat.PrefixContact)), verified: s.Person.Verified, name: s.Person.Name, made: true,
	}
	b.identities[key] = who
	b.add(insertContact, []any{int64(who.contact), string(who.contactID), who.name, at})
	b.add(insertIdentity, []any{channel, who.externalID, int64(who.contact), flag(who.verified), who.name, at})
	return who
}

// learn takes over what is newer. Whether a signature vouches is always said
// by the newest opening, so that an unsigned one is never taken for a signed.
func (i *identity) learn(p chat.Person) {
	if p.Name != "" && p.Name != i.name {
		i.name, i.dirty = p.Name, true
	}
	if p.Verified != i.verified {
		i.verified, i.dirty = p.Verified, true
	}
}
