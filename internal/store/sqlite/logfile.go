package sqlite

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// SQLite writes its log with two system calls per page, which cost more than
// everything else a commit does here. The file system of this file sits between
// SQLite and its own, for the log only: it gathers writes that follow each
// other and passes them on in one piece.
//
// Nothing is held back when it matters. A commit syncs the log before it
// publishes it to other connections, and a sync, like every other operation on
// the file, passes the gathered bytes on first. A write that fails then fails
// the sync, and with it the commit.

const (
	// fileSystem is the name under which SQLite knows it; gentleFileSystem is
	// the same with [gentleSync] for the database file.
	fileSystem, gentleFileSystem = "parley", "parley-gentle"
	// gatherMost bounds the bytes held for one file.
	gatherMost = 1 << 20
	// passMost is what is written at once; SQLite's own file system takes
	// less than 128 KB.
	passMost = 120 << 10
)

// registered makes the file system known to SQLite, once per process.
var registered = sync.OnceValue(func() error {
	return errors.Join(registerFileSystem(fileSystem, openFile), registerFileSystem(gentleFileSystem, openGently))
})

// hooked is SQLite's method table of a kind of file with ours in front of some
// methods. It is set with the first such file that is opened and never changes.
type hooked struct {
	sync.Once
	table, original lib.Tsqlite3_io_methods
	// originalAt is where SQLite has its own table.
	originalAt uintptr
}

// into puts the table into an open file. It is false when SQLite has several
// tables for this kind of file: then this one stays as it is.
func (h *hooked) into(f *lib.Tsqlite3_file, hook func(*lib.Tsqlite3_io_methods)) bool {
	h.Do(func() {
		h.originalAt, h.original = f.FpMethods, *object[lib.Tsqlite3_io_methods](f.FpMethods)
		h.table = h.original
		hook(&h.table)
	})
	if f.FpMethods != h.originalAt {
		return false
	}
	f.FpMethods = uintptr(unsafe.Pointer(&h.table))
	return true
}

// logMethods are those of log files.
var logMethods hooked

// logFiles are the open log files, by the address of SQLite's file object. One
// file object is used by one goroutine at a time.
var logFiles sync.Map // uintptr -> *gathered

// gathered are bytes that are to be written at an offset.
type gathered struct {
	bytes []byte
	at    int64
}

type (
	openMethod  = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	closeMethod = func(tls *libc.TLS, file uintptr) int32
	moveMethod  = func(tls *libc.TLS, file, buf uintptr, n int32, at int64) int32
	truncMethod = func(tls *libc.TLS, file uintptr, size int64) int32
	syncMethod  = func(tls *libc.TLS, file uintptr, flags int32) int32
	sizeMethod  = func(tls *libc.TLS, file, size uintptr) int32
)

// pointer turns a function of this file into what SQLite calls; method turns it
// back. A function value is the address of a word that holds the code's.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func method[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

// object views memory of SQLite as a T.
func object[T any](at uintptr) *T {
	var t T
	return (*T)(unsafe.Pointer(&libc.GoBytes(at, int(unsafe.Sizeof(t)))[0]))
}

func registerFileSystem(as string, open openMethod) error {
	tls := libc.NewTLS()
	defer tls.Close()
	base := lib.Xsqlite3_vfs_find(tls, 0)
	own := lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	name, err := libc.CString(as)
	if base == 0 || own == 0 || err != nil {
		return errors.Join(errors.New("SQLite has no file system"), err)
	}
	vfs := object[lib.Tsqlite3_vfs](own)
	*vfs = *object[lib.Tsqlite3_vfs](base)
	baseOpen = method[openMethod](vfs.FxOpen)
	vfs.FpNext, vfs.FzName, vfs.FxOpen = 0, name, pointer(open)
	if rc := lib.Xsqlite3_vfs_register(tls, own, 0); rc != lib.SQLITE_OK {
		return errors.New("SQLite refuses the file system")
	}
	return nil
}

// baseOpen is the method of SQLite's own file system.
var baseOpen openMethod

func openFile(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := baseOpen(tls, vfs, name, file, flags, outFlags)
	if rc != lib.SQLITE_OK || flags&lib.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	hook := func(t *lib.Tsqlite3_io_methods) {
		t.FxClose, t.FxRead, t.FxWrite = pointer(closeMethod(closeLog)), pointer(moveMethod(readLog)), pointer(moveMethod(writeLog))
		t.FxTruncate, t.FxSync, t.FxFileSize = pointer(truncMethod(truncateLog)), pointer(syncMethod(syncLog)), pointer(sizeMethod(sizeOfLog))
	}
	if logMethods.into(object[lib.Tsqlite3_file](file), hook) {
		logFiles.Store(file, &gathered{})
	}
	return rc
}

func logOf(file uintptr) *gathered {
	g, _ := logFiles.Load(file)
	return g.(*gathered)
}

// pass writes what was gathered.
func (g *gathered) pass(tls *libc.TLS, file uintptr) int32 {
	rest, at := g.bytes, g.at
	g.bytes = g.bytes[:0]
	for len(rest) > 0 {
		n := min(len(rest), passMost)
		rc := method[moveMethod](logMethods.original.FxWrite)(tls, file, uintptr(unsafe.Pointer(&rest[0])), int32(n), at)
		runtime.KeepAlive(g)
		if rc != lib.SQLITE_OK {
			return rc
		}
		rest, at = rest[n:], at+int64(n)
	}
	return lib.SQLITE_OK
}

func writeLog(tls *libc.TLS, file, buf uintptr, n int32, at int64) int32 {
	g := logOf(file)
	if len(g.bytes) > 0 && (at != g.at+int64(len(g.bytes)) || len(g.bytes) >= gatherMost) {
		if rc := g.pass(tls, file); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if len(g.bytes) == 0 {
		g.at = at
	}
	g.bytes = append(g.bytes, libc.GoBytes(buf, int(n))...)
	return lib.SQLITE_OK
}

func readLog(tls *libc.TLS, file, buf uintptr, n int32, at int64) int32 {
	if rc := logOf(file).pass(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return method[moveMethod](logMethods.original.FxRead)(tls, file, buf, n, at)
}

func truncateLog(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := logOf(file).pass(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return method[truncMethod](logMethods.original.FxTruncate)(tls, file, size)
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := logOf(file).pass(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return method[syncMethod](logMethods.original.FxSync)(tls, file, flags)
}

func sizeOfLog(tls *libc.TLS, file, size uintptr) int32 {
	if rc := logOf(file).pass(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return method[sizeMethod](logMethods.original.FxFileSize)(tls, file, size)
}

func closeLog(tls *libc.TLS, file uintptr) int32 {
	passed := logOf(file).pass(tls, file)
	logFiles.Delete(file)
	object[lib.Tsqlite3_file](file).FpMethods = logMethods.originalAt
	if rc := method[closeMethod](logMethods.original.FxClose)(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return passed
}
