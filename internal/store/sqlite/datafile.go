package sqlite

import (
	"context"
	"database/sql/driver"
	"sync"
	"sync/atomic"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A checkpoint copies thousands of pages into the database file and syncs it.
// The disk then writes megabytes in one go, and the commits of that moment wait
// for it with their own few kilobytes. So the checkpointer says when its pages
// are synced, and has them written in small pieces with pauses in between
// before that.

// dataFile is the database file of a checkpointer's connection.
type dataFile struct {
	descriptor int
	// postponed says not to sync now: SQLite syncs when a checkpoint has moved
	// everything, which under load it does by chance. It is told that it has not.
	postponed atomic.Bool
	// refused ends all syncs with an error, so that SQLite never takes the log for
	// moved: not even when the last connection is closed, which it does with a
	// checkpoint, and then it deletes the log.
	refused atomic.Bool
	// store makes what was written to the file last. With meanwhile it does so
	// gently and calls that now and then.
	store func(meanwhile func()) error
}

// dataFiles are the open ones, by the address of SQLite's file object.
var dataFiles sync.Map // uintptr -> *dataFile

// openedGently is the one that was opened last. SQLite gives nobody its
// descriptors, and one of our own must not be: closing it would end the locks
// that SQLite has on the file.
var openedGently struct {
	sync.Mutex
	file *dataFile
}

// connectGently opens the checkpointer's connection.
func connectGently(ctx context.Context, path string) (driver.Conn, *dataFile, error) {
	openedGently.Lock()
	defer openedGently.Unlock()
	f := &dataFile{descriptor: -1}
	f.store = f.sync
	openedGently.file = f
	conn, err := connectThrough(ctx, gentleFileSystem, path)
	return conn, f, err
}

// dataMethods are those of database files that are opened gently.
var dataMethods hooked

func openGently(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := openFile(tls, vfs, name, file, flags, outFlags)
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_MAIN_DB == 0 {
		return rc
	}
	hook := func(t *lib.Tsqlite3_io_methods) {
		t.FxClose, t.FxSync = pointer(closeMethod(closeData)), pointer(syncMethod(syncData))
	}
	if dataMethods.into(object[lib.Tsqlite3_file](file), hook) {
		openedGently.file.descriptor = descriptorOf(file)
		dataFiles.Store(file, openedGently.file)
	}
	return rc
}

// descriptorOf reads the descriptor from SQLite's own file object for Unix. It is
// only used when it is one of an ordinary file.
func descriptorOf(file uintptr) int {
	at := object[struct {
		methods, fileSystem, inode uintptr
		descriptor                 int32
	}](file)
	return int(at.descriptor)
}

// syncData is SQLite's sync at the end of a checkpoint. SQLITE_BUSY makes it
// take the checkpoint for one that could not move everything (walCheckpoint in
// wal.c), which is never an error.
func syncData(tls *libc.TLS, file uintptr, flags int32) int32 {
	if f, ok := dataFiles.Load(file); ok {
		f := f.(*dataFile)
		if f.refused.Load() {
			return lib.SQLITE_IOERR_FSYNC
		}
		if f.postponed.Load() {
			return lib.SQLITE_BUSY
		}
		if f.store(func() {}) != nil {
			return lib.SQLITE_IOERR_FSYNC
		}
	}
	return method[syncMethod](dataMethods.original.FxSync)(tls, file, flags)
}

func closeData(tls *libc.TLS, file uintptr) int32 {
	dataFiles.Delete(file)
	object[lib.Tsqlite3_file](file).FpMethods = dataMethods.originalAt
	return method[closeMethod](dataMethods.original.FxClose)(tls, file)
}
