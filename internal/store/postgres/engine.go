package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"

	"parley/internal/store/sqlstore"
)

// engine is the writing connection.
type engine struct {
	config  *pgx.ConnConfig
	logger  *slog.Logger
	conn    *pgx.Conn
	lookups map[*sqlstore.Lookup]string
	changes map[*sqlstore.Change]string
	// used is when the connection was last known to be good; toBegin is set while
	// BEGIN is still to be sent.
	used    time.Time
	toBegin bool
	// connections counts those that were made.
	connections int64
}

var _ sqlstore.Engine = (*engine)(nil)

const (
	// closeWithin bounds the goodbye to the server.
	closeWithin = 2 * time.Second
	// idle is how long a connection may be unused before it is tried first: once
	// writes were sent, nobody knows what became of them. No database restarts in
	// less.
	idle = 200 * time.Millisecond
)

func openEngine(ctx context.Context, o Options) (*engine, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, badURL(err)
	}
	configure(config)
	// The writer reads and writes by key only. Plans made while the tables
	// were small must not scan them when they have grown.
	for _, kind := range []string{"seqscan", "hashjoin", "mergejoin"} {
		config.RuntimeParams["enable_"+kind] = "off"
	}
	e := &engine{config: config, logger: o.Logger, lookups: make(map[*sqlstore.Lookup]string), changes: make(map[*sqlstore.Change]string)}
	for _, l := range sqlstore.Lookups() {
		e.lookups[l] = lookupText(l)
	}
	for _, c := range sqlstore.Changes() {
		e.changes[c] = changeText(c)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, unavailable(err)
	}
	e.connected(conn)
	return e, nil
}

func (e *engine) connected(conn *pgx.Conn) {
	e.conn = conn
	e.connections++
}

// Ready implements [sqlstore.Engine]: it connects again, with growing pauses,
// until ctx ends.
func (e *engine) Ready(ctx context.Context) error {
	if !e.conn.IsClosed() {
		return ctx.Err()
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, time.Second
	lost := time.Now()
	conn, err := backoff.Retry(ctx, func() (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, e.config) },
		backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
			e.logger.Warn("the database cannot be reached", "error", err, "again_in", next)
		}))
	if err != nil {
		return err
	}
	e.logger.Info("the database can be reached again", "after", time.Since(lost))
	e.connected(conn)
	return nil
}

// Begin implements [sqlstore.Engine]. Where there is nothing to load, it leaves
// its round trip to Commit.
func (e *engine) Begin(ctx context.Context, loads []sqlstore.Load) error {
	if len(loads) == 0 && time.Since(e.used) < idle {
		e.toBegin = true
		return nil
	}
	err := e.load(ctx, loads)
	if e.again(ctx, err) {
		err = e.load(ctx, loads)
	}
	return err
}

// again connects anew when the connection turned out to be lost before anything
// was written, such as by a restart of the database while nobody wrote.
func (e *engine) again(ctx context.Context, err error) bool {
	var gone lostError
	if !errors.As(err, &gone) {
		return false
	}
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return false
	}
	e.connected(conn)
	return true
}

// load takes one round trip, or two when rows are wanted that are seldom there.
func (e *engine) load(ctx context.Context, loads []sqlstore.Load) error {
	var batch, more pgx.Batch
	batch.Queue("BEGIN")
	for _, load := range loads {
		if !load.Rare {
			e.queue(&batch, load, load.Keys)
		}
	}
	if err := e.send(ctx, &batch); err != nil {
		return err
	}
	for _, load := range loads {
		if !load.Rare {
			continue
		}
		keys := slices.DeleteFunc(slices.Clone(load.Keys), func(key []any) bool { return !load.Need(key) })
		if len(keys) > 0 {
			e.queue(&more, load, keys)
		}
	}
	if more.Len() == 0 {
		return nil
	}
	return e.send(ctx, &more)
}

func (e *engine) queue(batch *pgx.Batch, load sqlstore.Load, keys [][]any) {
	batch.Queue(e.lookups[load.Lookup], arrays(load.Match, keys)...).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			if err := load.Scan(rows); err != nil {
				return fmt.Errorf("%s: %w", load.Name, err)
			}
		}
		return rows.Err()
	})
}

