package mattermost

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"parley/internal/fault"
	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// maxQueue bounds what waits in one room. Above it, live posts only say that
// there is more to read.
const maxQueue = 512

// room is one Mattermost channel we are in. What happens there is taken in
// order by one goroutine, which exists while there is something to do; rooms do
// not wait for each other.
type room struct {
	h  *hold
	id string

	mu    sync.Mutex
	info  mm.Channel
	queue []task
	busy  bool
	// cursor and trail are written by the room's goroutine.
	cursor cursor
	trail  trail
	dirty  bool
	// catching is set while posts may be missing between cursor and queue;
	// more, when some were left out of the queue since reading began.
	catching, more bool
	// recovering is set when what is read was made while the link was down.
	recovering bool
	// out is set while we are not in the room, rejoin when we are again and
	// have not found out since when.
	out, rejoin bool
	// entered is set once the place where reading begins is stored.
	entered bool
	// heardBack is set when we have heard of our return as it happened: what
	// was said after it is then heard too.
	heardBack bool
	changed   time.Time

	seen      *generations[string, bool]
	recovered int
}

// task is something heard of a room, or a search for missed changes.
type task struct {
	name      string // of the event, or taskChanges
	post      mm.Post
	setOnline bool
	since     time.Time
	// counted tasks belong to a comparison.
	counted bool
}

const taskChanges = "changes"

func newRoom(h *hold, id string) *room {
	return &room{h: h, id: id, seen: newGenerations[string, bool](1024)}
}

// hear takes an event about a post.
func (r *room) hear(e mm.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.ChannelType != "" {
		r.info.ID, r.info.Type, r.info.Name, r.info.DisplayName = r.id, e.ChannelType, e.ChannelName, e.ChannelDisplayName
	}
	if r.out && !r.rejoin {
		if e.Name != mm.EventPosted {
			return
		}
		r.rejoin, r.heardBack = true, true // we hear of it, so we are in it
	}
	r.add(task{name: e.Name, post: *e.Post, setOnline: e.SetOnline})
}

// add queues a task. The caller holds r.mu.
func (r *room) add(t task) {
	switch {
	case len(r.queue) < maxQueue || t.counted:
		r.queue = append(r.queue, t)
	case t.name == mm.EventPosted:
		r.catching, r.more = true, true
	default:
		// Changes that find no place are looked for later.
		last := &r.queue[len(r.queue)-1]
		if last.name != taskChanges {
			r.queue = append(r.queue, task{name: taskChanges, since: r.h.l.d.Now().Add(-clockSlack)})
		}
	}
	r.wake()
}

// wake lets the room's goroutine run. The caller holds r.mu.
func (r *room) wake() {
	if r.busy || r.h.ctx.Err() != nil {
		return
	}
	r.busy = true
	r.h.work.Go(r.run)
}

func (r *room) setInfo(c mm.Channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.info = c
}

// compare takes the server's word about the room after a loss of events.
func (r *room) compare(c mm.Channel, fresh bool, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.info = c
	if r.out {
		r.rejoin = true
	}
	if r.cursor.known() {
		// Also without news by LastPostAt: what became readable late has an
		// older time. A reading that is under way may have passed what the new
		// stream does not tell either.
		r.catching, r.more = true, true
	}
	r.recovering = !fresh || r.h.begun
	if !fresh {
		r.h.unsynced.Add(1)
		r.add(task{name: taskChanges, since: since, counted: true})
	}
	r.wake()
}

// enterAgain is told that we are in the room since some moment.
func (r *room) enterAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out {
		r.rejoin = true
	}
	r.heardBack = r.rejoin || !r.cursor.known()
	r.wake()
}

// leave is told that we are not in the room now.
func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.out && !r.rejoin {
		return
	}
	r.out, r.rejoin, r.heardBack, r.catching = true, false, false, false
	r.changed = r.h.l.d.Now()
	r.clear()
	r.dirty = r.cursor.known()
}

// clear empties the queue. The caller holds r.mu.
func (r *room) clear() {
	for _, t := range r.queue {
		if t.counted {
			r.h.unsynced.Add(-1)
		}
	}
	r.queue = nil
}

// run does what there is to do.
func (r *room) run() {
	for {
		step := r.next()
		if step == nil {
			return
		}
		r.guarded(step)
	}
}

