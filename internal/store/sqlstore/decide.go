package sqlstore

import (
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// decide carries out one step on the loaded rows and returns its outcome. An
// error means that the step changed nothing. contents are the encoded contents
// of the step's drafts, in the order of [draftsOf].
func (b *batch) decide(step any, contents []string) (any, error) {
	switch s := step.(type) {
	case store.OpenPlace:
		return b.openPlace(s)
	case store.Accept:
		return b.accept(s, contents)
	case store.FinishTurn:
		return b.finishTurn(s, contents)
	case store.PostponeTurn:
		return b.postponeTurn(s)
	case store.MoveControl:
		return b.moveControl(s, contents)
	case store.Append:
		return b.appendEntries(s, contents)
	case store.UseOnce:
		return b.useOnce(s)
	case store.ConfirmRead:
		return b.confirmRead(s)
	case store.RenderDelivery:
		return b.renderDelivery(s)
	case store.SentPart:
		return b.sentPart(s)
	case store.EndDelivery:
		return b.endDelivery(s)
	case store.MoveRooms:
		return b.moveRooms(s)
	default:
		return nil, fmt.Errorf("no step of a batch: %T", step)
	}
}

// draftsOf lists the drafts of a step in two parts: what came in, and what is
// said to it.
func draftsOf(step any) (in *chat.Draft, said []chat.Draft) {
	switch s := step.(type) {
	case store.Accept:
		if s.Fold != nil {
			said = s.Fold.Reply.Entries
		}
		return &s.Draft, said
	case store.FinishTurn:
		return nil, s.Reply.Entries
	case store.MoveControl:
		return nil, s.Entries
	case store.Append:
		return nil, s.Entries
	default:
		return nil, nil
	}
}

// conversationOf returns the conversation a step changes, or 0.
func conversationOf(step any) chat.ConversationKey {
	switch s := step.(type) {
	case store.Accept:
		return s.Conversation
	case store.FinishTurn:
		return s.Conversation
	case store.PostponeTurn:
		return s.Conversation
	case store.MoveControl:
		return s.Conversation
	case store.Append:
		return s.Conversation
	case store.ConfirmRead:
		return s.Conversation
	default:
		return 0
	}
}

// keysNeeded is an upper bound of the row keys a step takes once its
// conversation is loaded.
func (b *batch) keysNeeded(step any) int64 {
	const fixed = 8
	v := b.conversations[conversationOf(step)]
	if v == nil || len(v.push) == 0 {
		return fixed
	}
	_, said := draftsOf(step)
	return fixed + int64(1+len(said))*int64(len(v.push))
}

func (b *batch) conversation(key chat.ConversationKey) (*conversation, error) {
	v := b.conversations[key]
	if v == nil {
		return nil, fault.New(fault.NotFound, "there is no conversation %d", key)
	}
	return v, nil
}

// clock returns the time of a change to the conversation: never before its
// newest entry.
func (v *conversation) clock(now time.Time) int64 { return max(now.UnixMilli(), v.lastAt) }

// head is the conversation's oldest open turn, or nil.
func (v *conversation) head() *turn {
	for _, t := range v.turns {
		if t.open() {
			return t
		}
	}
	return nil
}

// tail is the newest open turn, or nil.
func (v *conversation) tail() *turn {
	for i := len(v.turns) - 1; i >= 0; i-- {
		if v.turns[i].open() {
			return v.turns[i]
		}
	}
	return nil
}

// endTurn takes an open turn out of the queue.
func (v *conversation) endTurn(t *turn, status chat.TurnStatus, at int64) {
	t.end(status, at)
	v.openTurns--
	v.dirty = true
}

// dropTurns ends open turns that have lost their right to answer: all of them,
// or only those nobody works on.
func (v *conversation) dropTurns(claimedToo bool, at int64) {
	for _, t := range v.turns {
		if t.Status == chat.TurnWaiting || claimedToo && t.open() {
			v.endTurn(t, chat.TurnDropped, at)
		}
	}
}

// openEpisode returns the open episode, or nil.
func (v *conversation) openEpisode() *episode {
	if v.episode != nil && v.episode.Open() {
		return v.episode
	}
	return nil
}

// publicEpisode is the open episode for an outcome; zero if there is none.
func (v *conversation) publicEpisode() chat.Episode {
	if e := v.openEpisode(); e != nil {
		return e.Episode
	}
	return chat.Episode{}
}
