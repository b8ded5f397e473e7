//go:build !linux

package child

import "syscall"

// Only Linux offers a parent-death signal; elsewhere a killed test binary
// leaves its children to the user.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
