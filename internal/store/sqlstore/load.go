package sqlstore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/store"
)

// pending collects the distinct keys that a batch has to load.
type pending struct {
	conversations map[chat.ConversationKey]bool
	// accepting are those of the conversations that an Accept writes.
	accepting map[chat.ConversationKey]bool
	// locking is set when steps need rows that others may be about to change.
	locking    bool
	dedupes    map[readerKey]bool
	targets    map[targetKey]bool
	deletions  map[targetKey]bool
	channels   map[chat.ChannelID]bool
	identities map[identityKey]bool
	places     map[placeKey]bool
	once       map[onceKey]bool
	deliveries map[chat.DeliveryKey]bool
	ending     map[chat.DeliveryKey]bool
	rendered   map[chat.DeliveryKey]bool
	parts      map[partKey]bool
	busy       map[chat.LegKey]bool
}

type targetKey struct {
	conversation chat.ConversationKey
	seq          int64
}

func mark[K comparable](m *map[K]bool, key K) {
	if *m == nil {
		*m = make(map[K]bool)
	}
	(*m)[key] = true
}

func (p *pending) draft(key chat.ConversationKey, d chat.Draft) {
	switch d.Purpose {
	case chat.Edit:
		mark(&p.targets, targetKey{key, d.Target})
	case chat.Deletion:
		mark(&p.targets, targetKey{key, d.Target})
		mark(&p.deletions, targetKey{key, d.Target})
	}
}

func (p *pending) drafts(key chat.ConversationKey, drafts []chat.Draft) {
	for _, d := range drafts {
		p.draft(key, d)
	}
}

func (p *pending) step(step any) {
	switch step.(type) {
	case store.Accept, store.ConfirmRead, store.OpenPlace, store.UseOnce:
	default:
		p.locking = true
	}
	switch s := step.(type) {
	case store.OpenPlace:
		mark(&p.channels, s.Channel)
		mark(&p.identities, identityKey{s.Channel, s.Person.ExternalID})
		mark(&p.places, placeKey{s.Channel, s.Place})
	case store.Accept:
		mark(&p.conversations, s.Conversation)
		mark(&p.accepting, s.Conversation)
		p.draft(s.Conversation, s.Draft)
		if s.Dedupe != nil {
			mark(&p.dedupes, readerKey{s.Conversation, s.Dedupe.Key})
		}
		if s.Fold != nil {
			p.drafts(s.Conversation, s.Fold.Reply.Entries)
			if s.Carry || s.Take != nil {
				mark(&p.busy, s.Origin)
			}
		}
	case store.FinishTurn:
		mark(&p.conversations, s.Conversation)
		p.drafts(s.Conversation, s.Reply.Entries)
	case store.PostponeTurn:
		mark(&p.conversations, s.Conversation)
	case store.MoveControl:
		mark(&p.conversations, s.Conversation)
		p.drafts(s.Conversation, s.Entries)
	case store.Append:
		mark(&p.conversations, s.Conversation)
		p.drafts(s.Conversation, s.Entries)
		if s.Dedupe != nil {
			mark(&p.dedupes, readerKey{s.Conversation, s.Dedupe.Key})
		}
	case store.RenderDelivery, store.SentPart, store.EndDelivery, store.MoveRooms:
		p.delivery(step)
	case store.UseOnce:
		mark(&p.once, onceKey{s.Kind, s.Key})
	case store.ConfirmRead:
		mark(&p.conversations, s.Conversation)
	}
}

// keysOf makes the keys of a load from a set, sorted so that two nodes lock
// rows in one order.
func keysOf[K comparable](set map[K]bool, order func(a, b K) int, key func(K) []any) [][]any {
	if len(set) == 0 {
		return nil
	}
	all := make([][]any, 0, len(set))
	for _, k := range slices.SortedFunc(maps.Keys(set), order) {
		all = append(all, key(k))
	}
	return all
}

func byKey[K ~int64](k K) []any { return []any{int64(k)} }

