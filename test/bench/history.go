package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the engine of the store that is filled
)

// historyRows is the number of entries in the store while pages are measured.
// PARLEY_BENCH_ROWS makes it another number, for a quick look.
const historyRows = 5_000_000

// historySizes are the lengths of the conversations whose newest page is read.
var historySizes = []int{100, 10_000, 100_000}

// history measures the newest page of conversations of different lengths in a
// large store.
func (b *bench) history() error {
	p, err := startProduct(b.binary, "", "")
	if err != nil {
		return err
	}
	dir := p.dir
	defer os.RemoveAll(dir)
	for _, n := range historySizes {
		// The first turn makes the conversation that is filled below.
		if err := p.firstTurn(historyUser(n)); err != nil {
			return errors.Join(err, p.stop())
		}
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait() // it was killed
	if err := fill(b.ctx, filepath.Join(dir, "parley.db")); err != nil {
		return err
	}
	if p, err = startProduct(b.binary, dir, ""); err != nil {
		return err
	}
	return errors.Join(b.pages(p), p.stop())
}

func historyUser(n int) string { return "history-" + strconv.Itoa(n) }

func (p *product) firstTurn(user string) error {
	w, err := p.login(user, nil)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	if _, err := w.read(); err != nil { // the welcome
		return err
	}
	_, _, err = turn(w, time.Now().UnixMilli(), p.demo.BotID)
	return err
}

func (b *bench) pages(p *product) error {
	tokens := map[int]string{}
	for _, n := range historySizes {
		token, err := p.grant(historyUser(n))
		if err != nil {
			return err
		}
		tokens[n] = token
	}
	times := map[int][]float64{}
	path := "/api/botmessages/rtm?" + url.Values{"botId": {p.demo.BotID}, "limit": {"10"}}.Encode()
	for round := range 400 {
		for _, n := range historySizes {
			var page struct {
				Total    int        `json:"total"`
				Messages []struct{} `json:"messages"`
			}
			began := time.Now()
			if err := p.call("GET", path, tokens[n], nil, &page); err != nil {
				return err
			}
			if round >= 50 { // caches are warm
				times[n] = append(times[n], milliseconds(time.Since(began)))
			}
			if page.Total != n || len(page.Messages) != 10 {
				return fmt.Errorf("history of %d: total %d, %d messages", n, page.Total, len(page.Messages))
			}
		}
	}
	small, middle, large := median(times[historySizes[0]]), median(times[historySizes[1]]), median(times[historySizes[2]])
	b.table.note(fmt.Sprintf("newest history page of 100 / 10k / 100k, %d entries in all", rowsWanted()), fmt.Sprintf("%.2f / %.2f / %.2f ms", small, middle, large), "", "")
	b.table.add("newest page, 100k against 100 messages", fmt.Sprintf("%.2f ms", large), fmt.Sprintf("%.2f ms", small), large/small, atMost(1.5), atMost(1.1))
	return nil
}

func rowsWanted() int {
	if n, err := strconv.Atoi(os.Getenv("PARLEY_BENCH_ROWS")); err == nil && n > 0 {
		return n
	}
	return historyRows
}

// fill writes entries straight into the database of a stopped server: filling
// it through the front door would take longer than everything else here.
func fill(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	f := filler{ctx: ctx, db: db}
	total := 0
	for _, n := range historySizes {
		f.grow(f.keyOf(historyUser(n)), n)
		total += n
	}
	const ordinary = 1000 // entries of every other conversation
	template := f.keyOf(historyUser(historySizes[0]))
	for key := int64(1) << 40; f.err == nil && total < rowsWanted(); key++ {
		f.exec(`INSERT INTO conversation (key, id, channel, place, contact, leg, seq, visible_seq, episode, open_turns, push_legs, last_mark, created_at, last_at)
			SELECT $1, 'cv-bench-' || $1, channel, 'bench-' || $1, contact, leg, 0, 0, 0, 0, 0, '', created_at, last_at FROM conversation WHERE key = $2`, key, template)
		f.grow(key, ordinary)
		total += ordinary
	}
	f.exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	return f.err
}

type filler struct {
	ctx context.Context
	db  *sql.DB
	err error
}

func (f *filler) exec(query string, args ...any) {
	if f.err == nil {
		_, f.err = f.db.ExecContext(f.ctx, query, args...)
	}
}

func (f *filler) keyOf(user string) (key int64) {
	if f.err == nil {
		f.err = f.db.QueryRowContext(f.ctx, `SELECT key FROM conversation WHERE place LIKE '%' || $1`, user).Scan(&key)
	}
	return key
}

// grow replaces a conversation's entries by n visible ones, questions and
// answers in turn.
func (f *filler) grow(key int64, n int) {
	f.exec(`DELETE FROM entry WHERE conversation = $1`, key)
	f.exec(`WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < $2)
		INSERT INTO entry (conversation, seq, visible_seq, episode, origin, author_kind, author_id, visibility, purpose, target, content, created_at, edited_at, deleted, turn, raw)
		SELECT $1, n, n, 0, 0, 1 + n % 2, 'bench', 1, 1, 0, '{"v":1,"type":"text","text":"A message of ordinary length, number ' || n || ', as people write them."}', 1795185860000 + n, 0, 0, 0, 0 FROM s`, key, n)
	f.exec(`UPDATE conversation SET seq = $2, visible_seq = $2 WHERE key = $1`, key, n)
}
