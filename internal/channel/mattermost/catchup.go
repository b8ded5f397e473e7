package mattermost

import (
	"context"

	mm "parley/internal/mattermost"
)

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
	post, err := r.h.l.client.NewestPost(ctx, r.id)
	if err != nil {
		return cursor{}, err
	}
	if post.ID != "" {
		return cursor{ID: post.ID, At: post.CreateAt}, nil
	}
	return cursor{At: r.h.l.d.Now().Add(-clockSlack).UnixMilli()}, nil
}
