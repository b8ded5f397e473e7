package sqlstore

import (
	"slices"

	"parley/internal/chat"
)

// memory keeps the rows of recently changed conversations from one batch to the
// next. Where the writer is the only one, they are right; whatever writes
// conversations, episodes, open turns or push legs by another way has to forget
// them. Where there are others, only those are kept that have neither open turns
// nor push legs, and that they are right is found out when they are written; see
// [UpdateSame].
//
// It keeps two generations: when the young one is full it becomes the old one,
// and what nobody asks for again is forgotten with that.
type memory struct {
	young, old map[chat.ConversationKey]*conversation
}

// generation bounds a generation to a few megabytes.
const generation = 2048

func (m *memory) forget() { m.young, m.old = nil, nil }

// recall moves what is known of the conversations into the batch and returns
// those that have to be loaded.
func (m *memory) recall(b *batch, wanted map[chat.ConversationKey]bool) map[chat.ConversationKey]bool {
	if m.young == nil {
		return wanted
	}
	var unknown map[chat.ConversationKey]bool
	for key := range wanted {
		v := m.known(key)
		if v == nil {
			mark(&unknown, key)
			continue
		}
		v.recalled = true
		b.conversations[key] = v
	}
	return unknown
}

// recallAll does so if it knows all of them, where others write too: rows that
// are loaded are locked at once, and others when they are written, and with both
// in a batch two writers could wait for each other.
func (m *memory) recallAll(b *batch, p *pending) map[chat.ConversationKey]bool {
	if p.locking {
		return p.conversations
	}
	for key := range p.conversations {
		if m.known(key) == nil {
			return p.conversations
		}
	}
	return m.recall(b, p.conversations)
}

func (m *memory) known(key chat.ConversationKey) *conversation {
	if v := m.young[key]; v != nil {
		return v
	}
	return m.old[key]
}

// keep takes over the conversations of a batch that was committed under a stamp.
func (m *memory) keep(b *batch, exclusive bool, stamp int64) {
	for key, v := range b.conversations {
		switch {
		case exclusive:
		case v.recalled && !v.dirty:
			v.settle()
			continue
		case !v.dirty || v.openTurns > 0 || v.pushLegs > 0 || stamp == 0:
			m.drop(key)
			continue
		}
		v.stamp = stamp
		v.settle()
		if m.young == nil {
			m.young = make(map[chat.ConversationKey]*conversation, generation)
		}
		if len(m.young) >= generation {
			m.old, m.young = m.young, make(map[chat.ConversationKey]*conversation, generation)
		}
		m.young[key] = v
	}
}

// lose forgets the conversations of a batch that was not committed: they have
// been changed in place.
func (m *memory) lose(b *batch) {
	for key := range b.conversations {
		m.drop(key)
	}
}

func (m *memory) drop(key chat.ConversationKey) {
	delete(m.young, key)
	delete(m.old, key)
}

// settle makes a conversation look as if it had just been loaded.
func (v *conversation) settle() {
	v.dirty, v.recalled = false, false
	v.entries, v.edits = nil, nil
	v.turns = slices.DeleteFunc(v.turns, func(t *turn) bool { return !t.open() })
	for _, t := range v.turns {
		t.made, t.dirty = false, false
	}
	if v.episode != nil {
		v.episode.made, v.episode.dirty = false, false
	}
}
