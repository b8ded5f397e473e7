//go:build unix

package secret

import (
	"os"
	"syscall"
)

// keepOwner gives file the owner of the file at path, so that a key rotation
// run by root does not lock the service user out. When we are that owner
// there is nothing to do.
func keepOwner(file *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	old, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(old.Uid) == os.Geteuid() {
		return nil
	}
	return file.Chown(int(old.Uid), int(old.Gid))
}
