//go:build linux || darwin

package alert

import (
	"errors"
	"fmt"
	"syscall"
)

// errNoSpaceHere is never returned on this system.
var errNoSpaceHere = errors.New("free space cannot be told on this system")

// FreeSpace is the space an ordinary user may still fill on a folder's disk.
func FreeSpace(folder string) (Space, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(folder, &st); err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", folder, err)
	}
	// Bsize's type depends on the system.
	size := uint64(st.Bsize)
	// What is kept for root counts as used, as df has it.
	used := st.Blocks - st.Bfree
	return Space{Free: st.Bavail * size, Total: (used + st.Bavail) * size}, nil
}
