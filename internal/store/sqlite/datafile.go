package sqlite

import (
	"context"
	"database/sql/driver"
	"sync"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A checkpoint copies thousands of pages into the database file and syncs it.
// The disk then writes megabytes in one go, and the commits of that moment wait
// for it with their own few kilobytes. So the checkpointer's connection has the
// pages written in small pieces with pauses in between, before the sync, which
// then finds little to do and promises the same as ever.

// dataFile is the descriptor of a database file that is opened gently.
type dataFile int

// openedGently is the database file that was opened last. SQLite gives nobody
// its descriptors, and one of our own must not be: closing it would end the locks
// that SQLite has on the file.
var openedGently struct {
	sync.Mutex
	file dataFile
}

// connectGently opens the checkpointer's connection.
func connectGently(ctx context.Context, path string) (driver.Conn, dataFile, error) {
	openedGently.Lock()
	defer openedGently.Unlock()
	openedGently.file = -1
	conn, err := connectThrough(ctx, gentleFileSystem, path)
	return conn, openedGently.file, err
}

// dataMethods are those of database files that are opened gently.
var dataMethods hooked

func openGently(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := openFile(tls, vfs, name, file, flags, outFlags)
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_MAIN_DB == 0 {
		return rc
	}
	if dataMethods.into(object[lib.Tsqlite3_file](file), func(t *lib.Tsqlite3_io_methods) { t.FxSync = pointer(syncMethod(gentleSync)) }) {
		openedGently.file = descriptorOf(file)
	}
	return rc
}

func gentleSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	if descriptorOf(file).writeOut() != nil {
		return lib.SQLITE_IOERR_FSYNC
	}
	return method[syncMethod](dataMethods.original.FxSync)(tls, file, flags)
}

// descriptorOf reads the descriptor from SQLite's own file object for Unix. It is
// only used when it is one of an ordinary file.
func descriptorOf(file uintptr) dataFile {
	at := object[struct {
		methods, fileSystem, inode uintptr
		descriptor                 int32
	}](file)
	return dataFile(at.descriptor)
}
