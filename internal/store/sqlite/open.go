package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlstore"
)

const (
	// fileName is the database in the data folder.
	fileName = "parley.db"
	// readers is the size of the pool for queries.
	readers = 4
	// busyMillis bounds the wait for a lock inside the database; in one process
	// only a recovery after a crash makes one wait.
	busyMillis = 10_000
)

// Options are how to open a store.
type Options struct {
	// Dir is the data folder; it is made if it does not exist.
	Dir    string
	Logger *slog.Logger
	// Now is the clock of the writer; it defaults to time.Now.
	Now func() time.Time
	// OnCommit, if set, hears of every commit; see [sqlstore.Options].
	OnCommit func(steps int, took time.Duration)
	// OnDelivery, if set, hears of deliveries that can be sent; see
	// [sqlstore.Options].
	OnDelivery func()
	// OnFailedSync, if set, hears that the disk failed to keep pages of the
	// database: from then on the log is kept whole, and grows, until the store is
	// opened again. It is called once at most and must not block.
	OnFailedSync func()
}

// Store is a [store.Store] in a folder.
type Store struct {
	*sqlstore.Writer
	*sqlstore.Reader
	path        string
	lock        *folderLock
	engine      *engine
	checkpoints *checkpointer
	closeOnce   sync.Once
	closeErr    error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder, making or migrating the database. It fails
// with a fault.Conflict when another process has the folder, or when the data
// is of a version this binary cannot work with, and with a fault.Unavailable
// when the folder cannot be written.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := registered(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(err, o.Dir)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, o, filepath.Join(dir, fileName))
	if err != nil {
		return nil, errors.Join(named(err, o.Dir), lock.release())
	}
	s.lock = lock
	return s, nil
}

// unusable is the refusal of a folder that cannot be written.
func unusable(err error, dir string) error {
	why := "cannot be used"
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "read-only") {
		why = "cannot be written; make it writable for this user or name another with --data"
	}
	return fault.Wrap(err, fault.Unavailable, "the data folder %s %s", dir, why)
}

// named adds the folder to what SQLite says of it while it is opened.
func named(err error, dir string) error {
	var failed *driver.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() & 0xff {
	case lib.SQLITE_FULL:
		return fault.Wrap(err, fault.Unavailable, "the disk of the data folder %s is full; make room or name another with --data", dir)
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return fault.Wrap(err, fault.Unavailable, "the data folder %s cannot be written; make it writable for this user or name another with --data", dir)
	case lib.SQLITE_IOERR:
		return fault.Wrap(err, fault.Unavailable, "the disk of the data folder %s fails: reading or writing the database ended with an error", dir)
	}
	return err
}

func open(ctx context.Context, o Options, path string) (_ *Store, err error) {
	if err := writable(path); err != nil {
		return nil, unusable(err, o.Dir)
	}
	if err := migrateFile(ctx, path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	defer func() {
		if err != nil {
			s.closeParts()
		}
	}()
	pool, err := openPool(path, readers, "query_only(1)", "cache_size(-1000)")
	if err != nil {
		return nil, err
	}
	s.Reader = &sqlstore.Reader{DB: pool, Diagnose: diagnose, Prepare: true}
	if s.checkpoints, err = startCheckpoints(ctx, path, o); err != nil {
		return nil, err
	}
	if s.engine, err = openEngine(ctx, path, s.checkpoints); err != nil {
		return nil, err
	}
	s.Writer = sqlstore.NewWriter(s.engine, sqlstore.Options{Logger: o.Logger, Now: o.Now, OnCommit: o.OnCommit, OnDelivery: o.OnDelivery})
	return s, nil
}

// writable makes the file, readable for its owner only, and refuses one that
// cannot be written; SQLite would open it for reading and fail later.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func migrateFile(ctx context.Context, path string) error {
	db, err := openPool(path, 1)
	if err != nil {
		return err
	}
	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite)
	if d := diagnose(err); err != nil && d.Unavailable != "" {
		err = fault.Wrap(err, fault.Unavailable, "%s", d.Unavailable)
	}
	return errors.Join(err, db.Close())
}

// address is the driver's name of a database file.
func address(path string, pragmas ...string) string {
	return addressThrough(fileSystem, path, pragmas...)
}

func addressThrough(vfs, path string, pragmas ...string) string {
	query := url.Values{"vfs": {vfs}, "_txlock": {"immediate"}, "_pragma": append([]string{
		"busy_timeout(" + strconv.Itoa(busyMillis) + ")", "journal_mode(wal)", "synchronous(full)", "foreign_keys(1)", "wal_autocheckpoint(0)",
		"journal_size_limit(268435456)", "temp_store(memory)",
	}, pragmas...)}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return u.String()
}

func openPool(path string, size int, pragmas ...string) (*sql.DB, error) {
	connector, err := driver.NewConnector(address(path, pragmas...))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", fileName, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error {
	if why := s.Writer.Figures().Unavailable; why != "" {
		return fault.New(fault.Unavailable, "%s", why)
	}
	var one int
	if err := s.Reader.DB.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the database does not answer")
	}
	return nil
}

// WriterFigures describes the writer for metrics.
func (s *Store) WriterFigures() sqlstore.Figures { return s.Writer.Figures() }

// Stats implements [store.Store].
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	out := store.Stats{Engine: "sqlite", QueuedSteps: s.Writer.Figures().Queued, DatabaseTime: time.Now().UTC()}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.path + suffix); err == nil {
			out.Bytes += info.Size()
		}
	}
	return out, s.Reader.Count(ctx, &out)
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
		errs = append(errs, s.engine.close())
	}
	if s.Reader != nil {
		errs = append(errs, s.Reader.DB.Close())
	}
	if s.checkpoints != nil {
		errs = append(errs, s.checkpoints.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}
