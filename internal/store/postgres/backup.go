package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"parley/internal/fault"
)

const manifestName = "manifest.json"

// manifest describes a backup. It is written last: a folder without it is none.
type manifest struct {
	Engine        string    `json:"engine"`
	SchemaVersion int64     `json:"schema_version"`
	CreatedAt     time.Time `json:"created_at"`
	// Tables are in an order in which they can be filled.
	Tables []tableCopy `json:"tables"`
}

// tableCopy is one table; its rows are in "<name>.copy", in the text format of
// PostgreSQL's COPY.
type tableCopy struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Rows    int64    `json:"rows"`
}

// Backup copies all tables, as of one moment, to dir, which must be empty or
// not exist. Steps go on being committed. [Restore] reads it.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := emptyFolder(dir); err != nil {
		return err
	}
	if err := s.copyTo(ctx, dir); err != nil {
		return fmt.Errorf("back up to %s: %w", dir, err)
	}
	return nil
}

func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder %s cannot be made", dir)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder %s cannot be read", dir)
	}
	if len(there) > 0 {
		return fault.New(fault.Invalid, "the folder %s is not empty", dir)
	}
	return nil
}

func (s *Store) copyTo(ctx context.Context, dir string) error {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// Copying a large table takes longer than a statement may.
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	m := manifest{Engine: "postgres", CreatedAt: time.Now().UTC()}
	if err := tx.QueryRow(ctx, "SELECT max(version) FROM migration").Scan(&m.SchemaVersion); err != nil {
		return err
	}
	if m.Tables, err = tables(ctx, tx); err != nil {
		return err
	}
	for i := range m.Tables {
		if err := copyOut(ctx, tx, dir, &m.Tables[i]); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, manifestName), text)
}

// tables lists our tables, referred ones before those that refer to them. The
// migrations' own tables are left out: restoring makes them anew.
func tables(ctx context.Context, tx pgx.Tx) ([]tableCopy, error) {
	rows, err := tx.Query(ctx, `SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum),
			ARRAY(SELECT DISTINCT f.confrelid::regclass::text FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('migration', 'goose_db_version')
		GROUP BY c.oid, c.relname ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	var left []tableCopy
	needs := make(map[string][]string)
	var t tableCopy
	var refers []string
	_, err = pgx.ForEachRow(rows, []any{&t.Name, &t.Columns, &refers}, func() error {
		left = append(left, tableCopy{Name: t.Name, Columns: slices.Clone(t.Columns)})
		needs[t.Name] = slices.Clone(refers)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var sorted []tableCopy
	for len(left) > 0 {
		before := len(left)
		left = slices.DeleteFunc(left, func(t tableCopy) bool {
			for _, other := range needs[t.Name] {
				if !slices.ContainsFunc(sorted, func(done tableCopy) bool { return done.Name == other }) {
					return false
				}
			}
			sorted = append(sorted, t)
			return true
		})
		if len(left) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

func copyOut(ctx context.Context, tx pgx.Tx, dir string, t *tableCopy) (err error) {
	file, err := os.OpenFile(filepath.Join(dir, t.Name+".copy"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	tag, err := tx.Conn().PgConn().CopyTo(ctx, file, fmt.Sprintf("COPY %s (%s) TO STDOUT", t.Name, strings.Join(t.Columns, ", ")))
	if err != nil {
		return fmt.Errorf("copy %s: %w", t.Name, err)
	}
	t.Rows = tag.RowsAffected()
	return file.Sync()
}

func writeFile(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// Restore brings a backup into an empty database. Either all of it is there
// afterwards, or an empty schema.
func Restore(ctx context.Context, dir, url string) error {
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	pool, err := openPool(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrate(ctx, url, m.SchemaVersion); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return copyAllIn(ctx, tx, dir, m) })
}

func readManifest(dir string) (manifest, error) {
	var m manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil || m.Engine != "postgres" || m.SchemaVersion < 1 {
		return m, fault.Wrap(err, fault.Invalid, "the folder %s holds no complete backup of PostgreSQL (%s)", dir, manifestName)
	}
	return m, nil
}

func copyAllIn(ctx context.Context, tx pgx.Tx, dir string, m manifest) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	own, err := tables(ctx, tx)
	if err != nil {
		return err
	}
	var version int64
	if err := tx.QueryRow(ctx, "SELECT max(version) FROM migration").Scan(&version); err != nil {
		return err
	}
	if version != m.SchemaVersion {
		return fault.New(fault.Conflict, "the database is not empty: it has schema version %d, the backup %d", version, m.SchemaVersion)
	}
	for _, t := range own {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+t.Name+")").Scan(&there); err != nil {
			return err
		}
		if there && t.Name != "sequence" {
			return fault.New(fault.Conflict, "the database is not empty: restore into an empty one")
		}
	}
	if _, err := tx.Exec(ctx, "DELETE FROM sequence"); err != nil {
		return err
	}
	for _, t := range m.Tables {
		known := slices.ContainsFunc(own, func(o tableCopy) bool { return o.Name == t.Name && slices.Equal(o.Columns, t.Columns) })
		if !known {
			return fault.New(fault.Invalid, "the backup holds a table %q that its schema version %d does not have", t.Name, m.SchemaVersion)
		}
		if err := copyIn(ctx, tx, dir, t); err != nil {
			return err
		}
	}
	return nil
}

func copyIn(ctx context.Context, tx pgx.Tx, dir string, t tableCopy) error {
	file, err := os.Open(filepath.Join(dir, t.Name+".copy"))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the backup is incomplete: %s.copy cannot be read", t.Name)
	}
	defer file.Close()
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, file, fmt.Sprintf("COPY %s (%s) FROM STDIN", t.Name, strings.Join(t.Columns, ", ")))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the backup is damaged: %s.copy cannot be loaded", t.Name)
	}
	if tag.RowsAffected() != t.Rows {
		return fault.New(fault.Invalid, "the backup is damaged: %s.copy has %d rows, the manifest says %d", t.Name, tag.RowsAffected(), t.Rows)
	}
	return nil
}
