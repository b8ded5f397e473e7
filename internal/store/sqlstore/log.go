package sqlstore

import (
	"fmt"
	"slices"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// line is an entry about to be appended.
type line struct {
	draft   chat.Draft
	content string
	origin  chat.LegKey
	// episode is 0 for none.
	episode chat.EpisodeKey
	turn    chat.TurnKey
	raw     int64
	// carrier is a leg that gets no delivery, or 0.
	carrier chat.LegKey
	// taker, if not nil, claims the delivery to one leg.
	taker *taker
}

// placeholder is the stored content of a deleted entry.
const placeholder = `{"v":1,"type":"text"}`

// checkTargets refuses edits and deletions of what is not there, before the
// step changes anything.
func (v *conversation) checkTargets(drafts []chat.Draft) error {
	for i := range drafts {
		if err := v.checkTarget("entries", &drafts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (v *conversation) checkTarget(field string, d *chat.Draft) error {
	if d.Purpose != chat.Edit && d.Purpose != chat.Deletion {
		return nil
	}
	target := v.entries[d.Target]
	switch {
	case target == nil:
		return &fault.Error{Kind: fault.NotFound, Field: field + ".target", Safe: fmt.Sprintf("the conversation has no entry %d", d.Target)}
	case target.Purpose != chat.Message:
		return fault.Field(field+".target", "entry %d is no message", d.Target)
	default:
		return nil
	}
}

// appendLine gives an entry its place and makes its deliveries. Targets were
// checked.
func (b *batch) appendLine(v *conversation, l line, at int64) *entry {
	v.seq++
	e := &entry{
		Entry: chat.Entry{
			Draft: l.draft, Conversation: v.key, Seq: v.seq, Episode: l.episode, Origin: l.origin, CreatedAt: timeOf(at),
		},
		content: l.content, turn: l.turn, raw: l.raw, made: true,
	}
	switch l.draft.Purpose {
	case chat.Edit, chat.Deletion:
		b.applyEdit(v, e, at)
	default:
		e.Target = 0
	}
	if e.Visible() {
		v.visible++
		e.VisibleSeq = v.visible
		v.lastMark = l.draft.Content.Mark
	}
	e.visibleSoFar = v.visible
	v.lastAt = at
	v.dirty = true
	if ep := v.openEpisode(); ep != nil {
		ep.LastAt = e.CreatedAt // stored when the episode is closed; see episodeColumns
	}
	v.keep(e)
	b.deliver(v, e, l, at)
	return e
}

// applyEdit changes the target. The edit belongs to the target's episode, so
// that it reaches the desk that has seen the target, and is no more visible
// than it. An edit that arrives after the deletion is only counted.
func (b *batch) applyEdit(v *conversation, e *entry, at int64) {
	target := v.entries[e.Target]
	e.Episode = target.Episode
	if target.Visibility == chat.VisibleToDesk {
		e.Visibility = chat.VisibleToDesk
	}
	switch {
	case target.Deleted:
		if e.Purpose == chat.Edit {
			b.erase(e)
		}
		return
	case e.Purpose == chat.Deletion:
		b.erase(target)
		for _, edit := range v.edits[e.Target] {
			b.erase(edit)
		}
	default:
		target.content, target.Content = e.content, e.Content
		v.edited(e)
	}
	target.EditedAt = timeOf(at)
	target.dirty = true
}

// erase takes the content of an entry away.
func (b *batch) erase(e *entry) {
	e.content, e.Content = placeholder, chat.TextContent("")
	e.Deleted, e.dirty = true, true
	if e.raw != 0 {
		b.forgetRaw(e.raw)
		e.raw = 0
	}
}

// forgetRaw deletes raw input, whether it was stored or is about to be.
func (b *batch) forgetRaw(key int64) {
	for i, row := range b.rows[insertRaw] {
		if row[0] == key {
			b.rows[insertRaw] = append(b.rows[insertRaw][:i], b.rows[insertRaw][i+1:]...)
			return
		}
	}
	b.add(deleteRaw, []any{key})
}

func (v *conversation) keep(e *entry) {
	if v.entries == nil {
		v.entries = make(map[int64]*entry)
	}
	if have := v.entries[e.Seq]; have == nil {
		v.entries[e.Seq] = e
	}
}

// edited remembers an edit for the case that its target is deleted.
func (v *conversation) edited(e *entry) {
	if v.edits == nil {
		v.edits = make(map[int64][]*entry)
	}
	v.edits[e.Target] = append(v.edits[e.Target], e)
}

// deliver makes a row for each push leg the entry reaches, but for the carrier.
func (b *batch) deliver(v *conversation, e *entry, l line, at int64) {
	for _, leg := range v.push {
		if leg.Key == l.carrier || !chat.Reaches(e.Entry, leg.Leg) {
			continue
		}
		key, status, owner := chat.DeliveryKey(b.keys.take()), chat.DeliveryWaiting, store.Owner{}
		switch {
		case b.behind[leg.Key]:
			status = deliveryBehind
		case b.take(l.taker, leg, key):
			status, owner = chat.DeliveryClaimed, l.taker.Owner
		default:
			b.due = true
		}
		// Only what this batch itself inserts cannot end meanwhile.
		mark(&b.behind, leg.Key)
		mark(&b.busy, leg.Key)
		b.add(insertDelivery, []any{int64(key), int64(v.key), e.Seq, int64(leg.Key), leg.channel,
			deliveryStatuses.code(status), int64(0), at, owner.Node, owner.Boot, "", at, int64(0)})
	}
}

// pushes reports whether a leg gets deliveries.
func (v *conversation) pushes(leg chat.LegKey) bool {
	return slices.ContainsFunc(v.push, func(l pushLeg) bool { return l.Key == leg })
}
