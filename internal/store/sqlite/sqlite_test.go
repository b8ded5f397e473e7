package sqlite_test

import (
	"fmt"
	"testing"

	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/store/storetest"
)

func open(t testing.TB) store.Store {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func BenchmarkFold(b *testing.B) {
	for _, callers := range []int{100, 1} {
		b.Run(fmt.Sprintf("callers=%d/yardstick", callers), func(b *testing.B) { storetest.BenchLog(b, callers) })
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { storetest.BenchFold(b, callers, open) })
	}
}
