package program

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
	"parley/internal/testkit/freeport"
	"parley/internal/testkit/wait"
)

const (
	readyWithin = 3 * time.Minute
	stopWithin  = 2 * time.Minute
	probeWithin = 10 * time.Second
	// shownLog bounds what a failed test prints of the server's output.
	shownLog = 64 << 10
)

// Options shape a server. The zero value serves a fresh data folder on a free
// port of 127.0.0.1.
type Options struct {
	// Data is the data folder; empty means a new one that goes with the test.
	Data string
	// Listen is the address; empty means a free port of 127.0.0.1.
	Listen string
	// Args follow "serve --listen ADDR --data DIR".
	Args []string
	// Env is added to the environment, "NAME=value".
	Env []string
}

// Server is a running `parley serve`. Its methods fail the test when they
// cannot do what they say, and so belong to the goroutine that runs the test;
// URL, Addr and Data may be read from anywhere.
type Server struct {
	// URL is the base address, "http://127.0.0.1:port".
	URL string
	// Addr is host and port.
	Addr string
	// Data is the data folder.
	Data string

	t    testing.TB
	path string
	opts Options
	log  string
	proc *child.Process
}

// Serve starts a server and returns when it is ready. When the test ends the
// server is killed; when the test failed, the end of its output is logged.
func (b *Binary) Serve(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Listen == "" {
		opts.Listen = freeport.Addr(t)
	}
	if opts.Data == "" {
		opts.Data = filepath.Join(t.TempDir(), "data")
	}
	s := &Server{
		URL: "http://" + opts.Listen, Addr: opts.Listen, Data: opts.Data,
		t: t, path: b.Path(t), opts: opts, log: filepath.Join(t.TempDir(), "server.log"),
	}
	t.Cleanup(s.cleanup)
	s.Start()
	return s
}

// Start starts the server again after [Server.Kill] or [Server.Stop], on the
// same address and data, and returns when it is ready.
func (s *Server) Start() {
	s.t.Helper()
	s.Launch()
	s.WaitReady()
}

// Launch starts the process and does not wait for it; see [Server.WaitReady].
func (s *Server) Launch() {
	s.t.Helper()
	if s.proc != nil && s.proc.Running() {
		s.t.Fatal("the server is running already")
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close() // the child has its own copy
	args := append([]string{"serve", "--listen", s.opts.Listen, "--data", s.opts.Data}, s.opts.Args...)
	cmd := exec.Command(s.path, args...)
	cmd.Env = environment(s.opts.Env)
	cmd.Stdout, cmd.Stderr = log, log
	if s.proc, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
}

// WaitReady returns when GET /readyz answers 200. It fails the test when the
// process ends first, or after three minutes.
func (s *Server) WaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	proc := s.proc
	go func() {
		select {
		case <-proc.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	err := wait.Poll(ctx, func() error { return s.probe(ctx) })
	switch {
	case err == nil:
	case !proc.Running():
		s.t.Fatalf("the server ended before it was ready: %v", proc.Err())
	default:
		s.t.Fatalf("the server is not ready after %v: %v", readyWithin, err)
	}
}

func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
	if err != nil {
		return err
	}
	// A kept connection would belong to the process before a restart.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only for the message
	return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
}

// Kill ends the server with SIGKILL, in the middle of whatever it does, and
// returns when the process is gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.end(os.Kill)
}

// Stop asks the server to end (SIGTERM) and returns when it has. It fails the
// test when that takes more than two minutes or the exit code is not 0.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(syscall.SIGTERM)
	if err := s.proc.Err(); err != nil {
		s.t.Fatalf("the server stopped with %v, want exit code 0", err)
	}
}

// Restart is [Server.Stop] and [Server.Start].
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Signal sends a signal and does not wait: SIGSTOP and SIGCONT make a pause,
// SIGHUP whatever the server makes of it.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.proc.Signal(sig); err != nil {
		s.t.Fatalf("signal %v: %v", sig, err)
	}
}

// Running reports whether the process lives.
func (s *Server) Running() bool { return s.proc != nil && s.proc.Running() }

// PID is the process id of the last start, for reading its memory or its open
// files.
func (s *Server) PID() int { return s.proc.PID() }

// Done is closed when the process of the last start has ended.
func (s *Server) Done() <-chan struct{} { return s.proc.Done() }

// ExitCode is the exit code of the ended process, or -1 when a signal ended it
// or it still runs.
func (s *Server) ExitCode() int {
	if s.Running() {
		return -1
	}
	return s.proc.ExitCode()
}

// Logs returns everything the server has written to its standard output and
// error, over all its starts.
func (s *Server) Logs() string {
	s.t.Helper()
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *Server) end(sig os.Signal) {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatal("the server was never started")
	}
	if err := s.proc.Stop(sig, stopWithin); err != nil {
		s.t.Fatalf("end the server: %v", err)
	}
}

func (s *Server) cleanup() {
	if s.proc != nil {
		if err := s.proc.Stop(os.Kill, stopWithin); err != nil {
			s.t.Errorf("end the server: %v", err)
		}
	}
	if !s.t.Failed() {
		return
	}
	text, err := os.ReadFile(s.log)
	if err != nil {
		return // it never wrote anything
	}
	if len(text) > shownLog {
		text = append([]byte("[...]"), text[len(text)-shownLog:]...)
	}
	s.t.Logf("the output of parley serve at %s:\n%s", s.Addr, text)
}
