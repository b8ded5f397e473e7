package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	sqlite "modernc.org/sqlite"

	"parley/internal/fault"
	"parley/internal/store/sqlstore"
)

// backupPages is how much is copied between two looks at the context (4 MB).
const backupPages = 1024

// Backup copies the database to dir, which must be empty or not exist, as one
// file that [Restore] or a plain copy brings back. Steps go on being committed;
// the copy is of the moment it began. Meanwhile the log cannot begin anew and
// grows.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := emptyFolder(dir); err != nil {
		return err
	}
	target := filepath.Join(dir, fileName)
	if err := s.copyTo(ctx, target); err != nil {
		return errors.Join(fmt.Errorf("back up to %s: %w", dir, err), removeDatabase(target))
	}
	return syncFile(target, dir)
}

func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder %s cannot be made", dir)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder %s cannot be read", dir)
	}
	if len(there) > 0 {
		return fault.New(fault.Invalid, "the folder %s is not empty", dir)
	}
	return nil
}

func (s *Store) copyTo(ctx context.Context, target string) (err error) {
	conn, err := connect(ctx, s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// A transaction keeps one state of the data in sight. Without it a commit
	// between two steps would make the copy begin anew.
	e := engine{conn: conn, statements: make(map[string]*statement)}
	for _, text := range []string{"BEGIN DEFERRED", "SELECT 1 FROM migration"} {
		st, err := e.prepare(text)
		if err != nil {
			return err
		}
		defer st.stmt.Close()
		if err := st.query(func(sqlstore.Row) error { return nil }); err != nil {
			return err
		}
	}
	copying, err := conn.(interface {
		NewBackup(string) (*sqlite.Backup, error)
	}).NewBackup("file:" + filepath.ToSlash(target))
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err == nil {
			more, err = copying.Step(backupPages)
		}
	}
	return errors.Join(err, copying.Finish())
}

// syncFile makes the copy and its name durable.
func syncFile(path, dir string) error {
	for _, name := range []string{path, dir} {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return nil
}

func removeDatabase(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Restore brings a backup into a data folder that has no database yet. No store
// may be open there. The restored data is checked before it takes its place.
func Restore(ctx context.Context, backup, into string) error {
	if err := registered(); err != nil {
		return err
	}
	source, target := filepath.Join(backup, fileName), filepath.Join(into, fileName)
	if _, err := os.Stat(source); err != nil {
		return fault.Wrap(err, fault.Invalid, "the folder %s holds no backup (%s is missing)", backup, fileName)
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return unusable(err, into)
	}
	lock, err := lockFolder(into)
	if err != nil {
		return err
	}
	defer lock.release()
	if _, err := os.Stat(target); err == nil {
		return fault.New(fault.Conflict, "the data folder %s has data already; restore into another folder or move the data away", into)
	}
	half := target + ".restoring"
	if err := errors.Join(removeDatabase(half), copyFile(source, half)); err != nil {
		return errors.Join(fmt.Errorf("restore: %w", err), removeDatabase(half))
	}
	if err := checkFile(ctx, half); err != nil {
		return errors.Join(err, removeDatabase(half))
	}
	if err := os.Rename(half, target); err != nil {
		return errors.Join(unusable(err, into), removeDatabase(half))
	}
	return syncFile(target, into)
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = target.ReadFrom(source)
	return errors.Join(err, target.Sync(), target.Close())
}

// checkFile refuses a copy that is damaged or no database of ours.
func checkFile(ctx context.Context, path string) error {
	conn, err := connect(ctx, path)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the backup cannot be opened as a database")
	}
	e := engine{conn: conn, statements: make(map[string]*statement)}
	verdict := ""
	check, err := e.prepare("PRAGMA quick_check")
	if err == nil {
		err = check.query(func(r sqlstore.Row) error {
			if verdict != "" {
				return nil
			}
			return r.Scan(&verdict)
		})
	}
	if err == nil {
		_, err = e.prepare("SELECT version FROM migration")
	}
	_, _, walErr := checkpoint(conn, "TRUNCATE")
	err = errors.Join(err, walErr, e.close())
	if err != nil || verdict != "ok" {
		return fault.Wrap(err, fault.Invalid, "the backup is damaged or is none of Parley's (%s)", verdict)
	}
	return removeCompanions(path)
}

// removeCompanions removes the empty log of a closed database, so that only
// the file has to be renamed.
func removeCompanions(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
