//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package cli

import (
	"errors"
	"os"
)

// Here nobody is asked: answers come with --set.
func isTerminal(*os.File) bool { return false }

func hideTyping(*os.File) (func(), error) { return nil, errors.ErrUnsupported }