func byReader(k readerKey) []any { return []any{int64(k.conversation), k.reader} }

func orderReader(a, b readerKey) int {
	return cmp.Or(cmp.Compare(a.conversation, b.conversation), strings.Compare(a.reader, b.reader))
}

func byTarget(k targetKey) []any { return []any{int64(k.conversation), k.seq} }

func orderTarget(a, b targetKey) int {
	return cmp.Or(cmp.Compare(a.conversation, b.conversation), cmp.Compare(a.seq, b.seq))
}

// loads lists the lookups for a batch; load are the conversations that are not
// known yet. Conversations come first: their locks make everything read after
// them current. Who decides by remembered ones has no locks, and reads nothing
// that others may be about to change but keys.
func (b *batch) loads(p *pending, load map[chat.ConversationKey]bool) []Load {
	conversations := keysOf(load, cmp.Compare[chat.ConversationKey], byKey)
	var loads []Load
	add := func(l *Lookup, keys [][]any, scan func(Row) error, need func([]any) bool) {
		if len(keys) > 0 {
			loads = append(loads, Load{Lookup: l, Keys: keys, Scan: scan, Need: need, Rare: l == lookupTurns || l == lookupPushLegs})
		}
	}
	needs := func(which func(*conversation) bool) func([]any) bool {
		return func(key []any) bool {
			v := b.conversations[chat.ConversationKey(key[0].(int64))]
			return v != nil && which(v)
		}
	}
	add(lookupConversation, conversations, b.loadConversation, nil)
	add(lookupEpisode, conversations, b.loadEpisode, needs(func(v *conversation) bool { return v.episodeID != 0 }))
	add(lookupTurns, conversations, b.loadTurn, needs(func(v *conversation) bool { return v.openTurns > 0 }))
	add(lookupPushLegs, conversations, b.loadLeg, needs(func(v *conversation) bool { return v.pushLegs > 0 }))
	add(lookupDedupe, keysOf(p.dedupes, orderReader, byReader), b.loadDedupe, nil)
	add(lookupEntry, keysOf(p.targets, orderTarget, byTarget), b.loadTarget, nil)
	add(lookupEdits, keysOf(p.deletions, orderTarget, byTarget), b.loadEdit, nil)
	add(lookupChannel, keysOf(p.channels, cmp.Compare[chat.ChannelID], func(k chat.ChannelID) []any { return []any{string(k)} }), b.loadChannel, nil)
	add(lookupIdentity, keysOf(p.identities, func(x, y identityKey) int {
		return cmp.Or(cmp.Compare(x.channel, y.channel), strings.Compare(x.externalID, y.externalID))
	}, func(k identityKey) []any { return []any{string(k.channel), k.externalID} }), b.loadIdentity, nil)
	add(lookupPlace, keysOf(p.places, func(x, y placeKey) int {
		return cmp.Or(cmp.Compare(x.channel, y.channel), strings.Compare(x.place, y.place))
	}, func(k placeKey) []any { return []any{string(k.channel), k.place} }), b.loadPlace, nil)
	add(lookupOnce, keysOf(p.once, func(x, y onceKey) int {
		return cmp.Or(strings.Compare(x.kind, y.kind), strings.Compare(x.key, y.key))
	}, func(k onceKey) []any { return []any{k.kind, k.key} }), b.loadOnce, nil)
	add(lookupDelivery, keysOf(p.deliveries, cmp.Compare[chat.DeliveryKey], byKey), b.loadDelivery, nil)
	add(lookupNext, keysOf(p.ending, cmp.Compare[chat.DeliveryKey], byKey), b.loadNext, nil)
	add(lookupParts, keysOf(p.rendered, cmp.Compare[chat.DeliveryKey], byKey), b.loadParts, nil)
	add(lookupPart, keysOf(p.parts, orderPart, byPart), b.loadPart, nil)
	add(lookupBusy, keysOf(p.busy, cmp.Compare[chat.LegKey], byKey), b.loadBusy, nil)
	return loads
}