// guarded keeps a mistake in one room from ending the process. What made it is
// left behind, so that the room goes on.
func (r *room) guarded(step func(context.Context)) {
	defer func() {
		if v := recover(); v != nil {
			r.h.l.d.metrics.panics.Inc()
			r.h.l.log.Error("panic in a Mattermost room", "room", r.id, "panic", v, "stack", string(debug.Stack()))
			sleep(r.h.ctx, r.h.l.d.Times.FirstRetry)
		}
	}()
	step(r.h.ctx)
}

// next chooses the next step, or lets the goroutine end.
func (r *room) next() func(context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.h.ctx.Err() != nil:
	case r.out && !r.rejoin:
		r.clear()
	case !r.cursor.known() || r.rejoin:
		return r.enter
	case r.catching:
		return r.catchUp
	case len(r.queue) > 0:
		t := r.queue[0]
		r.queue = r.queue[1:]
		return func(ctx context.Context) { r.do(ctx, t) }
	case r.cursor.Late > 0:
		return r.tellLate
	}
	r.busy = false
	return nil
}

func (r *room) do(ctx context.Context, t task) {
	if t.counted {
		defer r.h.unsynced.Add(-1)
	}
	switch t.name {
	case taskChanges:
		r.lookForChanges(ctx, t.since)
	case mm.EventPosted:
		r.persist(ctx, r.h.live, t.post.ID, func() error { return r.take(ctx, t.post, t.setOnline) })
	case mm.EventPostEdited:
		r.persist(ctx, r.h.live, t.post.ID, func() error { return r.edited(ctx, t.post, false) })
	case mm.EventPostDeleted:
		r.persist(ctx, r.h.live, t.post.ID, func() error { return r.deleted(ctx, t.post) })
	}
}

// unreadableAfter is how often something is tried whose failure does not look
// like a passing one.
const unreadableAfter = 6

// persist tries until it works, or until it is clear that it never will. It
// reports whether it worked.
func (r *room) persist(ctx context.Context, places chan struct{}, what string, try func() error) bool {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = r.h.l.d.Times.FirstRetry/5, r.h.l.d.Times.LastRetry
	for failures := 1; ; failures++ {
		if !r.h.acquire(places) {
			return false
		}
		err := r.attempt(try)
		<-places
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		passing := fault.Is(err, fault.Unavailable) || fault.Is(err, fault.TooMany) || mm.Temporary(err) || mm.IsUnauthorized(err)
		if status := mm.StatusOf(err); status == 403 || status == 404 {
			r.h.l.log.Warn("Mattermost refuses access to a room; it is left until we are added again", "room", r.id, "error", err)
			r.leave()
			return false
		}
		if fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge) || !passing && failures >= unreadableAfter {
			r.h.l.d.metrics.skipped.WithLabelValues(r.h.l.settings.Load().name).Inc()
			r.h.l.log.Error("something said in Mattermost cannot be taken and is left behind", "room", r.id, "post", what, "error", err)
			return false
		}
		if failures == 3 {
			r.h.l.log.Warn("something said in Mattermost cannot be stored yet; trying again", "room", r.id, "post", what, "error", err)
		}
		sleep(ctx, pauses.NextBackOff())
		if mm.IsUnauthorized(err) {
			r.h.l.waitUp(ctx)
		}
	}
}

// attempt turns a panic into an error that is tried again and then left.
func (r *room) attempt(try func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			r.h.l.d.metrics.panics.Inc()
			r.h.l.log.Error("panic over a post", "room", r.id, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return try()
}

// snapshot is what to store of the room, if that differs from what is stored.
func (r *room) snapshot() (store.Room, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dirty := r.dirty
	r.dirty = false
	return store.Room{Room: r.id, Status: r.status(), Position: r.cursor.String()}, dirty
}

// status is the room's state. The caller holds r.mu.
func (r *room) status() store.RoomStatus {
	switch {
	case r.out && !r.rejoin:
		return store.RoomGone
	case r.catching, r.rejoin, !r.cursor.known():
		return store.RoomCatchingUp
	}
	return store.RoomLive
}

// flushed is told that a position was stored, or not. An entry may have stored
// a newer one in between, over which this one has gone.
func (r *room) flushed(position string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok || position != r.cursor.String() {
		r.dirty = true
	}
}
