package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/postgres"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/wait"
)

func place(name string) store.OpenPlace {
	return store.OpenPlace{Channel: "st-a", ChannelType: "rtm", Place: name, Person: chat.Person{ExternalID: name}, Mode: chat.LegFeed, Now: time.Now()}
}

func message(c chat.Conversation, key string) store.Accept {
	return store.Accept{
		Conversation: c.Key, Now: time.Now(), Dedupe: &store.Dedupe{Key: key, Life: time.Hour}, OwesTurn: true,
		Draft: chat.Draft{Author: chat.Author{Kind: chat.ByContact}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent("x")},
	}
}

// TestOutage takes the database away under load. Clients repeat what failed, as
// they do; in the end every message is there once.
func TestOutage(t *testing.T) {
	own := pgtest.Start(t, pgtest.Options{TCP: true})
	s := open(t, own.Database(t))
	defer s.Close()
	const talks, each = 8, 60
	var all sync.WaitGroup
	var convs [talks]chat.Conversation
	half := make(chan struct{}, talks)
	for i := range talks {
		opened, err := store.Do(t.Context(), s, place(fmt.Sprint("p", i)))
		if err != nil {
			t.Fatal(err)
		}
		convs[i] = opened.Conversation
		all.Go(func() {
			for n := range each {
				if n == each/2 {
					half <- struct{}{}
				}
				for {
					_, err := store.Do(context.Background(), s, message(convs[i], fmt.Sprintf("%d/%d", i, n)))
					if err == nil {
						break
					}
					if !fault.Is(err, fault.Unavailable) {
						t.Errorf("during the outage: %v, want unavailable", err)
						return
					}
				}
			}
		})
	}
	for range talks {
		<-half
	}
	for _, end := range []func() error{own.Crash, own.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := store.Do(t.Context(), s, message(convs[0], "while away")); err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("while the database is away: %v, want unavailable", err)
		} else if took := time.Since(began); err == nil || took > 20*time.Second {
			t.Errorf("while the database is away: %v after %v, want a refusal within seconds", err, took)
		}
		if err := s.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("ping = %v", err)
		}
		if _, err := s.Conversation(t.Context(), convs[0].Key); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a query: %v, want unavailable", err)
		}
		if err := own.Start(); err != nil {
			t.Fatal(err)
		}
		wait.Succeed(t, time.Minute, func() error {
			_, err := store.Do(t.Context(), s, message(convs[0], "while away"))
			return err
		}, "the store to recover")
		wait.Succeed(t, time.Minute, func() error { return s.Ping(t.Context()) }, "ping")
	}
	all.Wait()
	for i, c := range convs {
		conv, err := s.Conversation(t.Context(), c.Key)
		want := int64(each)
		if i == 0 {
			want++
		}
		if err != nil || conv.Seq != want {
			t.Errorf("conversation %d has %d entries, %v, want %d", i, conv.Seq, err, want)
		}
	}
}

func TestRestartWhileNobodyWrites(t *testing.T) {
	own := pgtest.Start(t, pgtest.Options{TCP: true})
	s := open(t, own.Database(t))
	defer s.Close()
	opened, err := store.Do(t.Context(), s, place("p"))
	if err != nil {
		t.Fatal(err)
	}
	restart := func() {
		t.Helper()
		if err := own.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := own.Start(); err != nil {
			t.Fatal(err)
		}
	}
	restart()
	if _, err := store.Do(t.Context(), s, message(opened.Conversation, "k")); err != nil {
		t.Errorf("the first step after a restart: %v", err)
	}
	restart()
	if _, err := store.Do(t.Context(), s, store.RenewLease{Node: "n", Life: time.Minute}); err != nil {
		t.Errorf("the first lease after a restart: %v", err)
	}
}

func TestCloseWhileTheDatabaseIsAway(t *testing.T) {
	own := pgtest.Start(t, pgtest.Options{TCP: true})
	s := open(t, own.Database(t))
	opened, err := store.Do(t.Context(), s, place("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Crash(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Do(t.Context(), s, message(opened.Conversation, "k")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v, want unavailable", err)
	}
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("close took %v", took)
	}
	if _, err := store.Do(t.Context(), s, message(opened.Conversation, "k")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after the close: %v, want unavailable", err)
	}
}

func TestNodesStartTogether(t *testing.T) {
	url := emptied(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := postgres.Open(context.Background(), postgres.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// emptied makes a database without any schema.
func emptied(t testing.TB) string {
	t.Helper()
	url := pg.Database(t)
	runSQL(t, url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	return url
}

func TestBadURLs(t *testing.T) {
	for url, kind := range map[string]fault.Kind{
		"postgres://u:hunter2@[::1/x":                                      fault.Invalid,
		"no url hunter2":                                                   fault.Invalid,
		"postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable":               fault.Unavailable,
		strings.Replace(pg.Database(t), "/parley_", "/missing_hunter2", 1): fault.Unavailable,
	} {
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err == nil {
			s.Close()
		}
		if !fault.Is(err, kind) || strings.Contains(fault.Message(err), "hunter2") {
			t.Errorf("%q: %v (outside: %q), want a fault %q without the password", url, err, fault.Message(err), kind)
		}
	}
}

func TestForeignSchemasAreRefused(t *testing.T) {
	for spoil, want := range map[string]string{
		"UPDATE migration SET checksum = 'other'":                          "another build",
		"INSERT INTO migration VALUES (1000, '01000_later.sql', 'x', 999)": "start a newer one",
	} {
		url := pg.Database(t)
		runSQL(t, url, spoil)
		_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), want) {
			t.Errorf("%s: %v, want a conflict that says %q", spoil, err, want)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := open(t, pg.Database(t))
	defer s.Close()
	if _, err := store.Do(t.Context(), s, place("p")); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "b")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	used := pg.Database(t)
	other := open(t, used)
	if _, err := store.Do(t.Context(), other, place("q")); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Restore(t.Context(), backup, used); !fault.Is(err, fault.Conflict) {
		t.Errorf("over data: %v, want a conflict", err)
	}
	if err := postgres.Restore(t.Context(), t.TempDir(), emptied(t)); !fault.Is(err, fault.Invalid) {
		t.Errorf("from nothing: %v, want invalid", err)
	}
	if err := os.WriteFile(filepath.Join(backup, "entry.copy"), []byte("odd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	into := emptied(t)
	if err := postgres.Restore(t.Context(), backup, into); !fault.Is(err, fault.Invalid) {
		t.Errorf("from a damaged file: %v, want invalid", err)
	}
	after := open(t, into)
	defer after.Close()
	if stats, err := after.Stats(t.Context()); err != nil || stats.Conversations != 0 {
		t.Errorf("a refused restore left %+v, %v", stats, err)
	}
}
