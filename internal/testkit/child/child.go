// Package child starts processes for tests and makes sure that they end: by
// [Process.Stop], and on Linux also when the test binary itself is killed,
// because each child asks the kernel for a signal at its parent's death.
//
// That request belongs to the operating system thread that forked, not to the
// process, and Go retires threads. So each child is started and awaited by a
// goroutine of its own that keeps its thread for as long as the child lives.
package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// pipeGrace bounds how long Wait reads the output of grandchildren that
// outlived the child.
const pipeGrace = 2 * time.Second

// Process is a started child. Its methods may be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start starts cmd. When the test binary dies first, the child gets the signal
// atDeath (on Linux; elsewhere it lives on).
func Start(cmd *exec.Cmd, atDeath syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	setDeathSignal(cmd.SysProcAttr, atDeath)
	cmd.WaitDelay = pipeGrace
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil for exit code 0, else usually an
// *exec.ExitError. It may be called after [Process.Done] is closed.
func (p *Process) Err() error { return p.err }

// ExitCode is the exit code of a process that has ended, or -1 when a signal
// ended it. It may be called after [Process.Done] is closed.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends sig. Signalling a process that has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop sends sig and waits until the process has ended. When it has not ended
// within grace it is killed, and Stop says so; the exit code is not an error
// here, see [Process.Err]. Stopping twice is harmless.
func (p *Process) Stop(sig os.Signal, grace time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return fmt.Errorf("signal %v: %w", sig, err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	if err := p.Signal(os.Kill); err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	<-p.done
	return fmt.Errorf("did not end within %v of %v and was killed", grace, sig)
}
