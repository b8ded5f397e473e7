package pgtest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// fatals stands in for a test so that its failure can be looked at. It must
// run on a goroutine of its own.
type fatals struct {
	testing.TB
	said string
}

func (f *fatals) Helper() {}

func (f *fatals) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
