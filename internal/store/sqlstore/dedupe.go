package sqlstore

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"parley/internal/store"
)

// maxRecent bounds the contents remembered for a key that is used for
// different ones.
const maxRecent = 16

// hashOf is the hash of an entry's content, by which a repeat is known.
func hashOf(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return sum[:16]
}

// verdict is what is known about an inbound entry's key.
type verdict struct {
	// repeated is the earlier entry, if this is a repeat.
	repeated *seen
	// reused is set when the key came with another content.
	reused bool
}

// repeat looks a key up. An expired row counts as none, except that a key once
// used for different contents stays known as such.
func (v *conversation) repeat(b *batch, d *store.Dedupe, now int64) verdict {
	if d == nil {
		return verdict{}
	}
	row := b.dedupes[dedupeKey{v.channel, d.Key}]
	if row == nil || row.expiresAt <= now {
		return verdict{}
	}
	if len(d.Hash) == 0 {
		if row.CountsUntil > now {
			return verdict{repeated: &row.seen}
		}
		return verdict{}
	}
	for _, s := range append([]seen{row.seen}, row.recent...) {
		if s.CountsUntil > now && bytes.Equal(s.Hash, d.Hash) {
			return verdict{repeated: &s}
		}
	}
	return verdict{reused: !bytes.Equal(row.Hash, d.Hash)}
}

// remember stores the key of an entry that was no repeat.
func (b *batch) remember(v *conversation, d *store.Dedupe, e *entry, now int64) {
	if d == nil {
		return
	}
	key := dedupeKey{v.channel, d.Key}
	row := b.dedupes[key]
	next := seen{Hash: d.Hash, Conversation: v.key, Seq: e.Seq, CreatedAt: e.CreatedAt.UnixMilli(), CountsUntil: after(now, d.Life)}
	expires := next.CountsUntil
	if row == nil {
		b.dedupes[key] = &dedupe{channel: v.channel, key: d.Key, seen: next, expiresAt: expires, made: true}
		return
	}
	row.dirty = true
	live := row.expiresAt > now
	row.reused = live && (row.reused || len(d.Hash) > 0 && !bytes.Equal(row.Hash, d.Hash))
	if !row.reused {
		row.seen, row.recent, row.expiresAt = next, nil, expires
		return
	}
	// From now on repeats count for a short while, those of earlier contents
	// too.
	next.CountsUntil = min(next.CountsUntil, after(now, store.ReusedKeyLife))
	row.recent = append(row.recent, row.seen)
	for i := range row.recent {
		row.recent[i].CountsUntil = min(row.recent[i].CountsUntil, next.CountsUntil)
	}
	row.recent = slices.DeleteFunc(row.recent, func(s seen) bool { return s.CountsUntil <= now })
	if over := len(row.recent) - maxRecent; over > 0 {
		row.recent = slices.Delete(row.recent, 0, over)
	}
	row.seen, row.expiresAt = next, max(row.expiresAt, expires)
}

// after adds a life to a time, without running over.
func after(now int64, life time.Duration) int64 { return now + max(life.Milliseconds(), 0) }

func (d *dedupe) row() []any {
	var recent []byte
	if len(d.recent) > 0 {
		recent, _ = json.Marshal(d.recent) // numbers and bytes cannot fail
	}
	return []any{d.channel, d.key, d.Hash, int64(d.Conversation), d.Seq, d.CreatedAt, d.CountsUntil, flag(d.reused), recent, d.expiresAt}
}

func orderDedupe(a, b dedupeKey) int {
	return cmp.Or(cmp.Compare(a.channel, b.channel), strings.Compare(a.key, b.key))
}
