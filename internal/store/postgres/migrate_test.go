package postgres_test

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"parley/internal/store/storetest"
)

var update = flag.Bool("update", false, "write the fixture of the newest schema; needs pg_dump")

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
		url := emptied(t)
		runSQL(t, url, string(text))
		s := open(t, url)
		storetest.CheckFixture(t, s, version)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

var blob = regexp.MustCompile(`x'([0-9a-f]*)'`)

func writeFixture(t *testing.T) {
	url := pg.Database(t)
	s := open(t, url)
	file := storetest.NewestFixture(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	runSQL(t, url, blob.ReplaceAllString(storetest.FirstRows+storetest.ThirdRows, `'\x$1'`))
	out, err := exec.Command("pg_dump", "--inserts", "--no-owner", "--no-comments", "--no-privileges", url).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var kept []string
	for _, line := range strings.Split(string(out), "\n") {
		// Comments, psql's own commands and settings of one server version.
		if line == "" || strings.HasPrefix(line, "--") || strings.HasPrefix(line, `\`) || strings.HasPrefix(line, "SET ") {
			continue
		}
		kept = append(kept, line)
	}
	if err := os.WriteFile(file, []byte(strings.Join(kept, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
