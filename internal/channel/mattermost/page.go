package mattermost

import (
	"context"
	"sync"

	mm "parley/internal/mattermost"
)

// read is a post of a page and what became of it.
type read struct {
	post mm.Post
	// away is set for what was said while we were not in the room, joins for
	// the word that we came into it.
	away, joins bool
	result      string
}

// takePage takes posts that were read later. Posts of one place are taken in
// order and places beside each other, so that a room's many threads do not wait
// for one commit after another. The cursor moves after all of them: a crash in
// between has the page read again, which changes nothing. It reports whether to
// go on.
func (r *room) takePage(ctx context.Context, posts []mm.Post) bool {
	page, out := r.prepare(posts)
	var work sync.WaitGroup
	for _, group := range r.groups(page) {
		work.Go(func() {
			for _, one := range group {
				r.persist(ctx, r.h.older, one.post.ID, func() error { return r.takeRead(ctx, one) })
				if ctx.Err() != nil || r.left() {
					return
				}
			}
		})
	}
	work.Wait()
	if ctx.Err() != nil || r.left() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range page {
		move := cursor.move
		if one.joins {
			move = cursor.joined
		}
		r.cursor, r.trail = move(r.cursor, r.trail, one.post)
		// What is heard as well was said to members, how late the word that we
		// are one may come.
		if !one.away {
			r.seen.put(one.post.ID, true)
		}
		if one.result == resultLate {
			r.cursor = r.cursor.late(one.post.ID)
		}
	}
	r.cursor.Out, r.dirty = out, true
	return true
}

// prepare finds out, in order, during which posts of a page we were away, and
// whether we are at its end. What was said just before we were added again may
// have been said just after it: the server is late with that word.
func (r *room) prepare(posts []mm.Post) (page []*read, out bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out = r.cursor.Out
	me := r.h.l.self()
	for _, p := range posts {
		in, about := membership(p, me)
		if about {
			out = !in
		}
		for i := len(page) - 1; about && in && i >= 0 && p.CreateAt-page[i].post.CreateAt <= joinBlur.Milliseconds(); i-- {
			page[i].away = false
		}
		if _, seen := r.seen.get(p.ID); !seen {
			page = append(page, &read{post: p, away: out && !about, joins: about && in})
		}
	}
	return page, out
}

// groups sorts posts by what has to be taken in order: those of a thread, and
// all others. Where a thread's replies are answered flat, everything is one.
func (r *room) groups(page []*read) map[string][]*read {
	r.mu.Lock()
	roomType := r.info.Type
	r.mu.Unlock()
	replies := r.h.l.settings.Load().body.Replies
	groups := map[string][]*read{}
	for _, one := range page {
		key := ""
		if at := placeOf(roomType, one.post, replies); at.kind == threadPlace && replies.Thread == thread {
			key = at.root
		}
		groups[key] = append(groups[key], one)
	}
	return groups
}

// takeRead takes one post that was read later.
func (r *room) takeRead(ctx context.Context, one *read) error {
	v, err := r.decide(ctx, one.post, one.away, false, false)
	if err != nil {
		return err
	}
	if one.result = v.ignored; one.result == "" {
		if one.result, err = r.accept(ctx, postSaid(one.post, v), r.recovers(), nil); err != nil {
			return err
		}
	}
	r.h.l.d.metrics.posts.WithLabelValues(r.h.l.settings.Load().name, one.result).Inc()
	return nil
}

// recovers reports whether what is read was said while the link was down.
func (r *room) recovers() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recovering
}

// left reports whether we are not in the room any more.
func (r *room) left() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out
}
