package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	// listDefault and listMost bound lists for operators.
	listDefault = 50
	listMost    = 500
	// pageMost bounds the entries of one answer.
	pageMost = 1000
	// readWithin bounds a query whose context has no nearer end.
	readWithin = 30 * time.Second
)

// Reader answers queries from a pool of connections that never write.
type Reader struct {
	DB *sql.DB
	// Diagnose is the engine's; see [Engine].
	Diagnose func(error) Diagnosis
	// Prepare keeps prepared statements, for drivers that do not.
	Prepare bool

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

// preparedMost bounds the statements kept; only lists for operators have many
// forms.
const preparedMost = 100

// query runs a query, prepared if that pays.
func (q *Reader) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if !q.Prepare {
		return q.DB.QueryContext(ctx, text, args...)
	}
	q.mu.RLock()
	stmt, full := q.prepared[text], len(q.prepared) >= preparedMost
	q.mu.RUnlock()
	if stmt == nil && full {
		return q.DB.QueryContext(ctx, text, args...)
	}
	if stmt == nil {
		var err error
		if stmt, err = q.keep(ctx, text); err != nil {
			return nil, err
		}
	}
	return stmt.QueryContext(ctx, args...)
}

func (q *Reader) keep(ctx context.Context, text string) (*sql.Stmt, error) {
	stmt, err := q.DB.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if other := q.prepared[text]; other != nil {
		return other, stmt.Close()
	}
	if q.prepared == nil {
		q.prepared = make(map[string]*sql.Stmt)
	}
	q.prepared[text] = stmt
	return stmt, nil
}

// rows runs a query and gives each row to scan.
func (q *Reader) rows(ctx context.Context, what string, scan func(Row) error, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	rows, err := q.query(ctx, query, args)
	if err != nil {
		return q.failed(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return q.failed(what, err)
		}
	}
	return q.failed(what, rows.Err())
}

// one runs a query for at most one row.
func (q *Reader) one(ctx context.Context, what string, scan func(Row) error, query string, args ...any) (found bool, err error) {
	err = q.rows(ctx, what, func(r Row) error {
		found = true
		return scan(r)
	}, query, args...)
	return found, err
}

func (q *Reader) failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("read %s: %w", what, err)
	}
	if d := q.Diagnose(err); d.Unavailable != "" {
		return fault.Wrap(err, fault.Unavailable, "%s", d.Unavailable)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

const selectConversation = "SELECT " + conversationColumns + " FROM conversation v JOIN channel h ON h.key = v.channel JOIN contact c ON c.key = v.contact "

func (q *Reader) conversation(ctx context.Context, where string, args ...any) (chat.Conversation, error) {
	var c chat.Conversation
	found, err := q.one(ctx, "conversation", func(r Row) error { return scanPlace(r, &c) }, selectConversation+where, args...)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no such conversation")
	}
	return c, err
}

// Conversation implements [store.Conversations].
func (q *Reader) Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error) {
	return q.conversation(ctx, "WHERE v.key = $1", int64(key))
}

// ConversationByID implements [store.Conversations].
func (q *Reader) ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error) {
	if err := keyText("id", string(id)); err != nil {
		return chat.Conversation{}, err
	}
	return q.conversation(ctx, "WHERE v.id = $1", string(id))
}

// ConversationByPlace implements [store.Conversations].
func (q *Reader) ConversationByPlace(ctx context.Context, channel chat.ChannelID, place string) (chat.Conversation, error) {
	if err := first(keyText("channel", string(channel)), keyText("place", place)); err != nil {
		return chat.Conversation{}, err
	}
	return q.conversation(ctx, "WHERE h.id = $1 AND v.place = $2", string(channel), place)
}

// ListConversations implements [store.Conversations].
func (q *Reader) ListConversations(ctx context.Context, f store.ConversationFilter) ([]chat.Conversation, error) {
	if err := first(keyText("channel", string(f.Channel)), keyText("search", f.Search)); err != nil {
		return nil, err
	}
	var w where
	if f.Channel != "" {
		w.add("h.id = $?", string(f.Channel))
	}
	if f.Before > 0 {
		w.add("v.key < $?", int64(f.Before))
	}
	if f.Search != "" {
		w.add(`(LOWER(v.place) LIKE $? ESCAPE '\' OR EXISTS (SELECT 1 FROM identity i
			WHERE i.contact = v.contact AND i.channel = v.channel AND LOWER(i.external_id) LIKE $? ESCAPE '\'))`,
			likePattern(f.Search), likePattern(f.Search))
	}
	limit, err := listLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	all := []chat.Conversation{}
	err = q.rows(ctx, "conversations", func(r Row) error {
		var c chat.Conversation
		err := scanPlace(r, &c)
		all = append(all, c)
		return err
	}, selectConversation+w.text()+fmt.Sprintf(" ORDER BY v.key DESC LIMIT %d", limit), w.args...)
	return all, err
}

// likePattern matches a part of lower-case text.
func likePattern(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(part)) + "%"
}

func listLimit(limit int) (int, error) {
	switch {
	case limit == 0:
		return listDefault, nil
	case limit < 0 || limit > listMost:
		return 0, fault.Field("limit", "must be 1 to %d", listMost)
	default:
		return limit, nil
	}
}

