package mattermost

import (
	"context"
	"fmt"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// maxJoinPages bounds the search for the post that says that we were added.
const maxJoinPages = 25

// enter finds out where to begin in a room that is new to us or that we are
// back in.
func (r *room) enter(ctx context.Context) {
	var at cursor
	fresh := r.h.fresh()
	ok := r.persist(ctx, r.h.older, "", func() (err error) {
		at, err = r.beginning(ctx, fresh)
		return err
	})
	if !ok {
		r.stayOut()
		return
	}
	r.mu.Lock()
	r.cursor, r.trail = at, nil
	if at.ID != "" {
		r.trail = trail{{at.ID, at.At}}
	}
	r.out, r.rejoin, r.heardBack, r.dirty = false, false, false, true
	// With the first link ever nothing was missed: what came since the stream
	// opened is in the queue, in order, also what the newest post is now.
	r.catching = !fresh || r.more
	first := store.Room{Room: r.id, Status: r.status(), Position: at.String()}
	r.mu.Unlock()
	// Where a room begins is stored before anything is taken from it: after a
	// crash it would begin later.
	r.persist(ctx, r.h.older, "", func() error {
		_, err := store.Do(ctx, r.h.l.d.Store, store.MoveRooms{Channel: r.h.l.id(), ChannelType: Name, Rooms: []store.Room{first}, Now: r.h.l.d.Now()})
		return err
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entered = true
}

// stayOut leaves a room alone whose beginning cannot be found, until we are
// added again.
func (r *room) stayOut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.h.ctx.Err() == nil && !r.cursor.known() {
		r.out, r.rejoin, r.changed = true, false, r.h.l.d.Now()
	}
}

// beginning is where to begin reading: with the first link ever at the newest
// post, never in the history; else at the post that says that we were added.
func (r *room) beginning(ctx context.Context, fresh bool) (cursor, error) {
	info, err := r.describe(ctx)
	if err != nil {
		return cursor{}, err
	}
	r.mu.Lock()
	known, changed, rejoin, heard := r.cursor, r.changed, r.rejoin, r.heardBack
	r.mu.Unlock()
	if fresh {
		return r.newest(ctx)
	}
	since := r.h.missedSince()
	if rejoin && !changed.IsZero() && changed.Add(-clockSlack).Before(since) {
		since = changed.Add(-clockSlack)
	}
	joined, err := r.joined(ctx, since)
	switch {
	case err != nil:
		return cursor{}, err
	case joined.known():
		joined.Late, joined.LateID = known.Late, known.LateID
		if !heard {
			// What comes after the joining is not certain to be heard.
			joined.ID, joined.At = "", max(joined.At-joinBlur.Milliseconds(), known.At-1)
		}
		return joined, nil
	case known.known():
		return known, nil // an archived room that is back: nothing was said in it
	}
	// A direct message that began while we were away, or a room that does not
	// tell of joinings: it did not exist for us before.
	at := max(since.UnixMilli(), info.CreateAt-1, 1)
	return cursor{At: at}, nil
}

// describe returns what is known of the room, asking if need be.
func (r *room) describe(ctx context.Context) (mm.Channel, error) {
	r.mu.Lock()
	info := r.info
	r.mu.Unlock()
	if info.Type != "" {
		return info, nil
	}
	info, err := r.h.l.client.Channel(ctx, r.id)
	if err == nil {
		r.setInfo(info)
	}
	return info, err
}

// newest is the cursor at the newest post of the room.
func (r *room) newest(ctx context.Context) (cursor, error) {
	page, err := r.h.l.client.PostsBefore(ctx, r.id, "", 1)
	if err != nil {
		return cursor{}, err
	}
	if n := len(page.Posts); n > 0 {
		return cursor{ID: page.Posts[n-1].ID, At: page.Posts[n-1].CreateAt}, nil
	}
	return cursor{At: r.h.l.d.Now().Add(-clockSlack).UnixMilli()}, nil
}

// joinBlur is by how much the server's word that somebody was added may come
// after the fact: it posts it in the background, so that what is said at once
// stands before it.
const joinBlur = time.Second

// joined is the cursor where we came into the room, by the newest post that says
// so, not looking further back than since. The zero cursor means that there is
// none.
func (r *room) joined(ctx context.Context, since time.Time) (cursor, error) {
	before := ""
	for range maxJoinPages {
		page, err := r.h.l.client.PostsBefore(ctx, r.id, before, mm.MaxPage)
		if err != nil {
			return cursor{}, err
		}
		for i := len(page.Posts) - 1; i >= 0; i-- {
			p := page.Posts[i]
			if p.CreateAt < since.UnixMilli() {
				return cursor{}, nil
			}
			if in, about := membership(p, r.h.l.self()); about && in {
				return cursor{ID: p.ID, At: p.CreateAt}, nil
			}
		}
		if !page.More {
			return cursor{}, nil
		}
		before = page.Anchor
	}
	return cursor{}, nil
}

// membership reads a post of the server's about who came and who went: about is
// set when it is about us.
func membership(p mm.Post, me mm.User) (in, about bool) {
	named := func(id, name string) bool {
		return p.Prop(id) == me.ID || p.Prop(id) == "" && p.Prop(name) == me.Username
	}
	switch p.Type {
	case "system_add_to_channel", "system_add_to_team":
		return true, named("addedUserId", "addedUsername")
	case "system_join_channel", "system_join_team":
		return true, p.UserID == me.ID
	case "system_remove_from_channel", "system_remove_from_team":
		return false, named("removedUserId", "removedUsername")
	case "system_leave_channel", "system_leave_team":
		return false, p.UserID == me.ID
	}
	return false, false
}

// catchUp reads all posts after the cursor, until there are no more.
func (r *room) catchUp(ctx context.Context) {
	r.mu.Lock()
	anchor := r.cursor.anchor()
	began := r.recovered
	r.mu.Unlock()
	read := 0
	for {
		var page mm.PostPage
		ok := r.persist(ctx, r.h.older, "", func() (err error) {
			r.startReading()
			page, err = r.pageAfter(ctx, anchor)
			return err
		})
		if !ok {
			return
		}
		if !r.takePage(ctx, page.Posts) {
			return
		}
		read += len(page.Posts)
		if page.Anchor != "" {
			anchor = page.Anchor
		}
		if limit := r.h.l.settings.Load().body.CatchUp; limit > 0 && read >= limit && page.More {
			r.jump(ctx, read)
			return
		}
		if !page.More && r.caughtUp() {
			break
		}
	}
	if n := r.recovered - began; n > 0 {
		r.h.l.log.Info("posts made while the link was down were picked up", "room", r.id, "posts", n)
	}
}

// startReading forgets that there is more: what comes from now on says so anew.
func (r *room) startReading() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more = false
}

// caughtUp ends the catching up, unless posts came meanwhile that found no place
// in the queue.
func (r *room) caughtUp() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more {
		return false
	}
	r.catching, r.recovering, r.dirty = false, false, true
	return true
}

