package sqlite_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/fault"
	"parley/internal/store/sqlite"
	"parley/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the fixture of the newest schema")

// TestOlderSchemasOpen opens what earlier versions wrote.
func TestOlderSchemasOpen(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	for _, version := range storetest.Fixtures {
		text, err := os.ReadFile(storetest.FixtureFile(version))
		if err != nil {
			t.Fatal(err)
		}
		f := folder(t.TempDir())
		f.exec(t, string(text))
		s := f.Open(t)
		storetest.CheckFixture(t, s, version)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func writeFixture(t *testing.T) {
	f := folder(t.TempDir())
	s := f.Open(t)
	file := storetest.NewestFixture(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f.exec(t, storetest.FirstRows+storetest.ThirdRows)
	if err := os.WriteFile(file, []byte(f.dump(t)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dump writes a database as SQL.
func (f folder) dump(t *testing.T) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(string(f), "parley.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	column := func(query string, args ...any) (all []string) {
		rows, err := db.Query(query, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	var b strings.Builder
	for _, text := range column(`SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid`) {
		fmt.Fprintf(&b, "%s;\n", text)
	}
	for _, table := range column(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`) {
		columns := column(`SELECT name FROM pragma_table_info(?)`, table)
		quoted := "quote(" + strings.Join(columns, ") || ', ' || quote(") + ")"
		for _, row := range column("SELECT " + quoted + " FROM " + table) {
			fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES (%s);\n", table, strings.Join(columns, ", "), row)
		}
	}
	return b.String()
}

func TestForeignSchemasAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ spoil, want string }{
		"an edited migration":            {"UPDATE migration SET checksum = 'other' WHERE version = 1", "another build"},
		"a newer schema":                 {"INSERT INTO migration VALUES (1000, '01000_later.sql', 'x', 999)", "start a newer one"},
		"a newer schema that serves us":  {"INSERT INTO migration VALUES (1000, '01000_later.sql', 'x', 1)", ""},
		"one newer one that serves none": {"INSERT INTO migration VALUES (999, 'a.sql', 'x', 999); INSERT INTO migration VALUES (1000, 'b.sql', 'x', 1)", "start a newer one"},
	} {
		f := folder(t.TempDir())
		if err := f.Open(t).Close(); err != nil {
			t.Fatal(err)
		}
		f.exec(t, test.spoil)
		s, err := sqlite.Open(context.Background(), sqlite.Options{Dir: string(f)})
		if s != nil {
			s.Close()
		}
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v, want it opened", name, err)
		case test.want != "" && (!fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), test.want)):
			t.Errorf("%s: %v, want a conflict that says %q", name, err, test.want)
		}
	}
}
