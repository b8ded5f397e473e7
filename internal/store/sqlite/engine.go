package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

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
	changes     map[*sqlstore.Change]*statement
	begin       *statement
	commit      *statement
	rollback    *statement
	checkpoints *checkpointer
}

// statement is a prepared statement.
type statement struct {
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	args []driver.NamedValue
}

var _ sqlstore.Engine = (*engine)(nil)

func openEngine(ctx context.Context, path string, checkpoints *checkpointer) (_ *engine, err error) {
	e := &engine{
		statements: make(map[string]*statement), lookups: make(map[*sqlstore.Lookup]*statement), changes: make(map[*sqlstore.Change]*statement),
		checkpoints: checkpoints,
	}
	if e.conn, err = connect(ctx, path, "cache_size(-32000)"); err != nil {
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
		if e.changes[c], err = e.prepare(changeText(c)); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func connect(ctx context.Context, path string, pragmas ...string) (driver.Conn, error) {
	connector, err := sqlite.NewConnector(address(path, pragmas...))
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

func lookupText(l *sqlstore.Lookup) string {
	var conditions []string
	for i, c := range l.Match {
		conditions = append(conditions, fmt.Sprintf("%s = $%d", c.Name, i+1))
	}
	if l.Where != "" {
		conditions = append(conditions, l.Where)
	}
	return l.Select + " WHERE " + strings.Join(conditions, " AND ")
}

func changeText(c *sqlstore.Change) string {
	var names, places, sets, keys []string
	for i, col := range c.Columns {
		names = append(names, col.Name)
		places = append(places, fmt.Sprintf("$%d", i+1))
		pair := fmt.Sprintf("%s = $%d", col.Name, i+1)
		if i < c.Keys {
			keys = append(keys, pair)
		} else {
			sets = append(sets, pair)
		}
	}
	switch c.Verb {
	case sqlstore.Insert:
		return "INSERT INTO " + c.Table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
	case sqlstore.Update:
		return "UPDATE " + c.Table + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(keys, " AND ")
	default:
		return "DELETE FROM " + c.Table + " WHERE " + strings.Join(keys, " AND ")
	}
}

// with fills the statement's arguments.
func (s *statement) with(args []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, arg := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return s.args
}

// The writer's statements are short and not interrupted: a context with a Done
// channel would cost a goroutine for each.

func (s *statement) exec(args ...any) (int64, error) {
	result, err := s.stmt.ExecContext(context.Background(), s.with(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s *statement) query(scan func(sqlstore.Row) error, args ...any) (err error) {
	rows, err := s.stmt.QueryContext(context.Background(), s.with(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for {
		err := rows.Next(r.values)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = scan(r)
		}
		if err != nil {
			return err
		}
	}
}

// row is a row as the driver gives it.
type row struct{ values []driver.Value }

// Scan implements [sqlstore.Row].
func (r row) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("%d destinations for %d columns", len(dest), len(r.values))
	}
	for i, d := range dest {
		ok := false
		switch d := d.(type) {
		case *int64:
			*d, ok = r.values[i].(int64)
		case *string:
			*d, ok = r.values[i].(string)
		case *[]byte:
			if *d, ok = r.values[i].([]byte); r.values[i] == nil {
				ok = true
			}
		}
		if !ok {
			return fmt.Errorf("column %d holds %T, wanted for %T", i, r.values[i], d)
		}
	}
	return nil
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
func (e *engine) Commit(_ context.Context, writes []sqlstore.Write) error {
	for _, write := range writes {
		change := e.changes[write.Change]
		for _, row := range write.Rows {
			if _, err := change.exec(row...); err != nil {
				e.Rollback()
				return fmt.Errorf("%s: %w", write.Table, err)
			}
		}
	}
	return e.end()
}

func (e *engine) end() error {
	if _, err := e.commit.exec(); err != nil {
		e.Rollback()
		return fmt.Errorf("commit: %w", err)
	}
	e.checkpoints.committed()
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
	return e.end()
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
	return s.exec(args...)
}

// Clock implements [sqlstore.Engine]: with one process, its clock.
func (e *engine) Clock() string { return "CAST(unixepoch('subsec') * 1000 AS INTEGER)" }

// SkipLocked implements [sqlstore.Engine].
func (e *engine) SkipLocked(string) string { return "" }

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
	return sqlstore.Diagnosis{Unavailable: reasons[failed.Code()&0xff]}
}

func (e *engine) close() error {
	var errs []error
	for _, s := range e.statements {
		errs = append(errs, s.stmt.Close())
	}
	return errors.Join(append(errs, e.conn.Close())...)
}
