package sqlite_test

import (
	"testing"

	"parley/internal/store/storetest"
)

func TestScratch(t *testing.T) {
	for _, c := range [][2]int{{100000, 1}, {1, 100000}} {
		f := folder(t.TempDir())
		s := f.Open(t)
		storetest.Scratch(t, s, func(q string) { f.exec(t, q) }, c[0], c[1])
		s.Close()
	}
}
