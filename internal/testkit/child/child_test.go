package child_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
)

func start(t *testing.T, script string) *child.Process {
	t.Helper()
	p, err := child.Start(exec.Command("/bin/sh", "-c", script), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(os.Kill, time.Minute) })
	return p
}

func TestStopIsPolite(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done")
	ready := &firstWrite{buf: &out, seen: make(chan struct{})}
	cmd.Stdout = ready
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	<-ready.seen
	if !p.Running() || p.PID() <= 0 {
		t.Errorf("Running = %v, PID = %d, want a running process", p.Running(), p.PID())
	}
	for range 2 {
		if err := p.Stop(syscall.SIGTERM, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 3 {
		t.Errorf("Err = %v, want exit code 3", p.Err())
	}
	if got := out.String(); got != "up\nbye\n" {
		t.Errorf("output %q, want it complete", got)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done")
	ready := &firstWrite{buf: &out, seen: make(chan struct{})}
	cmd.Stdout = ready
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	<-ready.seen
	err = p.Stop(syscall.SIGTERM, 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("Stop = %v, want it to say that it killed", err)
	}
	if p.Running() {
		t.Error("still running")
	}
}

func TestEndIsSeen(t *testing.T) {
	p := start(t, "exit 0")
	<-p.Done()
	if p.Running() || p.Err() != nil {
		t.Errorf("Running = %v, Err = %v, want an end without error", p.Running(), p.Err())
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("Signal after the end = %v, want nil", err)
	}
}

func TestMissingProgram(t *testing.T) {
	if _, err := child.Start(exec.Command("/nonexistent/program"), syscall.SIGKILL); err == nil {
		t.Error("started a program that does not exist")
	}
}

// firstWrite tells when the child has said its first word.
type firstWrite struct {
	buf  *bytes.Buffer
	seen chan struct{}
	said bool
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if !w.said {
		w.said = true
		defer close(w.seen)
	}
	return w.buf.Write(p)
}
