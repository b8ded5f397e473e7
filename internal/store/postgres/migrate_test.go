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

const firstFixture = "testdata/schema-1.sql"

// TestFirstSchemaOpens opens what the first version wrote.
func TestFirstSchemaOpens(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	text, err := os.ReadFile(firstFixture)
	if err != nil {
		t.Fatal(err)
	}
	url := emptied(t)
	runSQL(t, url, string(text))
	s := open(t, url)
	defer s.Close()
	storetest.CheckFirst(t, s)
}

var blob = regexp.MustCompile(`x'([0-9a-f]*)'`)

func writeFixture(t *testing.T) {
	url := pg.Database(t)
	runSQL(t, url, blob.ReplaceAllString(storetest.FirstRows, `'\x$1'`))
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
	if err := os.WriteFile(firstFixture, []byte(strings.Join(kept, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
