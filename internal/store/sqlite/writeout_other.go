//go:build !linux

package sqlite

// sync does nothing: the writer's checkpoint syncs the file.
func (*dataFile) sync(func()) error { return nil }
