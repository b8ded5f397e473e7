package mattermost

import (
	"context"
	"time"

	mm "parley/internal/mattermost"
)

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
