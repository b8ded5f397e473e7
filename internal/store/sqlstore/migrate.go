package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"parley/internal/fault"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// Dialect is how an engine spells what differs in the schema.
type Dialect struct {
	Goose goose.Dialect
	// Words replaces words of the schema's text, as pairs.
	Words []string
	// HasTable is a query that returns a row if the table $1 exists.
	HasTable string
}

// The dialects.
var (
	SQLite = Dialect{
		Goose:    goose.DialectSQLite3,
		Words:    []string{" COLLATE_C", "", " HOT_ROWS", "", "TIME_ORDER (", "("},
		HasTable: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
	}
	PostgreSQL = Dialect{
		Goose: goose.DialectPostgres,
		Words: []string{
			"INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY", " BLOB", " BYTEA", " WITHOUT ROWID", "", " COLLATE_C", ` COLLATE "C"`,
			// Room for new versions of rows that change with every message.
			" HOT_ROWS", " WITH (fillfactor = 70)",
			// Rows arrive in the order of time.
			"TIME_ORDER (", "USING brin (",
		},
		HasTable: "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1",
	}
)

// migration is one file of the schema.
type migration struct {
	version  int64
	name     string
	text     string
	checksum string
	// serves is the oldest schema version whose binaries can work with the
	// schema after this migration.
	serves int64
}

var servesLine = regexp.MustCompile(`(?m)^-- serves: ([0-9]+)$`)

// readMigrations reads "00001_name.sql" files in order.
func readMigrations(from fs.FS) ([]migration, error) {
	names, err := fs.Glob(from, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, name := range names { // sorted
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		base := path.Base(name)
		number, _, _ := strings.Cut(base, "_")
		version, err := strconv.ParseInt(number, 10, 64)
		serves := servesLine.FindSubmatch(text)
		if err != nil || version != int64(i)+1 || serves == nil {
			return nil, fmt.Errorf("migration %s: wants the number %d and a line \"-- serves: N\"", base, i+1)
		}
		sum := sha256.Sum256(text)
		m := migration{version: version, name: base, text: string(text), checksum: hex.EncodeToString(sum[:])}
		m.serves, _ = strconv.ParseInt(string(serves[1]), 10, 64)
		all = append(all, m)
	}
	return all, nil
}

// render spells a migration for an engine and lets it note itself, in the same
// transaction, in the table that [checkApplied] reads.
func (m migration) render(d Dialect) string {
	text := strings.NewReplacer(d.Words...).Replace(m.text)
	return text + fmt.Sprintf("\nINSERT INTO migration (version, name, checksum, serves) VALUES (%d, '%s', '%s', %d);\n",
		m.version, m.name, m.checksum, m.serves)
}

// Migrate brings a database up to this binary's schema. It refuses a database
// whose migrations are not the ones this binary knows, and one that a newer
// binary has changed in a way this one cannot work with. The caller holds a
// lock that keeps other starters away.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	return migrate(ctx, db, d, schemaFiles, 0)
}

// MigrateTo stops at a version; for reading older backups.
func MigrateTo(ctx context.Context, db *sql.DB, d Dialect, version int64) error {
	return migrate(ctx, db, d, schemaFiles, version)
}

// SchemaVersion is the newest schema this binary knows.
func SchemaVersion() (int64, error) {
	known, err := readMigrations(schemaFiles)
	return int64(len(known)), err
}

func migrate(ctx context.Context, db *sql.DB, d Dialect, from fs.FS, to int64) error {
	known, err := readMigrations(from)
	if err != nil {
		return err
	}
	applied, err := checkApplied(ctx, db, d, known)
	if err != nil {
		return err
	}
	if applied >= int64(len(known)) || to > 0 && applied >= to {
		return nil
	}
	var steps []*goose.Migration
	for _, m := range known {
		text := m.render(d)
		steps = append(steps, goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, text)
			return err
		}}, nil))
	}
	provider, err := goose.NewProvider(d.Goose, db, nil, goose.WithGoMigrations(steps...),
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if to > 0 {
		_, err = provider.UpTo(ctx, to)
	} else {
		_, err = provider.Up(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// checkApplied compares what was applied with what this binary knows and
// returns the database's version. Goose itself accepts an edited migration and
// a newer schema without a word.
func checkApplied(ctx context.Context, db *sql.DB, d Dialect, known []migration) (int64, error) {
	var there int
	err := db.QueryRowContext(ctx, d.HasTable, "migration").Scan(&there)
	if err == sql.ErrNoRows {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for the schema: %w", err)
	}
	rows, err := db.QueryContext(ctx, "SELECT version, name, checksum, serves FROM migration ORDER BY version")
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	defer rows.Close()
	own := int64(len(known))
	var version int64
	for rows.Next() {
		var name, checksum string
		var serves int64
		if err := rows.Scan(&version, &name, &checksum, &serves); err != nil {
			return 0, fmt.Errorf("read the schema's version: %w", err)
		}
		switch {
		case version <= own && known[version-1].checksum != checksum:
			return 0, fault.New(fault.Conflict, "migration %d of the database (%s) is not the one this version of Parley knows (%s); this data belongs to another build: start that build, or restore a backup",
				version, name, known[version-1].name)
		case version > own && serves > own:
			return 0, fault.New(fault.Conflict, "the database has schema version %d, which needs at least schema version %d; this version of Parley knows %d: start a newer one",
				version, serves, own)
		}
	}
	return version, rows.Err()
}
