package program

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"parley/internal/testkit/wait"
)

func TestPause(t *testing.T) {
	server := fakeBinary(t).Serve(t, Options{})
	server.Signal(syscall.SIGSTOP)
	stat := fmt.Sprintf("/proc/%d/stat", server.PID())
	wait.Succeed(t, stopWithin, func() error {
		text, err := os.ReadFile(stat)
		if err == nil && !strings.Contains(string(text), ") T ") {
			err = fmt.Errorf("%s says %s", stat, text)
		}
		return err
	}, "the pause")
	server.Signal(syscall.SIGCONT)
	server.Stop()
}
