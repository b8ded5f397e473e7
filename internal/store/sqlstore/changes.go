package sqlstore

import (
	"cmp"
	"maps"
	"slices"
)

// changes lists what the batch has to write. Updates come before inserts, so
// that an episode is closed before its successor is opened, and rows are sorted
// by key, which is kind to B-trees.
func (b *batch) changes() []Write {
	for _, key := range slices.Sorted(maps.Keys(b.conversations)) {
		b.changed(b.conversations[key])
	}
	for _, i := range b.identities {
		if i.dirty && !i.made {
			b.add(updateIdentity, []any{i.channel, i.externalID, flag(i.verified), i.name})
		}
	}
	b.changedDedupes()
	b.changedReaders()
	b.changedDeliveries()
	b.changedRooms()
	slices.SortFunc(b.rows[keepReference], orderReference)
	var writes []Write
	for _, c := range writeOrder {
		if rows := b.rows[c]; len(rows) > 0 {
			writes = append(writes, Write{Change: c, Rows: rows})
		}
	}
	return writes
}

var writeOrder = []*Change{
	updateConversation, updateRecalled, updateEpisode, updateTurn, updateEntry, updateDedupe, updateIdentity, deleteRaw,
	updateDelivery, promoteDelivery, updatePart,
	insertChannel, insertContact, insertIdentity, insertConversation, insertLeg, insertEpisode, insertEntry, insertRaw,
	insertTurn, insertDedupe, insertDelivery, insertPart, keepReference, putRoom, insertOnce, putReader,
}

func (b *batch) changed(v *conversation) {
	if e := v.episode; e != nil {
		// Who remembers the conversation finds out by its row.
		v.dirty = v.dirty || e.made || e.dirty
		b.episode(e)
	}
	switch {
	case v.dirty && v.recalled && v.stamp != 0:
		b.add(updateRecalled, v.recalledRow())
	case v.dirty:
		b.add(updateConversation, v.row())
	}
	for _, t := range v.turns {
		switch {
		case t.made:
			b.add(insertTurn, t.insertRow())
		case t.dirty:
			b.add(updateTurn, t.updateRow())
		}
	}
	for _, seq := range sortedSeqs(v.entries) {
		switch e := v.entries[seq]; {
		case e.made:
			b.add(insertEntry, e.insertRow())
		case e.dirty:
			b.add(updateEntry, e.updateRow())
		}
	}
}

// episode is also called for an episode that gives way to a new one.
func (b *batch) episode(e *episode) {
	switch {
	case e.made:
		b.add(insertEpisode, e.insertRow())
	case e.dirty:
		b.add(updateEpisode, e.updateRow())
	}
	e.made, e.dirty = false, false
}

func (b *batch) changedDedupes() {
	for _, key := range slices.SortedFunc(maps.Keys(b.dedupes), orderDedupe) {
		d := b.dedupes[key]
		switch {
		case d.made:
			b.add(insertDedupe, d.row())
		case d.dirty:
			b.add(updateDedupe, d.row())
		}
	}
}

func (b *batch) changedReaders() {
	for _, key := range slices.SortedFunc(maps.Keys(b.readers), orderReader) {
		r := b.readers[key]
		b.add(putReader, []any{int64(key.conversation), key.reader, r.seq, r.confirmedAt, r.expiresAt})
	}
}

func sortedSeqs(entries map[int64]*entry) []int64 {
	if len(entries) == 0 {
		return nil
	}
	seqs := make([]int64, 0, len(entries))
	for seq := range entries {
		seqs = append(seqs, seq)
	}
	slices.SortFunc(seqs, cmp.Compare[int64])
	return seqs
}
