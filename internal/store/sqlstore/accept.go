package sqlstore

import (
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// idleOutcome is the outcome of an episode that was closed for silence.
const idleOutcome = "idle"

func (b *batch) accept(s store.Accept, contents []string) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	now := s.Now.UnixMilli()
	known := v.repeat(b, s.Dedupe, now)
	if known.repeated != nil {
		b.arrived(v, s.Origin, "", s.Room, nil, now)
		return store.Accepted{Entry: known.repeated.entry(), Duplicate: true, Episode: v.publicEpisode()}, nil
	}
	if err := v.checkTarget("draft", &s.Draft); err != nil {
		return nil, err
	}
	if s.Fold != nil {
		if err := v.checkReply(s.Fold.Reply); err != nil {
			return nil, err
		}
	}
	at := v.clock(s.Now)
	fresh := v.prepareEpisode(b, s, at)
	in := line{draft: s.Draft, content: contents[0], origin: s.Origin, raw: b.keepRaw(v, s)}
	if ep := v.openEpisode(); ep != nil {
		in.episode = ep.Key
	}
	out := store.Accepted{ReusedKey: known.reused}
	folded := s.Fold != nil && v.foldHolds(s.Fold, fresh)
	t := b.owe(v, s, folded, &in)
	e := b.appendLine(v, in, at)
	b.remember(v, s.Dedupe, e, now)
	b.arrived(v, s.Origin, s.External, s.Room, e, now)
	out.Entry = e.Entry
	if folded {
		out.Folded = true
		var carrier chat.LegKey
		if s.Carry && v.pushes(s.Origin) && !b.busy[s.Origin] {
			carrier, out.Carried = s.Origin, true
		}
		var taker *taker
		if s.Take != nil && !out.Carried && !b.busy[s.Origin] {
			taker = newTaker(s)
		}
		out.Replies = b.reply(v, s.Fold.Reply, contents[1:], line{turn: in.turn, carrier: carrier, taker: taker}, at)
		out.Taken = taker.taken()
	} else if t != nil {
		out.Turn = t.public()
	}
	out.Episode = v.publicEpisode()
	return out, nil
}

// prepareEpisode closes an idle episode and opens one where the entry needs
// it; fresh tells that it did open one.
func (v *conversation) prepareEpisode(b *batch, s store.Accept, at int64) (fresh bool) {
	needs := s.OwesTurn || s.Fold != nil || s.Draft.Purpose == chat.Message
	if !needs {
		return false
	}
	ep := v.openEpisode()
	if ep != nil && !s.IdleBefore.IsZero() && ep.LastAt.Before(s.IdleBefore) {
		closed, err := ep.Apply(chat.Change{Move: chat.Finish, Outcome: idleOutcome, At: timeOf(at)})
		if err == nil { // every holder of control allows the end
			ep.Episode, ep.dirty = closed, true
			v.dropTurns(true, at)
			ep = nil
		}
	}
	if ep != nil {
		return false
	}
	if v.episode != nil {
		b.episode(v.episode)
	}
	when := timeOf(at)
	v.episode = &episode{
		Episode: chat.Episode{
			Key: chat.EpisodeKey(b.keys.take()), ID: chat.EpisodeID(newID(chat.PrefixEpisode)), Conversation: v.key,
			Control: chat.ControlAssistant, Epoch: 1, Assistant: s.Answerer.Name, Version: s.Answerer.Version,
			OpenedAt: when, LastAt: when,
		},
		collect: s.Answerer.Collect, made: true,
	}
	v.episodeID = v.episode.Key
	v.dirty = true
	return true
}

// foldHolds reports whether a reply computed in advance is still right.
func (v *conversation) foldHolds(f *store.Fold, fresh bool) bool {
	ep := v.openEpisode()
	switch {
	case ep == nil || ep.Control != chat.ControlAssistant || v.head() != nil:
		return false
	case fresh:
		return f.Episode == 0
	default:
		return f.Episode == ep.Key && f.Epoch == ep.Epoch && f.Revision == ep.Revision
	}
}

// keepRaw stores the raw input and returns its key.
func (b *batch) keepRaw(v *conversation, s store.Accept) int64 {
	if len(s.Raw) == 0 {
		return 0
	}
	key := b.keys.take()
	b.add(insertRaw, []any{key, int64(v.key), v.seq + 1, s.Raw, s.Now.Add(s.RawLife).UnixMilli()})
	return key
}

// owe records the turn for the entry about to be appended: a new one, done at
// once when folded, or the waiting one that collects it.
func (b *batch) owe(v *conversation, s store.Accept, folded bool, in *line) *turn {
	ep := v.openEpisode()
	if !s.OwesTurn || ep == nil || ep.Control != chat.ControlAssistant {
		return nil
	}
	seq, now := v.seq+1, s.Now.UnixMilli()
	tail := v.tail()
	if !folded && ep.collect && tail != nil && tail.Status == chat.TurnWaiting && tail.Episode == ep.Key && tail.Epoch == ep.Epoch {
		tail.LastSeq, tail.dirty = seq, true
		in.turn = tail.Key
		return tail
	}
	t := &turn{
		Turn: chat.Turn{
			Key: chat.TurnKey(b.keys.take()), Conversation: v.key, Episode: ep.Key, Status: chat.TurnWaiting,
			FirstSeq: seq, LastSeq: seq, Epoch: ep.Epoch, DueAt: timeOf(now),
		},
		createdAt: now, made: true,
	}
	switch {
	case folded:
		t.end(chat.TurnDone, now)
	case tail == nil && s.Owner.Node != "":
		t.claim(s.Owner)
	}
	if t.open() {
		v.openTurns++
	}
	v.turns = append(v.turns, t)
	in.turn = t.Key
	return t
}

// reply appends an answer and moves state and control. The change was checked
// to be possible. What the lines have in common is given; only the first is
// taken.
func (b *batch) reply(v *conversation, r store.Reply, contents []string, common line, at int64) []chat.Entry {
	ep := v.openEpisode()
	made := make([]chat.Entry, 0, len(r.Entries))
	for i, d := range r.Entries {
		common.draft, common.content, common.episode = d, contents[i], ep.Key
		made = append(made, b.appendLine(v, common, at).Entry)
		common.taker = nil
	}
	if r.SetState {
		ep.State = r.State
		ep.Revision++
		ep.dirty = true
	}
	if r.Change != nil {
		v.move(ep, *r.Change, at)
	}
	return made
}

// checkReply refuses a reply that cannot be carried out.
func (v *conversation) checkReply(r store.Reply) error {
	if err := v.checkTargets(r.Entries); err != nil {
		return err
	}
	if r.Change == nil {
		return nil
	}
	return checkChange(*r.Change)
}

// checkChange refuses a change that an assistant's reply cannot ask for.
func checkChange(c chat.Change) error {
	holder := chat.Episode{Key: 1, Control: chat.ControlAssistant}
	if _, err := holder.Apply(c); err != nil {
		return fault.Field("reply.change", "%v", err)
	}
	return nil
}

// move applies a change that is possible, and drops the turns that have lost
// their right to answer.
func (v *conversation) move(ep *episode, c chat.Change, at int64) {
	c.At = timeOf(max(at, millis(c.At)))
	moved, err := ep.Apply(c)
	if err != nil {
		return
	}
	ep.Episode, ep.dirty = moved, true
	ep.queuedAt = 0
	if moved.Control == chat.ControlQueue {
		ep.queuedAt = at
	}
	if moved.Control != chat.ControlAssistant {
		v.dropTurns(false, at)
	}
}
