package mattermost

import (
	"encoding/json"
	"fmt"
	"time"

	mm "parley/internal/mattermost"
	"parley/internal/store"
)

// overlap is how far reading goes back before the newest post seen. The server
// gives a post its time before it stores it, so a post may become readable
// after a newer one.
const overlap = 10 * time.Second

// cursor is how far a room was read. It is stored as JSON.
type cursor struct {
	// ID is the newest post handled and At its time in milliseconds. ID is
	// empty while only a time is known.
	ID string `json:"id,omitempty"`
	At int64  `json:"at,omitempty"`
	// From is a post at least [overlap] older, where reading goes on.
	From string `json:"from,omitempty"`
	// Out is set between our removal and our return, as read in the posts:
	// what was said meanwhile was not said to us.
	Out bool `json:"out,omitempty"`
	// Late counts the posts since the last line about them that were too old
	// to be answered; LateID is the newest.
	Late   int    `json:"late,omitempty"`
	LateID string `json:"late_id,omitempty"`
}

func parseCursor(value string) (cursor, error) {
	var c cursor
	if err := json.Unmarshal([]byte(value), &c); err != nil {
		return cursor{}, fmt.Errorf("position of a room: %w", err)
	}
	return c, nil
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return "{}" // cannot be: all fields are texts, numbers and flags
	}
	return string(b)
}

func (c cursor) known() bool { return c.ID != "" || c.At != 0 }

// anchor is the post to read on from; empty while only a time is known.
func (c cursor) anchor() string {
	if c.From != "" {
		return c.From
	}
	return c.ID
}

// trail is a few of the newest posts, about a second apart, from which the
// cursor's From is taken.
type trail []mark

type mark struct {
	id string
	at int64
}

// move returns the cursor after a post, and the trail.
func (c cursor) move(t trail, p mm.Post) (cursor, trail) {
	if p.CreateAt < c.At {
		return c, t
	}
	c.ID, c.At = p.ID, p.CreateAt
	if len(t) == 0 || p.CreateAt-t[len(t)-1].at >= 1000 {
		t = append(t, mark{p.ID, p.CreateAt})
	}
	for len(t) > 1 && t[1].at <= p.CreateAt-overlap.Milliseconds() {
		t = t[1:]
	}
	c.From = t[0].id
	return c, t
}

// joined returns the cursor after the word that we came into the room, and the
// trail: reading never again begins before it, where what was said is not ours.
func (c cursor) joined(t trail, p mm.Post) (cursor, trail) {
	next := trail{{p.ID, p.CreateAt}}
	for _, m := range t {
		if m.at > p.CreateAt {
			next = append(next, m)
		}
	}
	c.From = p.ID
	return c.move(next, p)
}

// late returns the cursor with one more post that was too old.
func (c cursor) late(id string) cursor {
	c.Late++
	c.LateID = id
	return c
}

// linkRoom is the name under which it is stored when the link last heard all.
// Ids of rooms are letters and digits.
const linkRoom = "~link"

type aliveMark struct {
	At int64 `json:"at"`
}

func aliveRoom(at time.Time) store.Room {
	b, err := json.Marshal(aliveMark{at.UnixMilli()})
	if err != nil {
		b = []byte("{}")
	}
	return store.Room{Room: linkRoom, Status: store.RoomLive, Position: string(b)}
}

func parseAlive(value string) time.Time {
	var m aliveMark
	if json.Unmarshal([]byte(value), &m) != nil || m.At == 0 {
		return time.Time{}
	}
	return time.UnixMilli(m.At)
}

// generations is a map that forgets what was not used for a while: when the
// young half is full it becomes the old one.
type generations[K comparable, V any] struct {
	size       int
	young, old map[K]V
}

func newGenerations[K comparable, V any](size int) *generations[K, V] {
	return &generations[K, V]{size: size, young: map[K]V{}}
}

func (g *generations[K, V]) get(k K) (V, bool) {
	v, ok := g.young[k]
	if !ok {
		if v, ok = g.old[k]; ok {
			g.put(k, v)
		}
	}
	return v, ok
}

func (g *generations[K, V]) put(k K, v V) {
	if len(g.young) >= g.size {
		g.old, g.young = g.young, map[K]V{}
	}
	g.young[k] = v
}

func (g *generations[K, V]) drop(k K) {
	delete(g.young, k)
	delete(g.old, k)
}