// pageAfter reads the posts after an anchor. An anchor the server does not know
// gives nothing at all and no error, so an empty page is looked at twice.
func (r *room) pageAfter(ctx context.Context, anchor string) (mm.PostPage, error) {
	r.mu.Lock()
	at := r.cursor
	r.mu.Unlock()
	if anchor == "" {
		return r.pageSince(ctx, at.At)
	}
	page, err := r.h.l.client.PostsAfter(ctx, r.id, anchor, mm.MaxPage)
	if err != nil || len(page.Posts) > 0 {
		return page, err
	}
	newest, err := r.newest(ctx)
	if err != nil || newest.ID == "" || newest.At <= at.At || newest.ID == anchor {
		return page, err
	}
	// It may have been said between the two questions.
	if page, err = r.h.l.client.PostsAfter(ctx, r.id, anchor, mm.MaxPage); err != nil || len(page.Posts) > 0 {
		return page, err
	}
	r.h.l.log.Warn("the server does not know the post up to which a room was read; reading goes on by time", "room", r.id, "post", anchor)
	return r.pageSince(ctx, at.At)
}

// pageSince finds the oldest page of posts newer than a time, walking back from
// the newest.
func (r *room) pageSince(ctx context.Context, at int64) (mm.PostPage, error) {
	var found mm.PostPage
	before := ""
	for {
		page, err := r.h.l.client.PostsBefore(ctx, r.id, before, mm.MaxPage)
		if err != nil {
			return mm.PostPage{}, err
		}
		first := len(page.Posts)
		for first > 0 && page.Posts[first-1].CreateAt > at {
			first--
		}
		if newer := page.Posts[first:]; len(newer) > 0 {
			// Pages before this one begin where this one ends.
			found = mm.PostPage{Posts: newer, Anchor: newer[len(newer)-1].ID, More: before != ""}
		}
		if first > 0 || !page.More {
			return found, nil
		}
		before = page.Anchor
	}
}

