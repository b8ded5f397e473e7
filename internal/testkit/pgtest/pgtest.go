// Package pgtest runs Debian's PostgreSQL for tests: one private server per
// test package, one database per test.
//
//	var pg = pgtest.New(pgtest.Options{Prepare: migrate})
//
//	func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }
//
//	func TestStore(t *testing.T) {
//		store, err := postgres.Open(t.Context(), pg.Database(t))
//
// The server starts with the first [Server.Database], lives in a temporary
// folder, listens on a Unix socket there and ends with the package. A test that
// takes the server away (Stop, Crash, Start) uses one of its own from [Start],
// so that tests beside it do not notice.
//
// PostgreSQL refuses to run as root; under root it runs as the user postgres,
// or nobody. Missing programs fail the test with the line that installs them:
// a test that would be skipped proves nothing.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
	"parley/internal/testkit/freeport"
)

const (
	// superuser owns the cluster; connections need no password.
	superuser   = "parley"
	socketPort  = 5432
	startWithin = 2 * time.Minute
	stopWithin  = 2 * time.Minute
)

// Options shape a server. The zero value is right for unit tests.
type Options struct {
	// TCP lets the server listen on a free port of 127.0.0.1 as well, and
	// puts that address into the URLs: for programs that must survive its
	// stop and start by way of the network.
	TCP bool
	// Fsync makes commits reach the disk, as they must when time or
	// durability is measured. Otherwise fsync is off: a crash of the server
	// (not of the machine) still loses nothing.
	Fsync bool
	// Settings are further server settings in the form "name=value".
	Settings []string
	// Prepare fills the template that each database is copied from, for
	// example by running migrations. It runs once per server and must close
	// its connections before it returns.
	Prepare func(ctx context.Context, url string) error
}

// Server is one PostgreSQL server. Its methods may be called from any
// goroutine, but a test that stops it must be its only user.
type Server struct {
	opts Options

	mu    sync.Mutex
	dir   string // empty before the first start and after Close
	owner *owner
	bin   string
	port  int
	proc  *child.Process
	ready bool // the template exists
	made  int
	// broken keeps the reason of a failed first start, so that each test of
	// the package says it at once and does not try again.
	broken error
}

// New returns a server that starts when it is first needed.
func New(opts Options) *Server { return &Server{opts: opts} }

// Start starts a server for one test and closes it when the test ends.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := New(opts)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close PostgreSQL: %v", err)
		}
	})
	if err := s.Start(); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return s
}

// Main runs the tests of a package, closes the server and returns the exit
// code for os.Exit.
func (s *Server) Main(m *testing.M) int {
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "close PostgreSQL: %v\n", err)
		code = max(code, 1)
	}
	return code
}

// Start starts the server, or starts it again after [Server.Stop] or
// [Server.Crash] with the same address and data. It returns when the server
// answers queries. Starting a running server does nothing.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start()
}

// Stop ends the server as an administrator in a hurry does (mode "fast"): open
// transactions are rolled back, connections are closed, data is flushed.
func (s *Server) Stop() error { return s.halt(syscall.SIGINT) }

// Crash ends the server at once, without flushing (mode "immediate"). The next
// [Server.Start] recovers from the log; committed data survives.
func (s *Server) Crash() error { return s.halt(syscall.SIGQUIT) }

// Close ends the server and deletes its folder. Closing twice, or before the
// first start, does nothing.
func (s *Server) Close() error {
	stopped := s.Crash()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return stopped
	}
	removed := os.RemoveAll(s.dir)
	s.dir = ""
	s.broken = errors.New("the server was closed")
	return errors.Join(stopped, removed)
}

// Dir is the server's temporary folder; the file "log" in it is the server's
// log. It is empty before the first start.
func (s *Server) Dir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dir
}

func (s *Server) halt(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	err := s.proc.Stop(sig, stopWithin)
	s.proc = nil
	return err
}

func (s *Server) start() error {
	if s.broken != nil {
		return s.broken
	}
	if s.proc != nil && s.proc.Running() {
		return nil
	}
	if s.dir == "" {
		if err := s.create(); err != nil {
			s.broken = err
			return err
		}
	}
	return s.launch()
}

// create makes the folder and the empty cluster in it.
func (s *Server) create() error {
	var err error
	if s.bin, err = findPrograms(); err != nil {
		return err
	}
	if s.owner, err = serverOwner(); err != nil {
		return err
	}
	if s.port = socketPort; s.opts.TCP {
		if s.port, err = freeport.Pick(); err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
	}
	if s.dir, err = privateFolder(s.owner); err != nil {
		return err
	}
	initdb := s.command("initdb", "--pgdata="+s.data(), "--username="+superuser, "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		err = fmt.Errorf("initdb: %w\n%s", err, out)
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	return nil
}

// launch starts the server process and waits until it answers.
func (s *Server) launch() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own copy
	cmd := s.command("postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.proc, err = child.Start(cmd, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if err := s.answers(); err != nil {
		_ = s.proc.Stop(syscall.SIGQUIT, stopWithin) // the reason is err
		s.proc = nil
		return fmt.Errorf("postgres does not answer: %w\n%s", err, s.logTail())
	}
	return nil
}

func (s *Server) arguments() []string {
	fsync, listen := "off", ""
	if s.opts.Fsync {
		fsync = "on"
	}
	if s.opts.TCP {
		listen = "127.0.0.1"
	}
	settings := append([]string{
		"fsync=" + fsync,
		"full_page_writes=" + fsync,
		"listen_addresses=" + listen,
		"port=" + strconv.Itoa(s.port),
		"unix_socket_directories=" + s.dir,
		"max_connections=200",
		// The small /dev/shm of containers is not needed.
		"dynamic_shared_memory_type=mmap",
		"log_min_messages=warning",
	}, s.opts.Settings...)
	args := []string{"-D", s.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// command prepares one of PostgreSQL's programs to run as the owner.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	// Nothing of the user's PostgreSQL environment (PGDATA, PGPORT, ...).
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner.credential()}
	return cmd
}

// logTail gives the end of the server's log for an error message.
func (s *Server) logTail() string {
	const most = 4 << 10
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return string(text)
}
