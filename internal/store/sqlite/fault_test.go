package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/wait"
)

// childDir makes this test binary the process that is killed, or that holds a
// folder.
const childDir = "PARLEY_SQLITE_CHILD"

// childModes are what this test binary does in place of testing when their
// variable names a folder.
var childModes = map[string]func(dir string) error{childDir: writeUntilKilled, limitDir: runLimited}

func TestMain(m *testing.M) {
	for name, run := range childModes {
		if dir := os.Getenv(name); dir != "" {
			if err := run(dir); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func place(name string) store.OpenPlace {
	return store.OpenPlace{Channel: "st-a", ChannelType: "rtm", Place: name, Person: chat.Person{ExternalID: name}, Mode: chat.LegFeed, Now: time.Now()}
}

func message(c chat.Conversation, text string) store.Append {
	return store.Append{Conversation: c.Key, Now: time.Now(), Entries: []chat.Draft{{
		Author: chat.Author{Kind: chat.ByContact}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent(text),
	}}}
}

// writeUntilKilled prints the number of each entry once it is committed.
func writeUntilKilled(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Dir: dir})
	if err != nil {
		return err
	}
	opened, err := store.Do(ctx, s, place("p"))
	if err != nil {
		return err
	}
	for {
		out, err := store.Do(ctx, s, message(opened.Conversation, "x"))
		if err != nil {
			return err
		}
		fmt.Println(out.Entries[0].Seq)
	}
}

// startChild runs writeUntilKilled in another process.
func startChild(t *testing.T, dir string) (*exec.Cmd, *atomic.Int64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	told := &lastNumber{}
	child.Stdout = told
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill() // may have ended
		_ = child.Wait()
	})
	return child, &told.last
}

// lastNumber keeps the last whole line that is a number.
type lastNumber struct {
	rest string
	last atomic.Int64
}

func (l *lastNumber) Write(p []byte) (int, error) {
	lines := strings.Split(l.rest+string(p), "\n")
	l.rest = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if n, err := strconv.ParseInt(line, 10, 64); err == nil {
			l.last.Store(n)
		}
	}
	return len(p), nil
}

