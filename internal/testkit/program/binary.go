// Package program runs the real parley binary for whole-program tests: it
// finds or builds the binary, starts it as a child, waits until it is ready,
// and takes it away again as gently or brutally as the test asks.
//
//	var parley program.Binary
//
//	func TestMain(m *testing.M) { os.Exit(parley.Main(m)) }
//
//	func TestNothingIsLost(t *testing.T) {
//		server := parley.Serve(t, program.Options{})
//		... talk to server.URL ...
//		server.Kill()
//		server.Start()
//
// The environment variable PARLEY_BIN names the binary (an absolute path); the
// Makefile sets it. Without it the binary is built once per test package, with
// the flags of the Makefile so that the build cache serves both.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
)

const (
	// binaryVariable names a ready binary.
	binaryVariable = "PARLEY_BIN"
	mainPackage    = "parley/cmd/parley"
	// buildWithin is long: a cold build compiles every dependency.
	buildWithin = 10 * time.Minute
	runWithin   = 3 * time.Minute
)

// Binary is the program under test. The zero value is ready for use.
type Binary struct {
	once sync.Once
	path string
	dir  string // the folder of our own build, or empty
	err  error
}

// Main runs the tests of a package, removes a binary built for them and
// returns the exit code for os.Exit.
func (b *Binary) Main(m *testing.M) int {
	code := m.Run()
	if b.dir != "" {
		if err := os.RemoveAll(b.dir); err != nil {
			fmt.Fprintf(os.Stderr, "remove the test binary: %v\n", err)
			code = max(code, 1)
		}
	}
	return code
}

// Path returns the absolute path of the binary, building it when PARLEY_BIN
// does not name one.
func (b *Binary) Path(t testing.TB) string {
	t.Helper()
	b.once.Do(func() {
		if b.path = os.Getenv(binaryVariable); b.path != "" {
			b.err = executable(b.path)
			return
		}
		if b.dir, b.err = os.MkdirTemp("", "parley-bin-"); b.err == nil {
			b.path = filepath.Join(b.dir, "parley")
			b.err = build(mainPackage, b.path)
		}
	})
	if b.err != nil {
		t.Fatalf("the parley binary: %v", b.err)
	}
	return b.path
}

// Result is what a finished command left.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command of the binary to its end (at most three minutes), for example
// Run(t, nil, "version"). env is added to the test's environment, from which
// all PARLEY_ settings are taken out. A command that cannot be started or does
// not end fails the test; an exit code other than 0 does not.
func (b *Binary) Run(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(b.Path(t), args...)
	cmd.Env = environment(env)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatalf("start parley %s: %v", strings.Join(args, " "), err)
	}
	timer := time.NewTimer(runWithin)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
		_ = p.Stop(os.Kill, runWithin) // the failure below is the news
		t.Fatalf("parley %s did not end within %v; it wrote\n%s%s", strings.Join(args, " "), runWithin, &stdout, &stderr)
	}
	if exit := new(exec.ExitError); p.Err() != nil && !errors.As(p.Err(), &exit) {
		t.Fatalf("parley %s: %v", strings.Join(args, " "), p.Err())
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: p.ExitCode()}
}

// build compiles a main package as `make build` does.
func build(pkg, out string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X main.version=test", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w; run make build, or unset it", binaryVariable, err)
	case !filepath.IsAbs(path):
		return fmt.Errorf("%s is %q, want an absolute path", binaryVariable, path)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: %s is not a program", binaryVariable, path)
	}
	return nil
}

// environment is the test's own without Parley's settings, so that what a
// developer exports does not change what a test shows.
func environment(extra []string) []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "PARLEY_") {
			env = append(env, pair)
		}
	}
	return append(env, extra...)
}
