package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	sqlite "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"parley/internal/store/sqlstore"
)

// engine is the writing connection. It speaks to the driver itself: database/sql
// would cost about as much as the statements.
type engine struct {
	conn        driver.Conn
	statements  map[string]*statement
	lookups     map[*sqlstore.Lookup]*statement
	changes     map[*sqlstore.Change]changeStatements
	begin       *statement
	commit      *statement
	rollback    *statement
	checkpoints *checkpointer
}

var _ sqlstore.Engine = (*engine)(nil)

func openEngine(ctx context.Context, path string, checkpoints *checkpointer) (_ *engine, err error) {
	e := &engine{
		statements: make(map[string]*statement), lookups: make(map[*sqlstore.Lookup]*statement), changes: make(map[*sqlstore.Change]changeStatements),
		checkpoints: checkpoints,
	}
	if e.conn, err = connect(ctx, path, "cache_size(-8000)"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	for text, into := range map[string]**statement{"BEGIN IMMEDIATE": &e.begin, "COMMIT": &e.commit, "ROLLBACK": &e.rollback} {
		if *into, err = e.prepare(text); err != nil {
			return nil, err
		}
	}
	for _, l := range sqlstore.Lookups() {
		if e.lookups[l], err = e.prepare(lookupText(l)); err != nil {
			return nil, err
		}
	}
	for _, c := range sqlstore.Changes() {
		if c.Verb == sqlstore.UpdateSame {
			continue // nobody else writes
		}
		var s changeStatements
		if s.one, err = e.prepare(changeText(c, 1)); err != nil {
			return nil, err
		}
		if c.Verb == sqlstore.Update {
			s.one.keys = c.Keys
		}
		if c.Verb == sqlstore.Insert || c.Verb == sqlstore.Keep || c.Verb == sqlstore.Put {
			if s.many, err = e.prepare(changeText(c, manyRows)); err != nil {
				return nil, err
			}
		}
		e.changes[c] = s
	}
	return e, nil
}

func connect(ctx context.Context, path string, pragmas ...string) (driver.Conn, error) {
	return connectThrough(ctx, fileSystem, path, pragmas...)
}

// connectThrough opens a connection that reaches its files through one of our
// file systems.
func connectThrough(ctx context.Context, vfs, path string, pragmas ...string) (driver.Conn, error) {
	connector, err := sqlite.NewConnector(addressThrough(vfs, path, pragmas...))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", fileName, err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", fileName, err)
	}
	return conn, nil
}

func (e *engine) prepare(text string) (*statement, error) {
	if s := e.statements[text]; s != nil {
		return s, nil
	}
	stmt, err := e.conn.Prepare(text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	s := &statement{}
	var ok bool
	if s.stmt, ok = stmt.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		return nil, fmt.Errorf("the driver's statements are %T", stmt)
	}
	e.statements[text] = s
	return s, nil
}

// Ready implements [sqlstore.Engine].
func (e *engine) Ready(ctx context.Context) error { return ctx.Err() }

// Begin implements [sqlstore.Engine].
func (e *engine) Begin(_ context.Context, loads []sqlstore.Load) error {
	e.checkpoints.finish(e.conn)
	if _, err := e.begin.exec(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, load := range loads {
		lookup := e.lookups[load.Lookup]
		for _, key := range load.Keys {
			if load.Need != nil && !load.Need(key) {
				continue
			}
			if err := lookup.query(load.Scan, key...); err != nil {
				e.Rollback()
				return fmt.Errorf("%s: %w", load.Name, err)
			}
		}
	}
	return nil
}

// Commit implements [sqlstore.Engine].
func (e *engine) Commit(_ context.Context, writes []sqlstore.Write) (stamp int64, err error) {
	rows := 0
	for _, write := range writes {
		rows += len(write.Rows)
		if err := e.changes[write.Change].write(write.Rows); err != nil {
			e.Rollback()
			return 0, fmt.Errorf("%s: %w", write.Table, err)
		}
	}
	return 0, e.end(rows)
}

func (e *engine) end(rows int) error {
	if _, err := e.commit.exec(); err != nil {
		e.Rollback()
		return fmt.Errorf("commit: %w", err)
	}
	e.checkpoints.committed(rows)
	return nil
}

// Rollback implements [sqlstore.Engine]. It fails only when SQLite has rolled
// back by itself.
func (e *engine) Rollback() { _, _ = e.rollback.exec() }

// Alone implements [sqlstore.Engine].
func (e *engine) Alone(_ context.Context, work func(sqlstore.Tx) error) error {
	if _, err := e.begin.exec(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done {
			e.Rollback()
		}
	}()
	if err := work(tx{e}); err != nil {
		return err
	}
	done = true
	return e.end(1)
}

// tx is the open transaction of the engine.
type tx struct{ *engine }

// Query implements [sqlstore.Tx].
func (t tx) Query(_ context.Context, scan func(sqlstore.Row) error, query string, args ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	return s.query(scan, args...)
}

// Exec implements [sqlstore.Tx].
func (t tx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	s, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	return s.exec(args)
}

// Exclusive implements [sqlstore.Engine].
func (e *engine) Exclusive() bool { return true }

// Clock implements [sqlstore.Engine]: with one process, its clock.
func (e *engine) Clock() string { return "CAST(unixepoch('subsec') * 1000 AS INTEGER)" }

// SkipLocked implements [sqlstore.Engine].
func (e *engine) SkipLocked(string) string { return "" }

// Ordered implements [sqlstore.Engine].
func (e *engine) Ordered() string { return "" }

// Diagnose implements [sqlstore.Engine].
func (e *engine) Diagnose(err error) sqlstore.Diagnosis { return diagnose(err) }

// reasons are the results of SQLite that say something about the machine and
// not about the step.
var reasons = map[int]string{
	lib.SQLITE_FULL:     "the disk is full: nothing can be stored until there is room in the data folder",
	lib.SQLITE_IOERR:    "the disk of the data folder fails: reading or writing the database ended with an error",
	lib.SQLITE_READONLY: "the database is read-only: the data folder has to be writable",
	lib.SQLITE_CANTOPEN: "the database file cannot be opened",
	lib.SQLITE_BUSY:     "the database is locked by another program",
	lib.SQLITE_LOCKED:   "the database is locked by another program",
	lib.SQLITE_NOMEM:    "the machine is out of memory",
}

func diagnose(err error) sqlstore.Diagnosis {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return sqlstore.Diagnosis{}
	}
	return sqlstore.Diagnosis{Unavailable: reasons[failed.Code()&0xff], Taken: failed.Code()&0xff == lib.SQLITE_CONSTRAINT}
}

func (e *engine) close() error {
	var errs []error
	for _, s := range e.statements {
		errs = append(errs, s.stmt.Close())
	}
	return errors.Join(append(errs, e.conn.Close())...)
}
