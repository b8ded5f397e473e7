package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// limitDir makes this test binary the process that may not write large files.
const limitDir = "PARLEY_SQLITE_LIMIT"

// TestWritesThatFail lets the operating system refuse writes to the log, in a
// process of its own, for the limit counts for all its files.
func TestWritesThatFail(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), limitDir+"="+t.TempDir())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func runLimited(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	opened, err := store.Do(ctx, s, place("p"))
	if err != nil {
		return err
	}
	c := opened.Conversation
	info, err := os.Stat(filepath.Join(dir, "parley.db-wal"))
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	limited := free
	limited.Cur = uint64(info.Size()) + 300_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		return err
	}
	stored := int64(0)
	for range 100 {
		if _, err = store.Do(ctx, s, message(c, strings.Repeat("x", 40_000))); err != nil {
			break
		}
		stored++
	}
	if !fault.Is(err, fault.Unavailable) || stored == 0 {
		return fmt.Errorf("after %d entries: %w, want unavailable", stored, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	if _, err := store.Do(ctx, s, message(c, "with room again")); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	return countEntries(ctx, dir, stored+1)
}

func countEntries(ctx context.Context, dir string, want int64) error {
	s, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	conv, err := s.ConversationByPlace(ctx, "st-a", "p")
	if err == nil && conv.Seq != want {
		err = fmt.Errorf("%d entries are there, want %d", conv.Seq, want)
	}
	entries, readErr := s.EntriesBetween(ctx, conv.Key, 1, want+1)
	if readErr == nil && int64(len(entries)) != want {
		readErr = fmt.Errorf("%d entries can be read, want %d", len(entries), want)
	}
	return errors.Join(err, readErr, s.Close())
}
