package sqlstore

import (
	"context"
	"fmt"

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

// VisiblePage implements [store.Conversations]. It is arithmetic on the visible
// sequence: what a page costs does not depend on the length of the log.
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
	out.Entries, err = q.entries(ctx, "WHERE e.conversation = $1 AND e.visible_seq > 0 AND e.visible_seq BETWEEN $2 AND $3 ORDER BY e.visible_seq",
		int64(key), last-int64(pageLimit(page.Limit))+1, last)
	return out, err
}

func pageLimit(limit int) int {
	if limit <= 0 || limit > pageMost {
		return pageMost
	}
	return limit
}
