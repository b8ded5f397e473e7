package pgtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func install(t *testing.T, root, version string, programs ...string) string {
	t.Helper()
	bin := filepath.Join(root, version, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestNewestComparesNumbers(t *testing.T) {
	root := t.TempDir()
	install(t, root, "9.6", "initdb", "postgres")
	install(t, root, "15", "initdb", "postgres")
	want := install(t, root, "16", "initdb", "postgres")
	install(t, root, "17", "psql") // client only
	install(t, root, "lost+found", "initdb", "postgres")
	got, err := newest(root)
	if err != nil || got != want {
		t.Errorf("newest = %q, %v, want %q", got, err, want)
	}
}

func TestMissingProgramsNameTheRemedy(t *testing.T) {
	empty := t.TempDir()
	for _, root := range []string{empty, filepath.Join(empty, "none")} {
		_, err := newest(root)
		if err == nil || !strings.Contains(err.Error(), "apt-get install --no-install-recommends postgresql") {
			t.Errorf("newest(%s) = %v, want the line that installs PostgreSQL", root, err)
		}
	}
}

func TestProgramsBehindALink(t *testing.T) {
	root := t.TempDir()
	bin := install(t, root, "15", "initdb", "postgres")
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(bin, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	got, err := findPrograms()
	want, _ := filepath.EvalSymlinks(bin)
	if err != nil || got != want {
		t.Errorf("findPrograms = %q, %v, want %q", got, err, want)
	}
}

func TestFolderFitsASocketUnderALongTMPDIR(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	dir, err := privateFolder(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	if len(dir) > socketLimit {
		t.Errorf("%s has %d bytes, want at most %d", dir, len(dir), socketLimit)
	}
}
