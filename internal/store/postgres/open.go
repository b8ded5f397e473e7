package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlstore"
)

const (
	// readers is the size of the pool for queries.
	readers = 8
	// statementLimit bounds one statement, lockLimit the wait for one lock.
	statementLimit = 30 * time.Second
	lockLimit      = 10 * time.Second
	// connectWithin bounds one attempt to connect.
	connectWithin = 5 * time.Second
	// migrationLock is the advisory lock of starting nodes ("parley").
	migrationLock = 0x7061726c6579
)

// Options are how to open a store.
type Options struct {
	// URL is a PostgreSQL connection URL or key-value string.
	URL    string
	Logger *slog.Logger
	// Now is the clock of the writer; it defaults to time.Now.
	Now func() time.Time
	// OnCommit, if set, hears of every commit; see [sqlstore.Options].
	OnCommit func(steps int, took time.Duration)
	// OnDelivery, if set, hears of deliveries that can be sent; see
	// [sqlstore.Options].
	OnDelivery func()
}

// Store is a [store.Store] in a PostgreSQL database.
type Store struct {
	*sqlstore.Writer
	*sqlstore.Reader
	pool      *pgxpool.Pool
	engine    *engine
	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a database, making or migrating the schema; several
// nodes may start at once. It fails with a fault.Invalid for a bad URL, a
// fault.Unavailable when the database does not answer, and a fault.Conflict
// when the data is of a version this binary cannot work with.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	pool, err := openPool(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{pool: pool, Reader: &sqlstore.Reader{DB: stdlib.OpenDBFromPool(pool), Diagnose: diagnose}}
	if err := migrate(ctx, o.URL, 0); err != nil {
		s.closeParts()
		return nil, err
	}
	if s.engine, err = openEngine(ctx, o); err != nil {
		s.closeParts()
		return nil, err
	}
	s.Writer = sqlstore.NewWriter(s.engine, sqlstore.Options{Logger: o.Logger, Now: o.Now, OnCommit: o.OnCommit, OnDelivery: o.OnDelivery})
	return s, nil
}

// badURL hides the URL, which may hold a password.
func badURL(error) error {
	return fault.Field("database_url", "is no PostgreSQL connection URL; write it like postgres://user:password@host:5432/parley")
}

func openPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	configure(config.ConnConfig)
	config.MaxConns = max(config.MaxConns, readers)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unavailable(err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, unavailable(err)
	}
	return pool, nil
}

// configure sets what every connection needs; what the URL sets wins.
func configure(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectWithin
	}
	for name, value := range map[string]string{
		"application_name":                    "parley",
		"statement_timeout":                   fmt.Sprint(statementLimit.Milliseconds()),
		"lock_timeout":                        fmt.Sprint(lockLimit.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint((2 * statementLimit).Milliseconds()),
		"synchronous_commit":                  "on",
		// Compiling a query takes longer than any of these queries.
		"jit": "off",
	} {
		if _, set := c.RuntimeParams[name]; !set {
			c.RuntimeParams[name] = value
		}
	}
}

func unavailable(err error) error {
	if d := diagnose(err); d.Unavailable != "" {
		return fault.Wrap(err, fault.Unavailable, "%s", d.Unavailable)
	}
	return fault.Wrap(err, fault.Unavailable, "the PostgreSQL database refuses the connection")
}

// migrate holds an advisory lock, so that of several nodes that start at once
// one migrates and the others wait. Lock and migration share one session: when
// a starter is killed, the next one does not get the lock before the last word
// of the dead one's transaction is spoken. A version of 0 means the newest.
func migrate(ctx context.Context, url string, version int64) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return badURL(err)
	}
	configure(config)
	db := stdlib.OpenDB(*config)
	defer db.Close() // gives the lock back
	db.SetMaxOpenConns(1)
	// Waiting for another node's migration may take longer than a statement.
	for _, statement := range []string{
		"SET statement_timeout = 0", "SET lock_timeout = 0", fmt.Sprintf("SELECT pg_advisory_lock(%d)", migrationLock),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return unavailable(err)
		}
	}
	if version > 0 {
		return sqlstore.MigrateTo(ctx, db, sqlstore.PostgreSQL, version)
	}
	return sqlstore.Migrate(ctx, db, sqlstore.PostgreSQL)
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error {
	if why := s.Writer.Figures().Unavailable; why != "" {
		return fault.New(fault.Unavailable, "%s", why)
	}
	if err := s.pool.Ping(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

// WriterFigures describes the writer for metrics.
func (s *Store) WriterFigures() sqlstore.Figures { return s.Writer.Figures() }

// Stats implements [store.Store].
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	out := store.Stats{Engine: "postgres", QueuedSteps: s.Writer.Figures().Queued}
	if err := s.Reader.Count(ctx, &out); err != nil {
		return out, err
	}
	err := s.pool.QueryRow(ctx, "SELECT pg_database_size(current_database()), clock_timestamp()").Scan(&out.Bytes, &out.DatabaseTime)
	if err != nil {
		return out, unavailable(err)
	}
	out.DatabaseTime = out.DatabaseTime.UTC()
	return out, nil
}

// Close implements [store.Store]. It may be called twice.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.closeParts() })
	return s.closeErr
}

// closeParts closes what was opened, in reverse.
func (s *Store) closeParts() error {
	var errs []error
	if s.Writer != nil {
		s.Writer.Drain()
	}
	if s.engine != nil {
		s.engine.close()
	}
	errs = append(errs, s.Reader.DB.Close())
	s.pool.Close()
	return errors.Join(errs...)
}
