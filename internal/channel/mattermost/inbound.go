package mattermost

import (
	"context"
	"encoding/json"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// openedPlace is a conversation that was opened for one person.
type openedPlace = channel.Opened

// position is what is stored of the room together with an entry.
func (r *room) position(c cursor) *channel.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &channel.Position{Room: r.id, Value: c.String(), CatchingUp: r.catching}
}

// take takes one post that was heard. After an error nothing has changed and it
// may be taken again.
func (r *room) take(ctx context.Context, p mm.Post, setOnline bool) error {
	r.mu.Lock()
	_, seen := r.seen.get(p.ID)
	next, trail := r.cursor.move(r.trail, p)
	r.mu.Unlock()
	if seen {
		return nil
	}
	in, about := membership(p, r.h.l.self())
	if about && in {
		next, trail = next.joined(trail, p)
	}
	if about {
		next.Out = !in
	}
	// What is heard is heard by members only, whatever was read before.
	v, err := r.decide(ctx, p, false, setOnline, true)
	if err != nil {
		return err
	}
	result := v.ignored
	if result == "" {
		if result, err = r.accept(ctx, postSaid(p, v), false, &next); err != nil {
			return err
		}
	}
	r.h.l.d.metrics.posts.WithLabelValues(r.h.l.settings.Load().name, result).Inc()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.put(p.ID, true)
	r.dirty = r.dirty || v.ignored != ""
	r.cursor, r.trail = next, trail
	return nil
}

// Results of posts that were taken; they are labels of the metric.
const (
	resultAccepted = "accepted"
	resultLate     = "late"
	resultAgent    = "agent"
	resultLoop     = "loop"
	resultRepeat   = "repeat"
)

func (r *room) decide(ctx context.Context, p mm.Post, away, setOnline, live bool) (verdict, error) {
	if away {
		return verdict{ignored: ignoredAway}, nil
	}
	info, err := r.describe(ctx)
	if err != nil {
		return verdict{}, err
	}
	return r.h.l.judge(ctx, info, p, setOnline, live)
}

// said is something said to us: a post, or an edit that makes a question of one.
type said struct {
	post    mm.Post
	verdict verdict
	// at is when it was said, in milliseconds.
	at int64
	// external names its entry, key tells a repeat.
	external, key string
}

func postSaid(p mm.Post, v verdict) said {
	return said{post: p, verdict: v, at: p.CreateAt, external: p.ID, key: postKey(p)}
}

// accept stores what is ours to take and says what became of it. missed is set
// for what was said while the link was down. With next, the cursor after it, the
// room moves in the same commit.
func (r *room) accept(ctx context.Context, s said, missed bool, next *cursor) (string, error) {
	l, v := r.h.l, s.verdict
	in := channel.Inbound{
		Content: l.content(v), Purpose: chat.Message, External: s.external,
		DedupeKey: s.key, KeyDecides: true, Raw: rawOf(s.post),
	}
	result := resultAccepted
	tripped := false
	switch {
	case v.agent:
		result = resultAgent
	case l.d.Now().Sub(mm.Time(s.at)) > l.settings.Load().maxAge:
		result, in.Silent = resultLate, true
	default:
		tripped, in.Silent = l.loops.judge(l.settings.Load().body.LoopLimit, s)
		if in.Silent {
			result = resultLoop
		}
	}
	if next != nil {
		if result == resultLate {
			*next = next.late(s.external)
		}
		in.Position = r.position(*next)
	}
	receipt, err := l.store(ctx, v, &in)
	if err != nil {
		return "", err
	}
	if receipt.Duplicate {
		if result == resultLate {
			return result, nil // that it was told is known by its key, not here
		}
		return resultRepeat, nil
	}
	if missed {
		r.noteRecovered()
	}
	l.count(result, missed)
	if tripped {
		l.tellLoop(ctx, in.Conversation, s)
	}
	return result, nil
}

// noteRecovered counts a post that was made while the link was down, for the
// line in the log about its room.
func (r *room) noteRecovered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recovered++
}

// count counts what was recovered and what came too late.
func (l *link) count(result string, recovered bool) {
	name := l.settings.Load().name
	l.mu.Lock()
	defer l.mu.Unlock()
	if recovered {
		l.state.recovered++
		l.d.metrics.recovered.WithLabelValues(name).Inc()
	}
	if result == resultLate {
		l.state.late++
		l.d.metrics.late.WithLabelValues(name).Inc()
	}
}

// content is what a post says to the assistant.
func (l *link) content(v verdict) chat.Content {
	c := chat.TextContent(v.text)
	if v.place.kind != directPlace {
		c.Speaker = nameOf(v.user)
		if v.agent {
			c.Speaker = nameOf(l.self())
		}
	}
	if v.mentioned {
		c.Native = map[string]json.RawMessage{Name: json.RawMessage(nativeMentioned)}
	}
	return c
}

// nativeMentioned notes in an entry that its post names us, so that an edit that
// adds this is seen to be a new question.
const nativeMentioned = `{"mentioned":true}`

func wasMentioned(c chat.Content) bool { return string(c.Native[Name]) == nativeMentioned }

// store hands an entry to the gateway, in the conversation of its place.
func (l *link) store(ctx context.Context, v verdict, in *channel.Inbound) (channel.Receipt, error) {
	if v.agent {
		conv, err := l.d.Store.ConversationByPlace(ctx, l.id(), v.place.key())
		if err != nil {
			return channel.Receipt{}, err
		}
		in.Conversation, in.By, in.Speaker = conv, chat.ByAgent, chat.ContactID(l.self().ID)
		return l.d.Gateway.Accept(ctx, *in)
	}
	o, err := l.open(ctx, v.place, v.user)
	if err != nil {
		return channel.Receipt{}, err
	}
	in.Conversation, in.Speaker = o.Conversation, o.Speaker
	if in.Purpose == chat.Message && !in.Silent {
		l.typing.watch(o.Conversation)
	}
	receipt, err := l.d.Gateway.Accept(ctx, *in)
	if err != nil && !fault.Is(err, fault.Unavailable) {
		l.forget(v.place, v.user)
	}
	return receipt, err
}

// open finds or makes the conversation of a place for one person. What was
// opened lately is remembered.
func (l *link) open(ctx context.Context, at place, u mm.User) (openedPlace, error) {
	key := openKey(at, u)
	l.mu.Lock()
	o, ok := l.opened.get(key)
	l.mu.Unlock()
	if ok {
		return o, nil
	}
	o, err := l.d.Gateway.Open(ctx, channel.Place{
		Channel: l.id(), Type: Name, Key: at.key(),
		Person: chat.Person{ExternalID: u.ID, Verified: true, Name: nameOf(u)},
		Mode:   chat.LegPush, Thread: at.root,
	})
	if err != nil {
		return o, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened.put(key, o)
	return o, nil
}

func (l *link) forget(at place, u mm.User) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened.drop(openKey(at, u))
}

func openKey(at place, u mm.User) string { return at.key() + " " + u.ID + " " + nameOf(u) }

// rawOf is a post as it is kept beside its entry. Props are left out: they are
// free, and some integrations put secrets there.
func rawOf(p mm.Post) []byte {
	b, err := json.Marshal(map[string]any{
		"id": p.ID, "create_at": p.CreateAt, "edit_at": p.EditAt, "user_id": p.UserID, "channel_id": p.ChannelID,
		"root_id": p.RootID, "message": p.Message, "type": p.Type, "file_ids": p.FileIDs,
	})
	if err != nil {
		return nil // cannot be: all values are texts and numbers
	}
	return b
}