// where collects conditions; "$?" stands for the next parameter.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	for _, arg := range args {
		w.args = append(w.args, arg)
		condition = strings.Replace(condition, "$?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

func (w *where) text() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// Handling implements [store.Conversations].
func (q *Reader) Handling(ctx context.Context, key chat.ConversationKey) (store.Handling, error) {
	var h store.Handling
	var mark string
	var open, newest int64
	found, err := q.one(ctx, "handling", func(r Row) error { return r.Scan(&open, &mark, &newest) },
		"SELECT v.open_turns, v.last_mark, v.episode FROM conversation v WHERE v.key = $1", int64(key))
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no such conversation")
	}
	if err != nil || newest == 0 {
		h.LastMark = chat.Mark(mark)
		return h, err
	}
	// Once more, now in one statement, so that the parts belong together.
	_, err = q.one(ctx, "handling", func(r Row) error { return scanEpisode(r, &h.Episode, &open, &mark) },
		"SELECT "+episodeColumns+", v.open_turns, v.last_mark FROM conversation v JOIN episode e ON e.key = v.episode WHERE v.key = $1", int64(key))
	h.OpenTurns, h.LastMark = int(open), chat.Mark(mark)
	return h, err
}

// Heads implements [store.Conversations].
func (q *Reader) Heads(ctx context.Context, keys []chat.ConversationKey) (map[chat.ConversationKey]int64, error) {
	heads := make(map[chat.ConversationKey]int64, len(keys))
	err := inChunks(keys, func(chunk []chat.ConversationKey) error {
		args := make([]any, len(chunk))
		for i, k := range chunk {
			args[i] = int64(k)
		}
		return q.rows(ctx, "heads", func(r Row) error {
			var key, seq int64
			err := r.Scan(&key, &seq)
			heads[chat.ConversationKey(key)] = seq
			return err
		}, "SELECT v.key, v.seq FROM conversation v WHERE v.key IN ("+parameters(len(chunk))+")", args...)
	})
	return heads, err
}

// inChunks keeps lists of parameters short.
func inChunks[T any](all []T, work func([]T) error) error {
	const most = 500
	for len(all) > 0 {
		n := min(most, len(all))
		if err := work(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// parameters renders "$1, $2, ..., $n".
func parameters(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if i > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i)
	}
	return b.String()
}

// Turns implements [store.Conversations].
func (q *Reader) Turns(ctx context.Context, f store.TurnFilter) ([]chat.Turn, error) {
	limit, err := listLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	var w where
	if f.Conversation != 0 {
		// Its entries name its turns; there is no other index of ended ones.
		w.add("t.key IN (SELECT e.turn FROM entry e WHERE e.conversation = $? AND e.turn > 0)", int64(f.Conversation))
	}
	if f.Status != "" {
		code := statuses.code(f.Status)
		if code == 0 {
			return nil, fault.Field("status", "%q is not known", f.Status)
		}
		w.add(fmt.Sprintf("t.status = %d", code))
		if code <= 2 {
			w.add("t.status IN (1, 2)") // so that the index of open turns is used
		}
	}
	all := []chat.Turn{}
	err = q.rows(ctx, "turns", func(r Row) error {
		var t turn
		err := scanTurn(r, &t)
		all = append(all, t.Turn)
		return err
	}, "SELECT "+turnColumns+" FROM turn t"+w.text()+fmt.Sprintf(" ORDER BY t.key DESC LIMIT %d", limit), w.args...)
	return all, err
}

// Person implements [store.Conversations].
func (q *Reader) Person(ctx context.Context, contact chat.ContactKey, channel chat.ChannelID) (chat.Person, error) {
	var p chat.Person
	var verified int64
	found, err := q.one(ctx, "person", func(r Row) error { return r.Scan(&p.ExternalID, &verified, &p.Name) },
		`SELECT i.external_id, i.verified, i.name FROM identity i JOIN channel h ON h.key = i.channel
		WHERE i.contact = $1 AND h.id = $2 ORDER BY i.created_at LIMIT 1`, int64(contact), safeText(string(channel), maxKey))
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no such contact on this channel")
	}
	p.Verified = verified != 0
	return p, err
}

// Confirmed implements [store.Conversations].
func (q *Reader) Confirmed(ctx context.Context, key chat.ConversationKey, reader string) (seq int64, found bool, err error) {
	found, err = q.one(ctx, "confirmations", func(r Row) error { return r.Scan(&seq) },
		`SELECT seq FROM reader WHERE conversation = $1 ORDER BY CASE WHEN reader = $2 THEN 0 ELSE 1 END, seq DESC LIMIT 1`, int64(key), safeText(reader, maxKey))
	return seq, found, err
}

// Raw implements [store.Conversations].
func (q *Reader) Raw(ctx context.Context, key chat.ConversationKey, seq int64) ([]byte, error) {
	var body []byte
	found, err := q.one(ctx, "raw input", func(r Row) error { return r.Scan(&body) },
		`SELECT w.body FROM entry e JOIN raw w ON w.key = e.raw WHERE e.conversation = $1 AND e.seq = $2`, int64(key), seq)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "no raw input is kept for this entry")
	}
	return body, err
}
