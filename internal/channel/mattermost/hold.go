package mattermost

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// clockSlack is by how much the server's clock may differ from ours before a
// change or a joining made while the link was down is overlooked.
const clockSlack = 5 * time.Minute

// hold is the rooms of an account, from the claim of its connection to its
// end. It outlives single connections.
type hold struct {
	l      *link
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	// live and older bound the rooms that work at once on what comes now and
	// on what was missed, so that neither waits for the other.
	live, older chan struct{}
	// sync asks for a comparison of all rooms.
	sync chan struct{}
	// unsynced counts what is left of comparisons.
	unsynced atomic.Int64

	// begun is set when rooms were stored already.
	begun bool

	mu    sync.Mutex
	rooms map[string]*room
	// alive is when all was heard for the last time; zero before the first.
	alive time.Time
}

// beginHold gives the link its rooms, as far as they are stored.
func beginHold(ctx context.Context, l *link) error {
	stored, err := l.d.Store.Rooms(ctx, l.id())
	if err != nil {
		return err
	}
	h := &hold{l: l, rooms: map[string]*room{}, live: make(chan struct{}, 16), older: make(chan struct{}, 8), sync: make(chan struct{}, 1)}
	h.ctx, h.cancel = context.WithCancel(l.ctx)
	for _, s := range stored {
		if s.Room == linkRoom {
			h.alive = parseAlive(s.Position)
			continue
		}
		r := newRoom(h, s.Room)
		if r.cursor, err = parseCursor(s.Position); err != nil {
			l.log.Warn("the position of a room cannot be read; it starts anew", "room", s.Room, "error", err)
		}
		if a := r.cursor.anchor(); a != "" {
			r.trail = trail{{a, r.cursor.At}}
		}
		h.begun, r.entered = true, true
		r.catching, r.out, r.changed = s.Status == store.RoomCatchingUp, s.Status == store.RoomGone, s.ChangedAt
		h.rooms[s.Room] = r
	}
	h.work.Go(h.flushLoop)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = h
	return nil
}

// close stops all work and writes the last positions.
func (h *hold) close() {
	h.cancel()
	h.work.Wait()
}

// fresh reports whether the link was never in sync: its rooms then begin now.
func (h *hold) fresh() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive.IsZero()
}

// missedSince is from when on something may have been missed.
func (h *hold) missedSince() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive.Add(-clockSlack)
}

// room returns the room with an id, made if need be.
func (h *hold) room(id string) *room {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		r = newRoom(h, id)
		h.rooms[id] = r
	}
	return r
}

func (h *hold) all() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		all = append(all, r)
	}
	return all
}

// back is told that we are in a room, perhaps again.
func (h *hold) back(id string) {
	if mm.ValidID(id) {
		h.room(id).enterAgain()
	}
}

// gone is told that we are no longer in a room, or that it is archived.
func (h *hold) gone(id string) {
	h.mu.Lock()
	r := h.rooms[id]
	h.mu.Unlock()
	if r != nil {
		r.leave()
	}
}

func (h *hold) rename(c mm.Channel) {
	h.mu.Lock()
	r := h.rooms[c.ID]
	h.mu.Unlock()
	if r != nil {
		r.setInfo(c)
	}
}

// wantSync asks for a comparison of all rooms.
func (h *hold) wantSync() {
	select {
	case h.sync <- struct{}{}:
	default:
	}
}

// expectGap says that posts may be missing in every room, from now until each
// has read on: what is heard meanwhile has to wait for what was missed.
func (h *hold) expectGap() {
	fresh := h.fresh()
	for _, r := range h.all() {
		r.mu.Lock()
		if r.cursor.known() && !r.out {
			r.catching, r.more, r.recovering = true, true, !fresh || h.begun
		}
		r.mu.Unlock()
	}
}

// syncLoop compares all rooms whenever that was asked for, while a connection
// lasts. What fails is tried again, also by the next connection.
func (h *hold) syncLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.sync:
		}
		h.unsynced.Add(1)
		err := h.compare(ctx)
		if err != nil {
			h.wantSync()
		}
		h.unsynced.Add(-1)
		if err == nil {
			continue
		}
		if ctx.Err() == nil {
			h.l.log.Warn("the rooms could not be compared with the server; trying again", "error", err)
		}
		if !sleep(ctx, h.l.d.Times.FirstRetry) {
			return
		}
	}
}

// compare finds rooms with news, rooms we were added to or removed from, and
// lets each room look for edits and deletions it has missed.
func (h *hold) compare(ctx context.Context) error {
	channels, err := h.l.client.MyChannels(ctx)
	if err != nil {
		return err
	}
	fresh, since := h.fresh(), h.missedSince()
	in := map[string]bool{}
	for _, c := range channels {
		if c.DeleteAt == 0 {
			in[c.ID] = true
			h.room(c.ID).compare(c, fresh, since)
		}
	}
	for _, r := range h.all() {
		if !in[r.id] {
			r.leave()
		}
	}
	return nil
}

// flushLoop writes positions that no entry carries, and that all was heard. At
// the end it writes what is left.
func (h *hold) flushLoop() {
	for sleep(h.ctx, h.l.d.Times.Flush) {
		h.flush(h.ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), 3*time.Second)
	defer cancel()
	h.flush(ctx)
}

func (h *hold) flush(ctx context.Context) {
	var moved []*room
	var rooms []store.Room
	now := h.l.d.Now()
	for _, r := range h.all() {
		if s, dirty := r.snapshot(); dirty {
			moved, rooms = append(moved, r), append(rooms, s)
		}
	}
	alive, due := h.aliveDue(ctx, now)
	if due {
		rooms = append(rooms, aliveRoom(alive))
	}
	if len(rooms) == 0 {
		return
	}
	_, err := store.Do(ctx, h.l.d.Store, store.MoveRooms{Channel: h.l.id(), ChannelType: Name, Rooms: rooms, Now: now})
	for i, r := range moved {
		r.flushed(rooms[i].Position, err == nil)
	}
	switch {
	case err == nil && due:
		h.mu.Lock()
		h.alive = alive
		h.mu.Unlock()
	case err != nil && ctx.Err() == nil:
		h.l.log.Warn("positions of rooms could not be stored; trying again", "error", err)
	}
}

// aliveDue says whether it is time to note that all was heard up to now.
func (h *hold) aliveDue(ctx context.Context, now time.Time) (time.Time, bool) {
	h.l.mu.Lock()
	connected, heard := h.l.state.connected, h.l.state.lastEvent
	h.l.mu.Unlock()
	if !connected || h.unsynced.Load() > 0 || len(h.sync) > 0 {
		return time.Time{}, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// Of a connection that is open and silent the last event is certain.
	at := now
	if quiet := now.Add(-2 * time.Minute); heard.Before(quiet) {
		at = quiet
	}
	if h.alive.IsZero() || ctx.Err() != nil {
		return at, at.After(h.alive)
	}
	return at, at.Sub(h.alive) >= h.l.d.Times.Alive
}

// acquire takes one of the places of a kind of work.
func (h *hold) acquire(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-h.ctx.Done():
		return false
	}
}