// Commit implements [sqlstore.Engine] in one round trip.
func (e *engine) Commit(ctx context.Context, writes []sqlstore.Write) (stamp int64, err error) {
	var batch pgx.Batch
	if e.toBegin {
		e.toBegin = false
		batch.Queue("BEGIN")
	}
	for _, write := range writes {
		columns := arrays(write.Columns, write.Rows)
		if write.Verb == sqlstore.UpdateSame {
			columns[1] = e.transactions(columns[1].([]int64))
		}
		batch.Queue(e.changes[write.Change], columns...)
	}
	batch.Queue("SELECT txid_current()").QueryRow(func(row pgx.Row) error { return row.Scan(&stamp) })
	batch.Queue("COMMIT")
	err = e.send(ctx, &batch)
	return e.stamp(stamp), err
}

// A stamp is the number of a transaction as rows show it in xmin, without the
// count of its rounds, and the number of the connection. After a fail-over,
// numbers of transactions that were lost are given out again.
const xidBits = 32

func (e *engine) stamp(transaction int64) int64 {
	return e.connections<<xidBits | transaction&(1<<xidBits-1)
}

// transactions turns stamps into what rows have to show. No row shows 0, which
// stands for a transaction of an earlier connection.
func (e *engine) transactions(stamps []int64) []int64 {
	for i, s := range stamps {
		stamps[i] = 0
		if s>>xidBits == e.connections {
			stamps[i] = s & (1<<xidBits - 1)
		}
	}
	return stamps
}

func (e *engine) send(ctx context.Context, batch *pgx.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, statementLimit)
	defer cancel()
	if err := e.conn.SendBatch(ctx, batch).Close(); err != nil {
		return e.failed(err)
	}
	e.used = time.Now()
	return nil
}

// failed rolls back and tells a lost connection from other errors.
func (e *engine) failed(err error) error {
	if !e.conn.IsClosed() {
		e.Rollback()
	}
	if e.conn.IsClosed() {
		return lostError{err}
	}
	if readOnly(err) {
		// After a fail-over this is a standby; the address may lead to the
		// new primary by now.
		e.hangUp()
	}
	return err
}

// lostError is an error after which the connection is gone.
type lostError struct{ error }

func (l lostError) Unwrap() error { return l.error }

// Rollback implements [sqlstore.Engine]. A connection that cannot roll back is
// of no use any more.
func (e *engine) Rollback() {
	if e.toBegin {
		e.toBegin = false
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if _, err := e.conn.Exec(ctx, "ROLLBACK"); err != nil {
		e.hangUp()
	}
}

func (e *engine) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = e.conn.Close(ctx) // it is given up either way
}

func (e *engine) close() { e.hangUp() }

// Alone implements [sqlstore.Engine].
func (e *engine) Alone(ctx context.Context, work func(sqlstore.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*statementLimit)
	defer cancel()
	if err := e.begin(ctx); err != nil && (!e.again(ctx, err) || e.begin(ctx) != nil) {
		return err
	}
	done := false
	defer func() {
		if !done { // work panicked
			e.Rollback()
		}
	}()
	err := work(tx{e})
	if err == nil {
		_, err = e.conn.Exec(ctx, "COMMIT")
	}
	done = true
	if err != nil {
		return e.failed(err)
	}
	return nil
}

func (e *engine) begin(ctx context.Context) error {
	if _, err := e.conn.Exec(ctx, "BEGIN"); err != nil {
		return e.failed(err)
	}
	return nil
}

// tx is the open transaction of the engine.
type tx struct{ *engine }

// Query implements [sqlstore.Tx].
func (t tx) Query(ctx context.Context, scan func(sqlstore.Row) error, query string, args ...any) error {
	rows, err := t.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Exec implements [sqlstore.Tx].
func (t tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := t.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

// Exclusive implements [sqlstore.Engine].
func (e *engine) Exclusive() bool { return false }

// Clock implements [sqlstore.Engine].
func (e *engine) Clock() string {
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
}

// SkipLocked implements [sqlstore.Engine].
func (e *engine) SkipLocked(alias string) string {
	return "FOR NO KEY UPDATE OF " + alias + " SKIP LOCKED"
}

// Ordered implements [sqlstore.Engine]. What the planner knows of partial
// indexes is often old: with few open rows it takes any of them, and keeps to
// that when there are many.
func (e *engine) Ordered() string { return "SET LOCAL enable_sort = off" }

// Diagnose implements [sqlstore.Engine].
func (e *engine) Diagnose(err error) sqlstore.Diagnosis { return diagnose(err) }
