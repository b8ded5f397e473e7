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
	// somePieces take about 10 ms.
	somePieces = 4
	// gentleness bounds the time that is taken for it: a log that grows fast has
	// to begin anew soon.
	gentleness = 400 * time.Millisecond
	// quickly is how long a piece takes of which nothing had to be written.
	quickly = 100 * time.Microsecond
	// What sync_file_range(2) is to do: wait, begin, wait.
	waitWriteWait = 1 | 2 | 4
)

// ordinary returns the file's length, and whether it is a file at all.
func (f *dataFile) ordinary() (size int64, ok bool) {
	var file syscall.Stat_t
	if syscall.Fstat(f.descriptor, &file) != nil || file.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return 0, false
	}
	return file.Size, true
}

// writeOut has the changed pages of a file of that size written piece by piece,
// and calls meanwhile every few pieces that had to be. An error says that a page could not
// be written, which no later sync says again.
func (f *dataFile) writeOut(size int64, meanwhile func()) error {
	end := time.Now().Add(gentleness)
	written := 0
	for at := int64(0); at < size; at += pieceBytes {
		began := time.Now()
		if began.After(end) {
			return nil
		}
		switch err := syscall.SyncFileRange(f.descriptor, at, pieceBytes, waitWriteWait); err {
		case nil:
		case syscall.EIO, syscall.ENOSPC, syscall.EDQUOT:
			return err
		default: // it is refused here; nothing was asked of the disk
			return nil
		}
		if took := time.Since(began); took > quickly {
			time.Sleep(piecePause)
			if written++; written%somePieces == 0 {
				meanwhile()
			}
		}
	}
	return nil
}

// sync makes what was written to the file last.
func (f *dataFile) sync(meanwhile func()) error {
	size, ok := f.ordinary()
	if !ok {
		return nil
	}
	if meanwhile != nil {
		if err := f.writeOut(size, meanwhile); err != nil {
			return err
		}
	}
	for {
		if err := syscall.Fdatasync(f.descriptor); err != syscall.EINTR {
			return err
		}
	}
}
