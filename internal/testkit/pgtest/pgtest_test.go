package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/wait"
)

var pg = pgtest.New(pgtest.Options{Prepare: func(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE note (id bigint PRIMARY KEY, text text NOT NULL)")
	return err
}})

// childMode makes this test binary the parent that is killed in
// TestServerDiesWithItsParent.
const childMode = "PARLEY_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		holdServer()
	}
	os.Exit(pg.Main(m))
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func count(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM note").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	for i := range 3 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pg.Database(t))
			if n := count(t, conn); n != 0 {
				t.Errorf("a fresh database holds %d notes, want 0", n)
			}
			exec1(t, conn, "INSERT INTO note VALUES (1, 'mine')")
		})
	}
}

func TestDatabaseIsDroppedWithOpenConnections(t *testing.T) {
	var url string
	t.Run("user", func(t *testing.T) {
		url = pg.Database(t)
		conn, err := pgx.Connect(context.Background(), url) // never closed
		if err != nil {
			t.Fatal(err)
		}
		exec1(t, conn, "INSERT INTO note VALUES (1, 'left open')")
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Errorf("the database is still there after its test")
	}
}

func TestDefaultsSuitUnitTests(t *testing.T) {
	conn := connect(t, pg.Database(t))
	for setting, want := range map[string]string{"fsync": "off", "listen_addresses": "", "server_encoding": "UTF8"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
}

func TestOutageOverTCP(t *testing.T) {
	own := pgtest.Start(t, pgtest.Options{TCP: true, Fsync: true, Settings: []string{"work_mem=5MB"}})
	url := own.Database(t)
	if !strings.Contains(url, "@127.0.0.1:") {
		t.Fatalf("URL is %s, want one by TCP", url)
	}
	conn := connect(t, url)
	var memory, fsync string
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('work_mem'), current_setting('fsync')").Scan(&memory, &fsync); err != nil {
		t.Fatal(err)
	}
	if memory != "5MB" || fsync != "on" {
		t.Errorf("work_mem = %s, fsync = %s, want 5MB, on", memory, fsync)
	}
	exec1(t, conn, "CREATE TABLE note (id bigint PRIMARY KEY)")
	for i, end := range []func() error{own.Stop, own.Crash} {
		exec1(t, conn, "INSERT INTO note VALUES ("+strconv.Itoa(i)+")")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := pgx.Connect(t.Context(), url); err == nil {
			t.Fatal("a stopped server takes connections")
		}
		if err := own.Start(); err != nil {
			t.Fatal(err)
		}
		conn = connect(t, url)
		if n := count(t, conn); n != i+1 {
			t.Errorf("%d notes after restart %d, want %d", n, i+1, i+1)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	own := pgtest.New(pgtest.Options{})
	if err := own.Close(); err != nil {
		t.Fatalf("close before start: %v", err)
	}
	own = pgtest.New(pgtest.Options{})
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	dir, pid := own.Dir(), serverPID(t, own.Dir())
	for range 2 {
		if err := own.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder %s after Close: %v, want it gone", dir, err)
	}
	if alive(pid) {
		t.Errorf("postgres (pid %d) runs after Close", pid)
	}
	if err := own.Start(); err == nil {
		t.Error("a closed server started again")
	}
}

func TestPrepareThatKeepsConnectionsIsNamed(t *testing.T) {
	var kept *pgx.Conn // else it is collected, and closed
	own := pgtest.New(pgtest.Options{Prepare: func(ctx context.Context, url string) (err error) {
		kept, err = pgx.Connect(ctx, url)
		return err
	}})
	defer func() {
		kept.Close(context.Background())
		own.Close()
	}()
	rec := &fatals{TB: t}
	done := make(chan struct{})
	go func() { defer close(done); own.Database(rec) }()
	<-done
	if want := "prepare left 1 connections"; !strings.Contains(rec.said, want) {
		t.Errorf("said %q, want %q in it", rec.said, want)
	}
}

func TestBadSettingShowsTheServersLog(t *testing.T) {
	own := pgtest.New(pgtest.Options{Settings: []string{"no_such_setting=1"}})
	defer own.Close()
	begin := time.Now()
	err := own.Start()
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("err = %v, want the server's own words", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("noticed after %v, want at once", took)
	}
}

func TestServerDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, "-test.run=^$")
	parent.Env = append(os.Environ(), childMode+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !strings.Contains(dir, "parley-pg-") {
		parent.Process.Kill()
		parent.Wait()
		t.Fatalf("the parent said %q, %v, want its server's folder", line, err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pid := serverPID(t, dir)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	wait.For(t, time.Minute, func() bool { return !alive(pid) }, "postgres to end with its parent")
}

// holdServer starts a server, names its folder and waits to be killed.
func holdServer() {
	s := pgtest.New(pgtest.Options{})
	if err := s.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.Dir())
	select {}
}

func serverPID(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	// An orphan that ended may stay in the table where nobody reaps it.
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}