// jump leaves the rest of what was missed unread, as the owner's catch_up says.
func (r *room) jump(ctx context.Context, read int) {
	var at cursor
	if !r.persist(ctx, r.h.older, "", func() (err error) { at, err = r.newest(ctx); return err }) {
		return
	}
	r.h.l.log.Warn("more posts were missed in a room than catch_up allows; the rest is left unread", "room", r.id, "read", read)
	r.mu.Lock()
	defer r.mu.Unlock()
	at.Late, at.LateID = r.cursor.Late, r.cursor.LateID
	r.cursor, r.trail = at, trail{{at.ID, at.At}}
	r.catching, r.recovering, r.dirty = false, false, true
}

// tellLate says once, after a long outage, that posts were left unanswered: in
// the conversation of the newest of them.
func (r *room) tellLate(ctx context.Context) {
	r.mu.Lock()
	late, id := r.cursor.Late, r.cursor.LateID
	next := r.cursor
	next.Late, next.LateID = 0, ""
	r.mu.Unlock()
	r.persist(ctx, r.h.older, id, func() error {
		ref, err := r.h.l.d.Store.Reference(ctx, r.h.l.id(), id)
		if fault.Is(err, fault.NotFound) {
			return nil // erased meanwhile
		}
		if err != nil {
			return err
		}
		conv, err := r.h.l.d.Store.Conversation(ctx, ref.Conversation)
		if err != nil {
			return err
		}
		return r.h.l.d.Gateway.Notice(ctx, channel.Notice{
			Conversation: conv, Content: chat.TextContent(lateText(late, r.h.l.settings.Load().maxAge)),
			Key: "late:" + r.id + ":" + id, Position: r.position(next),
		})
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.h.ctx.Err() == nil {
		r.cursor.Late, r.cursor.LateID, r.dirty = 0, "", true
	}
}

func lateText(n int, age time.Duration) string {
	if n == 1 {
		return fmt.Sprintf("I was away, and one message here stayed without an answer because it was more than %s old. Please write again if it still matters.", plainDuration(age))
	}
	return fmt.Sprintf("I was away, and %d messages here stayed without an answer because they were more than %s old. Please write again if it still matters.", n, plainDuration(age))
}

// plainDuration writes a duration in the words of people.
func plainDuration(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		return unit(int64(d/(24*time.Hour)), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return unit(int64(d/time.Hour), "hour")
	case d >= time.Minute:
		return unit(int64(d/time.Minute), "minute")
	}
	return d.String()
}

// lookForChanges finds edits and deletions that were missed. The server has one
// list for that, of at most 1,000 posts in no useful order; when it is longer,
// edits are found by reading the posts again, and deletions are not found.
func (r *room) lookForChanges(ctx context.Context, since time.Time) {
	var changes mm.Changes
	ok := r.persist(ctx, r.h.older, "", func() (err error) {
		changes, err = r.h.l.client.PostsSince(ctx, r.id, since)
		return err
	})
	if !ok {
		return
	}
	if changes.Capped {
		r.h.l.log.Warn("too much happened in a room while the link was down to know which posts were deleted; edits are still found", "room", r.id)
		r.rereadSince(ctx, since)
		return
	}
	for _, p := range changes.Posts {
		r.takeChange(ctx, p, since)
	}
}

// takeChange takes one post of a list of changes.
func (r *room) takeChange(ctx context.Context, p mm.Post, since time.Time) {
	switch {
	case p.System() || ctx.Err() != nil:
	case p.DeleteAt > 0:
		r.persist(ctx, r.h.older, p.ID, func() error { return r.deleted(ctx, p) })
	case p.EditAt > since.UnixMilli():
		r.persist(ctx, r.h.older, p.ID, func() error { return r.edited(ctx, p, true) })
	}
}

// rereadSince looks at all posts since a time and takes those edited since.
func (r *room) rereadSince(ctx context.Context, since time.Time) {
	var page mm.PostPage
	ok := r.persist(ctx, r.h.older, "", func() (err error) { page, err = r.pageSince(ctx, since.UnixMilli()); return err })
	for ok {
		for _, p := range page.Posts {
			r.takeChange(ctx, p, since)
		}
		if !page.More || page.Anchor == "" || ctx.Err() != nil {
			return
		}
		anchor := page.Anchor
		ok = r.persist(ctx, r.h.older, "", func() (err error) {
			page, err = r.h.l.client.PostsAfter(ctx, r.id, anchor, mm.MaxPage)
			return err
		})
	}
}
