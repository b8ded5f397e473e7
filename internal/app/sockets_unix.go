//go:build unix

package app

import "syscall"

// sparedFiles are left for everything that is not a socket: the database,
// requests, the log.
const sparedFiles = 1000

// maxSockets follows from the limit of open files: each socket is one.
func maxSockets() int {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	files := uint64(limit.Cur)
	if err != nil || files > manySockets {
		return manySockets
	}
	return max(int(files)-sparedFiles, int(files)/2)
}
