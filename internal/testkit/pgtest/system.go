package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// socketLimit is what a Unix socket path may hold on Linux (108 bytes with the
// closing zero), less the name PostgreSQL appends.
const socketLimit = 107 - len("/.s.PGSQL.65535.lock")

var errMissing = errors.New("PostgreSQL's initdb and postgres are not installed; install them with\n" +
	"    apt-get install --no-install-recommends postgresql")

// findPrograms returns the folder that holds initdb and postgres: the one on
// PATH (whose initdb may be a link into it), else Debian's newest.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && complete(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
	}
	return newest("/usr/lib/postgresql")
}

// newest returns the bin folder of the highest version below root, which has
// one folder per version as Debian lays them out.
func newest(root string) (string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return "", errMissing // no such folder is the common case
	}
	best, found := 0.0, ""
	for _, entry := range entries {
		version, err := strconv.ParseFloat(entry.Name(), 64) // 15, and 9.6 long ago
		bin := filepath.Join(root, entry.Name(), "bin")
		if err == nil && version > best && complete(bin) {
			best, found = version, bin
		}
	}
	if found == "" {
		return "", errMissing
	}
	return found, nil
}

func complete(bin string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(bin, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// owner is the user a server runs as when the test runs as root; nil means the
// user of the test.
type owner struct{ uid, gid uint32 }

func serverOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(uerr, gerr); err != nil {
			return nil, fmt.Errorf("ids of user %s: %w", name, err)
		}
		return &owner{uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

func (o *owner) credential() *syscall.Credential {
	if o == nil {
		return nil
	}
	return &syscall.Credential{Uid: o.uid, Gid: o.gid}
}

// privateFolder makes the server's folder, readable to its owner only, with a
// path short enough for a Unix socket and open to another user on the way.
func privateFolder(o *owner) (string, error) {
	base := os.TempDir()
	if o != nil || len(base)+len("/parley-pg-0123456789") > socketLimit {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "parley-pg-")
	if err != nil {
		return "", err
	}
	if o != nil {
		err = os.Chown(dir, int(o.uid), int(o.gid))
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}
