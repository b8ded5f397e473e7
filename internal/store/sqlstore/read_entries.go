package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"parley/internal/chat"
)

func (q *Reader) entries(ctx context.Context, where string, args ...any) ([]chat.Entry, error) {
	all := []chat.Entry{}
	err := q.rows(ctx, "entries", func(r Row) error {
		var e entry
		if err := scanEntry(r, &e); err != nil {
			return err
		}
		content, err := chat.DecodeContent([]byte(e.content))
		if err != nil {
			return fmt.Errorf("entry %d of conversation %d: %w", e.Seq, e.Conversation, err)
		}
		e.Content = content
		all = append(all, e.Entry)
		return nil
	}, "SELECT "+entryColumns+" FROM entry e "+where, args...)
	return all, err
}

// Entries implements [store.Conversations]. At most 1,000 are returned.
func (q *Reader) Entries(ctx context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error) {
	return q.entries(ctx, "WHERE e.conversation = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3", int64(key), after, int64(pageLimit(limit)))
}

// EntriesBetween implements [store.Conversations].
func (q *Reader) EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error) {
	return q.entries(ctx, "WHERE e.conversation = $1 AND e.seq BETWEEN $2 AND $3 ORDER BY e.seq", int64(key), first, last)
}

// visibleAt is the sequence number of the $V-th entry that the contact sees: a
// binary search between the places where it can be, $A and $B.
const visibleAt = `(WITH RECURSIVE place (a, b) AS (
		SELECT CAST($A AS BIGINT), CAST($B AS BIGINT)
		UNION ALL
		SELECT CASE WHEN m.visible_seq < $V THEN (p.a + p.b) / 2 + 1 ELSE p.a END,
			CASE WHEN m.visible_seq < $V THEN p.b ELSE (p.a + p.b) / 2 END
		FROM place p JOIN entry m ON m.conversation = $1 AND m.seq = (p.a + p.b) / 2 WHERE p.a < p.b
	) SELECT a FROM place WHERE a = b)`

var visibleBetween = "WHERE e.conversation = $1 AND e.seq BETWEEN " +
	strings.NewReplacer("$V", "$2", "$A", "$2", "$B", "$3").Replace(visibleAt) + " AND " +
	strings.NewReplacer("$V", "$4", "$A", "$4", "$B", "$5").Replace(visibleAt) +
	" AND e.purpose = 1 AND e.visibility = 1 ORDER BY e.seq"

// VisiblePage implements [store.Conversations]. It is arithmetic on the visible
// sequence: what a page costs hardly depends on the length of the log.
func (q *Reader) VisiblePage(ctx context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error) {
	var out chat.VisiblePage
	conv, err := q.Conversation(ctx, key)
	if err != nil {
		return out, err
	}
	out.Total = conv.VisibleSeq
	last := conv.VisibleSeq - max(page.Offset, 0)
	if last <= 0 || page.Limit <= 0 {
		return out, nil
	}
	first := max(last-int64(pageLimit(page.Limit))+1, 1)
	// The n-th visible entry has at least n as its sequence number, and at
	// most as many more as there are entries that are not visible.
	hidden := conv.Seq - conv.VisibleSeq
	out.Entries, err = q.entries(ctx, visibleBetween, int64(key), first, first+hidden, last, last+hidden)
	return out, err
}

func pageLimit(limit int) int {
	if limit <= 0 || limit > pageMost {
		return pageMost
	}
	return limit
}
