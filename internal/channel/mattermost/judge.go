package mattermost

import (
	"context"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// verdict says what a post is to us.
type verdict struct {
	// ignored says why the post is not ours to take; empty for one that is.
	ignored string
	// agent is set for a post of a person who uses our own account.
	agent bool
	place place
	user  mm.User
	// text is what was said to us, without the mention or prefix.
	text string
	// mentioned is set when the post names us, where that counts.
	mentioned bool
}

// Reasons to ignore a post; they are labels of the metric.
const (
	ignoredSystem  = "system"
	ignoredOwn     = "own"
	ignoredBot     = "bot"
	ignoredWebhook = "webhook"
	ignoredOthers  = "not for us"
	ignoredAway    = "while away"
	ignoredPlace   = "no conversation"
)

// judge decides whether a post is said to us. live is set for posts heard over
// the WebSocket, of which setOnline is known.
func (l *link) judge(ctx context.Context, room mm.Channel, p mm.Post, setOnline, live bool) (verdict, error) {
	me := l.self()
	set := l.settings.Load()
	v := verdict{place: placeOf(room.Type, p, set.body.Replies), mentioned: mentions(p.Message, me.Username)}
	switch {
	case p.System() || p.Old():
		v.ignored = ignoredSystem
		return v, nil
	case p.UserID == me.ID:
		return l.judgeOwn(ctx, v, p)
	}
	var err error
	if v.user, err = l.users.get(ctx, p.UserID); err != nil {
		return v, err
	}
	switch {
	case v.user.IsBot:
		v.ignored = ignoredBot
		return v, nil
	case fromWebhook(p, setOnline, live):
		v.ignored = ignoredWebhook
		return v, nil
	}
	return v, l.addressed(ctx, room, p, &v)
}

// judgeOwn tells our own echo from what a person wrote with our account: an echo
// carries the key of one of our parts, or is known as the outcome of one.
func (l *link) judgeOwn(ctx context.Context, v verdict, p mm.Post) (verdict, error) {
	echo, err := l.isEcho(ctx, p)
	switch {
	case err != nil:
		return v, err
	case echo:
		v.ignored = ignoredOwn
		return v, nil
	}
	v.agent, v.text = true, withFiles(p.Message, p)
	_, err = l.d.Store.ConversationByPlace(ctx, l.id(), v.place.key())
	if fault.Is(err, fault.NotFound) {
		v.ignored = ignoredPlace
		return v, nil
	}
	return v, err
}

func (l *link) isEcho(ctx context.Context, p mm.Post) (bool, error) {
	if key := partKey(p.Props); key != "" {
		if made, err := l.d.Store.HasPart(ctx, key); err != nil || made {
			return made, err
		}
	}
	ref, err := l.d.Store.Reference(ctx, l.id(), p.ID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && ref.Part > 0, err
}

// fromWebhook reports whether an incoming webhook made a post. It has its
// creator's user id, and its props can be forged: see the package comment.
func fromWebhook(p mm.Post, setOnline, live bool) bool {
	if p.Prop("from_webhook") != "true" {
		return false
	}
	if live {
		return !setOnline
	}
	_, hook := p.Props["webhook_display_name"]
	return hook
}

// addressed finds out whether a person's post is said to us, and what is said
// without the mention or prefix.
func (l *link) addressed(ctx context.Context, room mm.Channel, p mm.Post, v *verdict) error {
	set := l.settings.Load()
	text := stripMention(p.Message, l.self().Username)
	if text == "" {
		text = p.Message
	}
	v.text = withFiles(text, p)
	if isDirect(room) {
		return nil
	}
	answer := set.answerIn(room)
	prefix, byPrefix := strings.CutPrefix(answer, onPrefix)
	switch {
	case answer == always, answer == onMention && v.mentioned:
		return nil
	case byPrefix:
		if rest, ok := cutPrefix(p.Message, prefix); ok {
			if rest == "" {
				rest = p.Message
			}
			v.text, v.mentioned = withFiles(rest, p), false
			return nil
		}
	}
	follows, err := l.follows(ctx, p)
	if err == nil && !follows {
		v.ignored = ignoredOthers
	}
	return err
}

// follows reports whether a post goes on with a thread in which we answered
// before it, not too long ago.
func (l *link) follows(ctx context.Context, p mm.Post) (bool, error) {
	within := l.settings.Load().follow
	if p.RootID == "" || within == 0 {
		return false, nil
	}
	key := place{kind: threadPlace, room: p.ChannelID, root: p.RootID}.key()
	conv, err := l.d.Store.ConversationByPlace(ctx, l.id(), key)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	page, err := l.d.Store.VisiblePage(ctx, conv.Key, chat.Page{Limit: 20})
	if err != nil {
		return false, err
	}
	posted := mm.Time(p.CreateAt)
	for _, e := range page.Entries {
		said := e.Author.Kind == chat.ByAssistant || e.Author.Kind == chat.ByAgent
		if said && !e.CreatedAt.After(posted.Add(clockBlur)) && posted.Sub(e.CreatedAt) <= within {
			return true, nil
		}
	}
	return false, nil
}

// clockBlur is how far the server's clock may lag ours before an answer seems to
// come after the post that replies to it.
const clockBlur = 5 * time.Second

// withFiles appends the names of a post's files, which are not read yet.
func withFiles(text string, p mm.Post) string {
	lines := []string{}
	if text != "" {
		lines = append(lines, text)
	}
	for _, f := range p.Metadata.Files {
		lines = append(lines, "[file: "+strings.ReplaceAll(f.Name, "\n", " ")+"]")
	}
	if n := len(p.FileIDs) - len(p.Metadata.Files); n > 0 && len(p.Metadata.Files) == 0 {
		for range n {
			lines = append(lines, "[file]")
		}
	}
	return strings.Join(lines, "\n")
}
