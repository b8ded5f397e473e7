package mattermost

import (
	"context"
	"strconv"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// edited takes an edit. A post that waits for its answer has its turn changed;
// of an answered one it is recorded. When an edit adds our name, to an answered
// post or to one that was never ours, that is a question of its own, where names
// count.
//
// Only a change of the text has a new edit time: updates of props, reactions
// and pins are not edits. missed is set for an edit made while the link was down.
func (r *room) edited(ctx context.Context, p mm.Post, missed bool) error {
	l := r.h.l
	if p.EditAt == 0 || p.System() || p.Old() {
		return nil
	}
	info, err := r.describe(ctx)
	if err != nil {
		return err
	}
	ref, err := l.d.Store.Reference(ctx, l.id(), p.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		return r.editedUnknown(ctx, info, p, missed)
	case err != nil:
		return err
	case ref.Part > 0:
		return nil // our own answer, edited by us
	}
	entry, err := l.entry(ctx, ref)
	if err != nil || entry.Deleted {
		return err
	}
	v, err := l.judge(ctx, info, p, true, true)
	if err != nil {
		return err
	}
	content := r.editContent(v, p)
	if entry.Content.Text == content.Text && wasMentioned(entry.Content) == v.mentioned {
		return nil
	}
	waits, err := l.waits(ctx, ref)
	if err != nil {
		return err
	}
	conv, err := l.d.Store.Conversation(ctx, ref.Conversation)
	if err != nil {
		return err
	}
	in := channel.Inbound{
		Conversation: conv, Speaker: chat.ContactID(entry.Author.ID), By: authorKind(entry),
		Content: content, Purpose: chat.Edit, Target: ref.Seq, Raw: rawOf(p),
		DedupeKey: editKey(p), KeyDecides: true,
	}
	if _, err := l.d.Gateway.Accept(ctx, in); err != nil {
		return err
	}
	if waits || v.agent || v.ignored != "" || wasMentioned(entry.Content) || !v.mentioned {
		return nil
	}
	return r.ask(ctx, p, v, missed)
}

// editedUnknown takes the edit of a post that was not ours so far. It becomes
// ours when it names us now.
func (r *room) editedUnknown(ctx context.Context, info mm.Channel, p mm.Post, missed bool) error {
	r.mu.Lock()
	away := r.cursor.Out
	r.mu.Unlock()
	v, err := r.h.l.judge(ctx, info, p, true, true)
	if err != nil || away || v.ignored != "" || v.agent || !v.mentioned {
		return err
	}
	return r.ask(ctx, p, v, missed)
}

// ask takes an edited post as a question of its own, said when it was edited. It
// is answered in its thread, like the post itself would be.
func (r *room) ask(ctx context.Context, p mm.Post, v verdict, missed bool) error {
	s := said{post: p, verdict: v, at: p.EditAt, external: askReference(p), key: editKey(p) + ":ask"}
	if ref, err := r.h.l.d.Store.Reference(ctx, r.h.l.id(), p.ID); fault.Is(err, fault.NotFound) {
		// With the key of the post itself: after a break the newest posts are read
		// once more, and this one names us by then.
		s.external, s.key = p.ID, postKey(p)
	} else if err != nil {
		return err
	} else if ref.Part > 0 {
		return nil
	}
	r.mu.Lock()
	next := r.cursor
	r.mu.Unlock()
	if _, err := r.accept(ctx, s, missed, &next); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cursor = next // one more to tell of, if it came too late
	return nil
}

// editContent is the new content of an edited entry. A post that would not be
// ours any more is still what its entry says.
func (r *room) editContent(v verdict, p mm.Post) chat.Content {
	if v.text == "" {
		v.text = withFiles(stripMention(p.Message, r.h.l.self().Username), p)
	}
	return r.h.l.content(v)
}

func postKey(p mm.Post) string { return "post:" + p.ID }

func editKey(p mm.Post) string { return "edit:" + p.ID + ":" + strconv.FormatInt(p.EditAt, 10) }

// askReference names an entry that came from an edit, where the post's own id
// names the entry that came first.
func askReference(p mm.Post) string { return p.ID + "@" + strconv.FormatInt(p.EditAt, 10) }

// postOf is the post behind a reference.
func postOf(external string) string {
	id, _, _ := strings.Cut(external, "@")
	return id
}

func authorKind(e chat.Entry) chat.AuthorKind {
	if e.Author.Kind == chat.ByAgent {
		return chat.ByAgent
	}
	return ""
}

// entry returns the entry behind a reference.
func (l *link) entry(ctx context.Context, ref chat.Reference) (chat.Entry, error) {
	entries, err := l.d.Store.EntriesBetween(ctx, ref.Conversation, ref.Seq, ref.Seq)
	if err != nil {
		return chat.Entry{}, err
	}
	if len(entries) == 0 {
		return chat.Entry{}, fault.New(fault.NotFound, "the entry of a post is gone")
	}
	return entries[0], nil
}

// waits reports whether an entry's answer is still owed.
func (l *link) waits(ctx context.Context, ref chat.Reference) (bool, error) {
	for _, status := range []chat.TurnStatus{chat.TurnWaiting, chat.TurnClaimed} {
		turns, err := l.d.Store.Turns(ctx, store.TurnFilter{Conversation: ref.Conversation, Status: status})
		if err != nil {
			return false, err
		}
		for _, t := range turns {
			if t.FirstSeq <= ref.Seq && ref.Seq <= t.LastSeq {
				return true, nil
			}
		}
	}
	return false, nil
}

// deleted takes a deletion. Deleting a root deletes its replies too, of which
// the server tells nothing: what people said in the conversation of that thread
// is deleted with it. (Replies that were taken into flat places by the setting
// replies.thread stay: nothing kept says which thread they were in.)
func (r *room) deleted(ctx context.Context, p mm.Post) error {
	l := r.h.l
	ref, err := l.d.Store.Reference(ctx, l.id(), p.ID)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return err
	case ref.Part == 0:
		if err := l.remove(ctx, ref.Conversation, ref.Seq, "del:"+p.ID); err != nil {
			return err
		}
	}
	if p.RootID != "" {
		return nil
	}
	return l.removeThread(ctx, p)
}

