//go:build !linux

package sqlite

// writeOut does nothing: this system has no way to write a part of a file.
func (*dataFile) writeOut() error { return nil }

// sync does nothing: the writer's checkpoint syncs the file.
func (*dataFile) sync(bool) error { return nil }
