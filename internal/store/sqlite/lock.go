package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"parley/internal/fault"
)

// lockName is the file whose lock says that a process has the folder. The lock
// ends with the process, however that ends; the file stays.
const lockName = "lock"

// errHeld means that another process has the lock.
var errHeld = errors.New("held by another process")

// folderLock is the right to a data folder.
type folderLock struct{ file *os.File }

// LockFolder takes a data folder for this process, for those who keep their
// database elsewhere; [Open] does it by itself. It fails with a fault.Conflict
// when another process has the folder.
func LockFolder(dir string) (release func() error, err error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	return lock.release, nil
}

// lockFolder takes the folder for this process. The file holds the process id,
// for the refusal that the next one gets.
func lockFolder(dir string) (*folderLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(err, dir)
	}
	if err := lockFile(file); err != nil {
		defer file.Close()
		if !errors.Is(err, errHeld) {
			return nil, fmt.Errorf("lock the data folder: %w", err)
		}
		return nil, fault.Wrap(err, fault.Conflict, "the data folder %s is in use by %s; one process at a time", dir, holder(file))
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := file.WriteAt([]byte(pid), 0); err != nil {
		return nil, errors.Join(unusable(err, dir), file.Close())
	}
	if err := file.Truncate(int64(len(pid))); err != nil {
		return nil, errors.Join(unusable(err, dir), file.Close())
	}
	return &folderLock{file}, nil
}

func holder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}

func (l *folderLock) release() error { return l.file.Close() }
