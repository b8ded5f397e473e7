package alert_test

import (
	"log/slog"
	"testing"
	"time"

	"parley/internal/alert"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/wait"
)

// The same on a real store: what holds is the row's word, not this process's.
func TestOnSQLite(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &room{}
	node := func() *bench {
		b := &bench{Service: alert.New(alert.Options{
			Store: s, Sinks: func() []alert.Sink { return []alert.Sink{r} }, Logger: slog.New(slog.DiscardHandler),
		})}
		b.end = b.also(t, b.Run)
		return b
	}
	one, two := node(), node()
	said := func(n int) {
		t.Helper()
		wait.For(t, time.Minute, func() bool { return len(r.got()) == n }, "an alert to be said")
	}
	must(t, one.Raise(t.Context(), "x", "It burns."))
	said(1)
	must(t, two.Raise(t.Context(), "x", "It burns, says the other."))
	must(t, two.Clear(t.Context(), "x"))
	must(t, one.Clear(t.Context(), "x"))
	said(2)
	must(t, one.Raise(t.Context(), "x", "Again."))
	said(3)
	one.end()
	one = node()
	holding, err := one.Holding(t.Context())
	must(t, err)
	if len(holding) != 1 || holding[0].Text != "Again." || holding[0].Count != 2 {
		t.Errorf("holding %+v", holding)
	}
	want(t, "said", r.got(), []string{"It burns.", "All clear, after 0 s: It burns, says the other.", "Again."})
}
