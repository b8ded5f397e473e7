package mattermost

import (
	"context"
	"time"

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
	if rejoin && known.At >= since.UnixMilli() {
		since = time.UnixMilli(known.At + 1) // older words are about earlier joinings
	}
	wait := time.Duration(0)
	if heard && tellsOfJoining(info) {
		wait = joinBlur
	}
	joined, err := r.awaitJoined(ctx, since, wait)
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
		// An archived room that is back, in which nothing was said, or the word
		// of our return is very late: reading finds out since when we were away.
		return known, nil
	}
	// A direct message that began while we were away, or a room that does not
	// tell of joinings: it did not exist for us before.
	at := max(since.UnixMilli(), info.CreateAt-1, 1)
	return cursor{At: at}, nil
}

// awaitJoined is joined for a joining of a moment ago, of which we have heard:
// the server's word about it is looked for again until it cannot come any more.
func (r *room) awaitJoined(ctx context.Context, since time.Time, wait time.Duration) (cursor, error) {
	for {
		at, left, err := r.joined(ctx, since)
		if err != nil || at.known() && !left || wait <= 0 {
			return at, err
		}
		if !sleep(ctx, joinLook) {
			return cursor{}, ctx.Err()
		}
		wait -= joinLook
	}
}

// joinLook is how often the word that we were added is looked for.
const joinLook = 50 * time.Millisecond

// tellsOfJoining reports whether the server posts who was added to a room.
func tellsOfJoining(room mm.Channel) bool { return room.Type != mm.DM && room.Type != mm.Group }

// joinBlur is by how much the server's word that somebody was added may come
// after the fact: it posts it in the background, so that what is said at once
// stands before it.
const joinBlur = time.Second

// joined is the cursor where we came into the room, by the newest post that says
// so, not looking further back than since. The zero cursor means that there is
// none. left is set when a newer one says that we were removed: the word that we
// are back is not there yet.
func (r *room) joined(ctx context.Context, since time.Time) (at cursor, left bool, err error) {
	before := ""
	for range maxJoinPages {
		page, err := r.h.l.client.PostsBefore(ctx, r.id, before, mm.MaxPage)
		if err != nil {
			return cursor{}, left, err
		}
		for i := len(page.Posts) - 1; i >= 0; i-- {
			p := page.Posts[i]
			if p.CreateAt < since.UnixMilli() {
				return cursor{}, left, nil
			}
			in, about := membership(p, r.h.l.self())
			if about && in {
				return cursor{ID: p.ID, At: p.CreateAt}, left, nil
			}
			left = left || about
		}
		if !page.More {
			break
		}
		before = page.Anchor
	}
	return cursor{}, left, nil
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
