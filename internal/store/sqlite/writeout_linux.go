package sqlite

import (
	"syscall"
	"time"
)

const (
	// pieceBytes is what is written out at once, and piecePause the pause after a
	// piece that had to be written.
	pieceBytes = 256 << 10
	piecePause = 2 * time.Millisecond
	// gentleness bounds the time that is taken for it: a log that grows fast has
	// to begin anew soon.
	gentleness = 400 * time.Millisecond
	// quickly is how long a piece takes of which nothing had to be written.
	quickly = 100 * time.Microsecond
	// What sync_file_range(2) is to do: wait, begin, wait.
	waitWriteWait = 1 | 2 | 4
)

// writeOut has the changed pages of a file written piece by piece. It promises
// nothing; an error is for the sync that follows to find.
func writeOut(descriptor int) {
	var file syscall.Stat_t
	if syscall.Fstat(descriptor, &file) != nil || file.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return
	}
	end := time.Now().Add(gentleness)
	for at := int64(0); at < file.Size; at += pieceBytes {
		began := time.Now()
		if began.After(end) {
			return
		}
		if syscall.SyncFileRange(descriptor, at, pieceBytes, waitWriteWait) != nil {
			return
		}
		if took := time.Since(began); took > quickly {
			time.Sleep(piecePause)
		}
	}
}
