package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"parley/internal/store"
	"parley/internal/store/postgres"
	"parley/internal/store/storetest"
	"parley/internal/testkit/pgtest"
)

var pg = pgtest.New(pgtest.Options{Prepare: func(ctx context.Context, url string) error {
	s, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		return err
	}
	return s.Close()
}})

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// database implements [storetest.DB].
type database struct {
	url string
}

func (d database) Open(t testing.TB) store.Store {
	t.Helper()
	return open(t, d.url)
}

func open(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), postgres.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d database) Shared() bool { return true }

func (d database) Poison(t testing.TB, body string) {
	t.Helper()
	runSQL(t, d.url, fmt.Sprintf(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.body = '%s'::bytea THEN RAISE EXCEPTION 'poison'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER poison BEFORE INSERT ON raw FOR EACH ROW EXECUTE FUNCTION poison()`, body))
}

// runSQL runs SQL beside the store.
func runSQL(t testing.TB, url, text string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), text); err != nil {
		t.Fatal(err)
	}
}

func (d database) Restore(t testing.TB, dir string) store.Store {
	t.Helper()
	into := pg.Database(t)
	runSQL(t, into, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	if err := postgres.Restore(context.Background(), dir, into); err != nil {
		t.Fatal(err)
	}
	return open(t, into)
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.DB { return database{url: pg.Database(t)} })
}

func TestStoreTellsOfDeliveries(t *testing.T) {
	storetest.CheckWakes(t, func(onDelivery func()) store.Store {
		s, err := postgres.Open(context.Background(), postgres.Options{URL: pg.Database(t), OnDelivery: onDelivery})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func BenchmarkFold(b *testing.B) {
	own := pgtest.New(pgtest.Options{Fsync: true})
	defer own.Close()
	for _, callers := range []int{100, 1} {
		b.Run(fmt.Sprintf("callers=%d/yardstick", callers), func(b *testing.B) { storetest.BenchLog(b, callers) })
		b.Run(fmt.Sprintf("callers=%d/postgres", callers), func(b *testing.B) {
			storetest.BenchFold(b, callers, func(t testing.TB) store.Store { return open(t, own.Database(t)) })
		})
	}
}

func BenchmarkPage(b *testing.B) {
	for _, length := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("entries=%d", length), func(b *testing.B) {
			storetest.BenchPage(b, length, func(t testing.TB) store.Store { return open(t, pg.Database(t)) })
		})
	}
}