// removeThread deletes what people said in a thread whose root is gone.
func (l *link) removeThread(ctx context.Context, root mm.Post) error {
	key := place{kind: threadPlace, room: root.ChannelID, root: root.ID}.key()
	conv, err := l.d.Store.ConversationByPlace(ctx, l.id(), key)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	const page = 200
	for after := int64(0); ; {
		entries, err := l.d.Store.Entries(ctx, conv.Key, after, page)
		if err != nil {
			return err
		}
		for _, e := range entries {
			after = e.Seq
			if e.Purpose != chat.Message || e.Deleted || e.Author.Kind != chat.ByContact && e.Author.Kind != chat.ByAgent || e.Origin != conv.Leg {
				continue
			}
			if err := l.remove(ctx, conv.Key, e.Seq, "del:"+root.ID+":"+strconv.FormatInt(e.Seq, 10)); err != nil {
				return err
			}
		}
		if len(entries) < page || after >= conv.Seq {
			return nil
		}
	}
}

// remove accepts the deletion of one entry.
func (l *link) remove(ctx context.Context, key chat.ConversationKey, seq int64, dedupe string) error {
	entry, err := l.entry(ctx, chat.Reference{Conversation: key, Seq: seq})
	if fault.Is(err, fault.NotFound) || err == nil && entry.Deleted {
		return nil
	}
	if err != nil {
		return err
	}
	conv, err := l.d.Store.Conversation(ctx, key)
	if err != nil {
		return err
	}
	_, err = l.d.Gateway.Accept(ctx, channel.Inbound{
		Conversation: conv, Speaker: chat.ContactID(entry.Author.ID), By: authorKind(entry),
		Content: chat.TextContent(""), Purpose: chat.Deletion, Target: seq, DedupeKey: dedupe, KeyDecides: true,
	})
	return err
}
