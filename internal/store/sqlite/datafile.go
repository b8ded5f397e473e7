package sqlite

import (
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// A checkpoint copies thousands of pages into the database file and syncs it.
// The disk then writes megabytes in one go, and the commits of that moment wait
// for it with their own few kilobytes. So the checkpointer's connection has the
// pages written in small pieces with pauses in between, before the sync, which
// then finds little to do and promises the same as ever.

// dataMethods are those of database files that are opened gently.
var dataMethods hooked

func openGently(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := openFile(tls, vfs, name, file, flags, outFlags)
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_MAIN_DB == 0 {
		return rc
	}
	dataMethods.into(object[lib.Tsqlite3_file](file), func(t *lib.Tsqlite3_io_methods) { t.FxSync = pointer(syncMethod(gentleSync)) })
	return rc
}

func gentleSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	// SQLite's own file object for Unix begins so; what is read there is only
	// used when it is the descriptor of an ordinary file.
	at := object[struct {
		methods, fileSystem, inode uintptr
		descriptor                 int32
	}](file)
	writeOut(int(at.descriptor))
	return method[syncMethod](dataMethods.original.FxSync)(tls, file, flags)
}
