package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	_ "modernc.org/sqlite"

	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/store/storetest"
)

// folder is a data folder; it implements [storetest.DB].
type folder string

func (f folder) Open(t testing.TB) store.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Dir: string(f)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f folder) Shared() bool { return false }

func (f folder) Poison(t testing.TB, body string) {
	t.Helper()
	f.exec(t, fmt.Sprintf(`CREATE TRIGGER poison BEFORE INSERT ON raw WHEN NEW.body = CAST('%s' AS BLOB)
		BEGIN SELECT RAISE(ABORT, 'poison'); END`, body))
}

// exec runs SQL beside the store.
func (f folder) exec(t testing.TB, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+string(f)+"/parley.db?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

func (f folder) Restore(t testing.TB, dir string) store.Store {
	t.Helper()
	into := folder(t.TempDir())
	if err := sqlite.Restore(context.Background(), dir, string(into)); err != nil {
		t.Fatal(err)
	}
	return into.Open(t)
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.DB { return folder(t.TempDir()) })
}

func TestStoreTellsOfDeliveries(t *testing.T) {
	storetest.CheckWakes(t, func(onDelivery func()) store.Store {
		s, err := sqlite.Open(context.Background(), sqlite.Options{Dir: t.TempDir(), OnDelivery: onDelivery})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func BenchmarkFold(b *testing.B) {
	for _, callers := range []int{100, 1} {
		b.Run(fmt.Sprintf("callers=%d/yardstick", callers), func(b *testing.B) { storetest.BenchLog(b, callers) })
		b.Run(fmt.Sprintf("callers=%d/sqlite", callers), func(b *testing.B) {
			storetest.BenchFold(b, callers, func(t testing.TB) store.Store { return folder(t.TempDir()).Open(t) })
		})
	}
}

func BenchmarkPage(b *testing.B) {
	for _, length := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("entries=%d", length), func(b *testing.B) {
			storetest.BenchPage(b, length, func(t testing.TB) store.Store { return folder(t.TempDir()).Open(t) })
		})
	}
}
