package mattermost

import (
	"context"
	"errors"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// propKey is the prop of our posts that holds the key of their part.
const propKey = "parley"

// partKey is the key in the props of a post, or empty.
func partKey(props map[string]any) string {
	ours, _ := props[propKey].(map[string]any)
	key, _ := ours["part"].(string)
	return key
}

// ready returns the link of a channel with our own account known.
func (d *Driver) ready(ctx context.Context, id chat.ChannelID) (*link, mm.User, error) {
	l := d.link(id)
	if l == nil {
		return nil, mm.User{}, &channel.SendError{Outcome: channel.SendTemporary, Endpoint: true, Cause: errNoLink}
	}
	if me := l.self(); me.ID != "" {
		return l, me, nil
	}
	me, err := l.client.Me(ctx)
	if err != nil {
		// Nothing was posted yet, whatever became of the question.
		return nil, me, &channel.SendError{Outcome: channel.SendTemporary, Endpoint: true, Cause: err}
	}
	l.mu.Lock()
	l.me = me
	l.mu.Unlock()
	return l, me, nil
}

// Send implements [channel.Sender].
func (d *Driver) Send(ctx context.Context, o channel.Outgoing, p chat.Part) (string, error) {
	body, err := decodePart(p)
	if err != nil {
		return "", err
	}
	l, me, err := d.ready(ctx, o.Leg.Channel)
	if err != nil {
		return "", err
	}
	switch body.Op {
	case opEdit:
		_, err = l.client.PatchPost(ctx, body.Post, mm.Patch{Message: &body.Text})
		return "", goneIsFine(err)
	case opDelete:
		return "", goneIsFine(l.client.DeletePost(ctx, body.Post))
	}
	post, err := l.post(ctx, mm.NewPost{
		ChannelID: body.Room, RootID: body.Root, Message: body.Text, Props: l.props(o, p, body),
		// The server gives the same post to a repeat within 30 s, of this
		// process or another one. The key is known server-wide.
		PendingPostID: me.ID + ":" + p.ID,
	})
	if mm.IDOf(err) == mm.IDRootGone {
		return l.rootGone(ctx, body.Root, err)
	}
	if err != nil {
		return "", sendError(err)
	}
	return post.ID, nil
}

// post makes a post. A repeat of one that the server is still working on is
// refused by it; a little later it gives that one.
func (l *link) post(ctx context.Context, n mm.NewPost) (mm.Post, error) {
	pause := 200 * time.Millisecond
	for try := 0; ; try++ {
		post, err := l.client.CreatePost(ctx, n)
		if mm.IDOf(err) != mm.IDDuplicate || try == 4 || !sleep(ctx, pause) {
			return post, err
		}
		pause *= 2
	}
}

// rootGone decides about an answer whose thread the server does not have: when
// the question was deleted there is nobody to answer any more, and the answer
// is left out without an alarm.
func (l *link) rootGone(ctx context.Context, root string, cause error) (string, error) {
	_, err := l.client.Post(ctx, root)
	switch {
	case mm.IsNotFound(err):
		l.log.Info("an answer was left out, because its question was deleted", "root", root)
		l.d.metrics.posts.WithLabelValues(l.settings.Load().name, "answer left out").Inc()
		return "", nil
	case err != nil && mm.Temporary(err):
		return "", sendError(err)
	}
	return "", permanent(cause)
}

// props are those of our posts: no remote pictures, and the key by which we
// know a post again.
func (l *link) props(o channel.Outgoing, p chat.Part, body partBody) map[string]any {
	props := map[string]any{"unsafe_links": "true", propKey: map[string]any{"part": p.ID}}
	if actions := l.actions(o, body); len(actions) > 0 {
		props["attachments"] = []any{map[string]any{"actions": actions}}
	}
	return props
}

// goneIsFine takes the refusal to change a post that is deleted, or that is no
// longer ours to change, for done.
func goneIsFine(err error) error {
	if status := mm.StatusOf(err); err == nil || status == 404 || status == 403 {
		return nil
	}
	return sendError(err)
}

// idNotSaved is the server's word that its database refused a post. It happens
// when two people reply to one thread in the same moment (seen with 11.1), and
// the same post is taken a moment later.
const idNotSaved = "app.post.save.app_error"

// sendError says what a failed request means for its delivery.
func sendError(err error) *channel.SendError {
	e := &channel.SendError{Cause: err}
	delay, limited := mm.Limited(err)
	switch {
	case limited:
		e.Outcome, e.Delay, e.Endpoint = channel.SendLimited, delay, true
	case mm.IDOf(err) == mm.IDDuplicate, mm.IDOf(err) == idNotSaved:
		e.Outcome = channel.SendUncertain
	case mm.Uncertain(err):
		e.Outcome, e.Endpoint = channel.SendUncertain, true
	case mm.IsUnauthorized(err):
		e.Outcome, e.Endpoint = channel.SendTemporary, true
	case mm.Temporary(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Outcome, e.Endpoint = channel.SendTemporary, true
	case mm.StatusOf(err) == 0 && !fault.Is(err, fault.Invalid):
		e.Outcome, e.Endpoint = channel.SendTemporary, true // such as a client that is closed
	default:
		e.Outcome = channel.SendPermanent
	}
	return e
}

const (
	// findPages bounds the search for a part among newer posts.
	findPages = 25
	// findSlack is by how much the server's clock may be behind ours.
	findSlack = 5 * time.Minute
)

// Find implements [channel.Sender]: it looks for the part's key in the posts
// made since the question, or since the entry. Edits and deletions can be
// repeated unharmed, so they are never found.
func (d *Driver) Find(ctx context.Context, o channel.Outgoing, p chat.Part) (string, bool, error) {
	body, err := decodePart(p)
	if err != nil || body.Op != opPost {
		return "", false, err
	}
	l, me, err := d.ready(ctx, o.Leg.Channel)
	if err != nil {
		return "", false, err
	}
	before := ""
	oldest := o.Entry.CreatedAt.Add(-findSlack).UnixMilli()
	for range findPages {
		page, err := l.client.PostsBefore(ctx, body.Room, before, mm.MaxPage)
		if err != nil {
			return "", false, sendError(err)
		}
		for i := len(page.Posts) - 1; i >= 0; i-- {
			// Props are free: only our own posts prove anything.
			if page.Posts[i].UserID == me.ID && partKey(page.Posts[i].Props) == p.ID {
				return page.Posts[i].ID, true, nil
			}
			if page.Posts[i].CreateAt < oldest {
				return "", false, nil
			}
		}
		if !page.More {
			return "", false, nil
		}
		before = page.Anchor
	}
	return "", false, channel.ErrCannotFind
}

// failedEmoji marks a question whose answer will not arrive.
const failedEmoji = "warning"

// Failed implements [channel.Sender]. The server keeps one reaction however
// often it is asked for.
func (d *Driver) Failed(ctx context.Context, o channel.Outgoing) error {
	l, _, err := d.ready(ctx, o.Leg.Channel)
	if err != nil {
		return err
	}
	var failed error
	for _, q := range o.Questions {
		id := postOf(q.External)
		if !mm.ValidID(id) {
			continue
		}
		if err := l.client.React(ctx, id, failedEmoji); err != nil && goneIsFine(err) != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
