//go:build !linux && !darwin

package alert

import "errors"

// errNoSpaceHere says that this system has no way we know.
var errNoSpaceHere = errors.New("free space cannot be told on this system")

// FreeSpace is not known on this system.
func FreeSpace(string) (Space, error) { return Space{}, errNoSpaceHere }