func (b *batch) loadConversation(r Row) error {
	v := &conversation{}
	if err := scanConversation(r, v); err != nil {
		return err
	}
	b.conversations[v.key] = v
	return nil
}

func (b *batch) loadEpisode(r Row) error {
	e := &episode{}
	var collect int64
	if err := scanEpisode(r, &e.Episode, &collect, &e.queuedAt); err != nil {
		return err
	}
	e.collect = collect != 0
	if v := b.conversations[e.Conversation]; v != nil {
		v.episode = e
	}
	return nil
}

func (b *batch) loadTurn(r Row) error {
	t := &turn{}
	if err := scanTurn(r, t, &t.owner.Node, &t.owner.Boot); err != nil {
		return err
	}
	if v := b.conversations[t.Conversation]; v != nil {
		v.turns = append(v.turns, t)
		slices.SortFunc(v.turns, func(x, y *turn) int { return cmp.Compare(x.FirstSeq, y.FirstSeq) })
	}
	return nil
}

func (b *batch) loadLeg(r Row) error {
	var l chat.Leg
	var kind, mode, channel int64
	if err := r.Scan((*int64)(&l.Key), (*int64)(&l.Conversation), (*int64)(&l.Episode), &kind, &mode, &channel, &l.Place, &l.Thread); err != nil {
		return err
	}
	l.Kind, l.Mode = legKinds.value(kind), legModes.value(mode)
	if v := b.conversations[l.Conversation]; v != nil {
		v.push = append(v.push, pushLeg{l, channel})
	}
	return nil
}

func (b *batch) loadDedupe(r Row) error {
	d := &dedupe{}
	var reused int64
	var recent []byte
	if err := r.Scan(&d.channel, &d.key, &d.Hash, (*int64)(&d.Conversation), &d.Seq, &d.CreatedAt, &d.CountsUntil, &reused, &recent, &d.expiresAt); err != nil {
		return err
	}
	d.reused = reused != 0
	if len(recent) > 0 {
		if err := json.Unmarshal(recent, &d.recent); err != nil {
			return fmt.Errorf("recent contents of a reused key: %w", err)
		}
	}
	b.dedupes[dedupeKey{d.channel, d.key}] = d
	return nil
}

func (b *batch) loadTarget(r Row) error {
	e := &entry{}
	if err := scanEntry(r, e, &e.raw); err != nil {
		return err
	}
	if v := b.conversations[e.Conversation]; v != nil {
		v.keep(e)
	}
	return nil
}

func (b *batch) loadEdit(r Row) error {
	e := &entry{}
	if err := scanEntry(r, e, &e.raw); err != nil {
		return err
	}
	if v := b.conversations[e.Conversation]; v != nil && e.Purpose == chat.Edit {
		v.keep(e)
		v.edited(e)
	}
	return nil
}

func (b *batch) loadChannel(r Row) error {
	var key int64
	var id string
	err := r.Scan(&key, &id)
	b.channels[chat.ChannelID(id)] = key
	return err
}

func (b *batch) loadIdentity(r Row) error {
	i := &identity{}
	var channel, contact string
	var verified int64
	if err := r.Scan(&channel, &i.channel, &i.externalID, (*int64)(&i.contact), &contact, &verified, &i.name); err != nil {
		return err
	}
	i.channelID, i.contactID, i.verified = chat.ChannelID(channel), chat.ContactID(contact), verified != 0
	b.identities[identityKey{i.channelID, i.externalID}] = i
	return nil
}

func (b *batch) loadPlace(r Row) error {
	c := &chat.Conversation{}
	if err := scanPlace(r, c); err != nil {
		return err
	}
	b.places[placeKey{c.Channel, c.Place}] = c
	return nil
}

func (b *batch) loadOnce(r Row) error {
	var k onceKey
	err := r.Scan(&k.kind, &k.key)
	b.once[k] = true
	return err
}
