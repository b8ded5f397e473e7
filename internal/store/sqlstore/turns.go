package sqlstore

import (
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// claimed returns the turn if it is still claimed by the owner.
func (v *conversation) claimed(key chat.TurnKey, owner store.Owner) *turn {
	for _, t := range v.turns {
		if t.Key == key && t.Status == chat.TurnClaimed && t.owner == owner {
			return t
		}
	}
	return nil
}

func (b *batch) finishTurn(s store.FinishTurn, contents []string) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	t := v.claimed(s.Turn, s.Owner)
	if t == nil {
		return store.FinishedTurn{Lost: true, Episode: v.publicEpisode()}, nil
	}
	if err := v.checkReply(s.Reply); err != nil {
		return nil, err
	}
	at := v.clock(s.Now)
	var out store.FinishedTurn
	ep := v.openEpisode()
	if ep == nil || ep.Key != t.Episode || ep.Epoch != s.Epoch || ep.Control != chat.ControlAssistant {
		out.Late = true
		v.endTurn(t, chat.TurnDropped, at)
		out.Entries = b.deskNotes(v, t, s.Reply.Entries, contents, at)
	} else {
		t.LastError = safeText(s.Error, maxErrorText)
		status := chat.TurnDone
		if s.Failed {
			status = chat.TurnFailed
			t.Attempts++
		}
		v.endTurn(t, status, at)
		out.Entries = b.reply(v, s.Reply, contents, line{turn: t.Key}, at)
	}
	if v.episode != nil {
		out.Episode = v.episode.Episode
	}
	out.Next = v.next(s.Owner, s.Now.UnixMilli())
	return out, nil
}

// deskNotes keeps what an assistant said too late for the desk. Its edits and
// deletions have no effect.
func (b *batch) deskNotes(v *conversation, t *turn, drafts []chat.Draft, contents []string, at int64) []chat.Entry {
	var made []chat.Entry
	for i, d := range drafts {
		if d.Purpose == chat.Edit || d.Purpose == chat.Deletion {
			continue
		}
		d.Visibility = chat.VisibleToDesk
		made = append(made, b.appendLine(v, line{draft: d, content: contents[i], episode: t.Episode, turn: t.Key}, at).Entry)
	}
	return made
}

// next claims the conversation's next turn, if it is due.
func (v *conversation) next(owner store.Owner, now int64) *chat.Turn {
	t := v.head()
	if t == nil || t.Status != chat.TurnWaiting || t.dueAt > now {
		return nil
	}
	t.claim(owner)
	return t.public()
}

func (b *batch) postponeTurn(s store.PostponeTurn) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	t := v.claimed(s.Turn, s.Owner)
	if t == nil {
		return store.Postponed{Lost: true}, nil
	}
	if s.CountAttempt {
		t.Attempts++
	}
	t.LastError = safeText(s.Error, maxErrorText)
	if ep := v.openEpisode(); ep == nil || ep.Key != t.Episode || ep.Epoch != t.Epoch {
		// Somebody else has control by now.
		v.endTurn(t, chat.TurnDropped, b.now.UnixMilli())
		return store.Postponed{}, nil
	}
	t.Status, t.owner, t.dueAt, t.dirty = chat.TurnWaiting, store.Owner{}, millis(s.DueAt), true
	return store.Postponed{}, nil
}

func (b *batch) moveControl(s store.MoveControl, contents []string) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	ep := v.openEpisode()
	if ep == nil || ep.Key != s.Episode || ep.Epoch != s.Epoch {
		out := store.MovedControl{Stale: true}
		if v.episode != nil {
			out.Episode = v.episode.Episode
		}
		return out, nil
	}
	if err := v.checkTargets(s.Entries); err != nil {
		return nil, err
	}
	if _, err := ep.Apply(s.Change); err != nil {
		return nil, fault.Field("change.move", "%v", err)
	}
	at := v.clock(s.Now)
	out := store.MovedControl{Entries: b.appendAll(v, s.Entries, contents, 0, ep.Key, at)}
	v.move(ep, s.Change, at)
	out.Episode = ep.Episode
	return out, nil
}

func (b *batch) appendEntries(s store.Append, contents []string) (any, error) {
	v, err := b.conversation(s.Conversation)
	if err != nil {
		return nil, err
	}
	now := s.Now.UnixMilli()
	if v.repeat(b, s.Dedupe, now).repeated != nil {
		b.arrived(v, s.Origin, "", s.Room, nil, now)
		return store.Appended{Duplicate: true}, nil
	}
	if err := v.checkTargets(s.Entries); err != nil {
		return nil, err
	}
	var of chat.EpisodeKey
	if ep := v.openEpisode(); ep != nil {
		of = ep.Key
	}
	out := store.Appended{Entries: b.appendAll(v, s.Entries, contents, s.Origin, of, v.clock(s.Now))}
	var first *entry
	if len(out.Entries) > 0 {
		first = v.entries[out.Entries[0].Seq]
		b.remember(v, s.Dedupe, first, now)
	}
	b.arrived(v, s.Origin, s.External, s.Room, first, now)
	return out, nil
}

func (b *batch) appendAll(v *conversation, drafts []chat.Draft, contents []string, origin chat.LegKey, of chat.EpisodeKey, at int64) []chat.Entry {
	made := make([]chat.Entry, 0, len(drafts))
	for i, d := range drafts {
		made = append(made, b.appendLine(v, line{draft: d, content: contents[i], origin: origin, episode: of}, at).Entry)
	}
	return made
}