func TestKilledInTheMiddle(t *testing.T) {
	dir := folder(t.TempDir())
	for round := range 3 {
		child, last := startChild(t, string(dir))
		before := last.Load()
		wait.For(t, time.Minute, func() bool { return last.Load() > before+50 }, "the other process to write")
		if err := child.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		s := dir.Open(t)
		conv, err := s.ConversationByPlace(t.Context(), "st-a", "p")
		if err != nil {
			t.Fatal(err)
		}
		// One more may have been committed than was told.
		if told := last.Load(); conv.Seq < told || conv.Seq > told+1 {
			t.Errorf("round %d: %d entries were told, %d are there", round, told, conv.Seq)
		}
		entries, err := s.EntriesBetween(t.Context(), conv.Key, 1, conv.Seq+1)
		if err != nil || int64(len(entries)) != conv.Seq {
			t.Errorf("round %d: %d entries of %d, %v", round, len(entries), conv.Seq, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecondProcessIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	child, last := startChild(t, dir)
	wait.For(t, time.Minute, func() bool { return last.Load() > 0 }, "the other process to open the store")
	_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), fmt.Sprintf("process %d", child.Process.Pid)) {
		t.Errorf("err = %v, want a conflict that names process %d", err, child.Process.Pid)
	}
	if err := sqlite.Restore(t.Context(), t.TempDir(), dir); err == nil {
		t.Error("restored under a running process")
	}
}

func TestSecondStoreInOneProcessIsRefused(t *testing.T) {
	dir := folder(t.TempDir())
	s := dir.Open(t)
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: string(dir)}); !fault.Is(err, fault.Conflict) {
		t.Errorf("err = %v, want a conflict", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dir.Open(t).Close(); err != nil {
		t.Errorf("after the first was closed: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	dir := folder(t.TempDir())
	s := dir.Open(t)
	defer s.Close()
	opened, err := store.Do(t.Context(), s, place("p"))
	if err != nil {
		t.Fatal(err)
	}
	engine := s.(*sqlite.Store)
	if err := sqlite.LimitPages(engine, 1); err != nil { // no page more than there are
		t.Fatal(err)
	}
	big := message(opened.Conversation, strings.Repeat("x", 1<<20))
	_, err = store.Do(t.Context(), s, big)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "full") {
		t.Errorf("err = %v, want unavailable: the disk is full", err)
	}
	if err := s.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("ping = %v while nothing can be stored", err)
	}
	if engine.WriterFigures().Unavailable == "" {
		t.Error("the figures do not tell")
	}
	if err := sqlite.LimitPages(engine, 1<<30); err != nil {
		t.Fatal(err)
	}
	out, err := store.Do(t.Context(), s, big)
	if err != nil || out.Entries[0].Seq != 1 {
		t.Errorf("with room again: %+v, %v", out, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestLogStaysBounded writes several times what starts a checkpoint.
func TestLogStaysBounded(t *testing.T) {
	dir := folder(t.TempDir())
	s := dir.Open(t)
	defer s.Close()
	opened, err := store.Do(t.Context(), s, place("p"))
	if err != nil {
		t.Fatal(err)
	}
	big := message(opened.Conversation, strings.Repeat("x", 1<<20))
	for range 600 {
		if _, err := store.Do(t.Context(), s, big); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(string(dir), "parley.db-wal"))
	if err != nil || info.Size() > 400<<20 {
		t.Errorf("the log has %d MB after 600 MB of commits, %v", info.Size()>>20, err)
	}
}

// TestLogIsKeptAfterAFailedSync has the disk fail to keep pages of the database:
// what is in the log must not be overwritten any more.
func TestLogIsKeptAfterAFailedSync(t *testing.T) {
	dir := folder(t.TempDir())
	var log strings.Builder
	heard := 0
	s, err := sqlite.Open(t.Context(), sqlite.Options{
		Dir: string(dir), Logger: slog.New(slog.NewTextHandler(&log, nil)), OnFailedSync: func() { heard++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	sqlite.FailSync(s, errors.New("the disk is dying"))
	opened, err := store.Do(t.Context(), s, place("p"))
	if err != nil {
		t.Fatal(err)
	}
	const messages = 160
	for range messages {
		if _, err := store.Do(t.Context(), s, message(opened.Conversation, strings.Repeat("x", 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(string(dir), "parley.db-wal"))
	if err != nil || info.Size() < messages<<20 {
		t.Errorf("the log has %d MB after %d MB of commits, %v", info.Size()>>20, messages, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(filepath.Join(string(dir), "parley.db-wal")); err != nil || after.Size() != info.Size() {
		t.Errorf("an orderly end leaves %v, %v, want the log as it was", after, err)
	}
	if n := strings.Count(log.String(), "the disk failed to keep pages"); n != 1 || heard != 1 || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("it is said %d times and told %d times: %s", n, heard, log.String())
	}
	again := dir.Open(t)
	defer again.Close()
	out, err := store.Do(t.Context(), again, message(opened.Conversation, "next"))
	if err != nil || out.Entries[0].Seq != messages+1 {
		t.Errorf("after a start: %+v, %v", out, err)
	}
}

func TestUnusableFolders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "parley.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": file, "below a file": filepath.Join(file, "x"), "no database": garbage} {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		}
	}
	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	for _, name := range []string{"folder", "database"} {
		dir := folder(t.TempDir())
		if err := dir.Open(t).Close(); err != nil {
			t.Fatal(err)
		}
		target := string(dir)
		if name == "database" {
			target = filepath.Join(target, "parley.db")
		}
		if err := os.Chmod(target, 0o500); err != nil {
			t.Fatal(err)
		}
		if name == "folder" {
			if err := os.Remove(filepath.Join(string(dir), "lock")); !errors.Is(err, fs.ErrPermission) {
				t.Fatalf("the folder can be written: %v", err)
			}
		}
		_, err := sqlite.Open(t.Context(), sqlite.Options{Dir: string(dir)})
		if name == "database" && (!fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "cannot be written")) {
			t.Errorf("a read-only %s: %v", name, err)
		}
		if err := os.Chmod(target, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := folder(filepath.Join(t.TempDir(), "new"))
	s := dir.Open(t)
	defer s.Close()
	for _, name := range []string{"", "parley.db", "parley.db-wal", "lock"} {
		info, err := os.Stat(filepath.Join(string(dir), name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v, want it closed to others", name, info.Mode(), err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir := folder(t.TempDir())
	s := dir.Open(t)
	defer s.Close()
	backup := filepath.Join(t.TempDir(), "b")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	used := folder(t.TempDir())
	if err := used.Open(t).Close(); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Restore(t.Context(), backup, string(used)); !fault.Is(err, fault.Conflict) {
		t.Errorf("over data: %v, want a conflict", err)
	}
	if err := sqlite.Restore(t.Context(), t.TempDir(), t.TempDir()); !fault.Is(err, fault.Invalid) {
		t.Errorf("from nothing: %v, want invalid", err)
	}
	path := filepath.Join(backup, "parley.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(text[8192:], make([]byte, 4096))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	if err := sqlite.Restore(t.Context(), backup, into); !fault.Is(err, fault.Invalid) {
		t.Errorf("from a damaged file: %v, want invalid", err)
	}
	if left, _ := filepath.Glob(filepath.Join(into, "parley*")); len(left) > 0 {
		t.Errorf("a refused restore left %v", left)
	}
}
