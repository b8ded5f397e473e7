// Package sqlite keeps the store in one SQLite file, for one process.
//
// The data folder holds parley.db (with its -wal and -shm companions) and a
// lock file that keeps a second process away. One connection writes, a few
// read. Commits are synchronous (WAL, synchronous=FULL); checkpoints, which
// move pages from the log into the file, run beside them on a connection of
// their own. The log is written through a small file system (logfile.go) that
// turns hundreds of writes per commit into a few.
package sqlite
