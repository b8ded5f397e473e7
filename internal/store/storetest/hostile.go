package storetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func testBadInput(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	for field, spoil := range map[string]func(*store.OpenPlace){
		"channel":            func(s *store.OpenPlace) { s.Channel = "" },
		"place":              func(s *store.OpenPlace) { s.Place = "" },
		"place (NUL)":        func(s *store.OpenPlace) { s.Place = "a\x00b" },
		"place (UTF-8)":      func(s *store.OpenPlace) { s.Place = "a\xffb" },
		"place (long)":       func(s *store.OpenPlace) { s.Place = strings.Repeat("x", 5000) },
		"mode":               func(s *store.OpenPlace) { s.Mode = "" },
		"person.external_id": func(s *store.OpenPlace) { s.Person.ExternalID = "\x00" },
	} {
		step := k.place("q")
		spoil(&step)
		_, err := store.Do(t.Context(), k.Store, step)
		name, _, _ := strings.Cut(field, " ")
		if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Message(err), name+":") {
			t.Errorf("%s: %v, want a refusal that names the field", field, err)
		}
	}
	for name, spoil := range map[string]func(*store.Accept){
		"key with NUL":   func(s *store.Accept) { s.Dedupe = &store.Dedupe{Key: "a\x00"} },
		"no author":      func(s *store.Accept) { s.Draft.Author.Kind = "" },
		"odd visibility": func(s *store.Accept) { s.Draft.Visibility = "some" },
		"odd purpose":    func(s *store.Accept) { s.Draft.Purpose = "" },
		"empty content":  func(s *store.Accept) { s.Draft.Content = chat.Content{} },
		"bad reply":      func(s *store.Accept) { s.Fold = &store.Fold{Reply: store.Reply{Entries: []chat.Draft{{}}}} },
		"impossible move": func(s *store.Accept) {
			s.Fold = &store.Fold{Reply: store.Reply{Change: &chat.Change{Move: chat.GiveBack}}}
		},
	} {
		step := k.inbound(c, "x")
		spoil(&step)
		if out, err := store.Do(t.Context(), k.Store, step); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v, want invalid", name, out, err)
		}
	}
	missing := k.inbound(c, "x")
	missing.Conversation += 999
	refused(k, fault.NotFound, missing)
	refused(k, fault.NotFound, store.FinishTurn{Conversation: missing.Conversation, Now: k.now})
	refused(k, fault.NotFound, store.PostponeTurn{Conversation: missing.Conversation})
	refused(k, fault.Invalid, store.RenewLease{Life: life})
	refused(k, fault.Invalid, store.UseOnce{Kind: "k", Key: "\x00"})
	refused(k, fault.Invalid, store.PutCatalog{Items: []store.Item{{Name: "x"}}})
	k.logs(c)
}

func testOddBytes(t *testing.T, db DB) {
	k := open(t, db)
	step := k.place("p' -- \"; 🙂 \\ %")
	step.Person = chat.Person{ExternalID: "o'neil\n", Name: "N\x00ul \xff"}
	c := do(k, step).Conversation
	found := must[chat.Conversation](k)(k.ConversationByPlace(t.Context(), botA, step.Place))
	equal(k, "place", found.Place, step.Place)
	equal(k, "name", must[chat.Person](k)(k.Person(t.Context(), c.Contact, botA)).Name, "Nul \uFFFD")
	in := k.inbound(c, "nul \x00, bad \xff\xfe, 🙂, <b>&\u2028")
	in.Draft.Content.Custom = []byte("{\"a\":\"\\u0000\"}")
	in.Raw, in.RawLife = []byte{0, 255, 254}, life
	in.Dedupe = &store.Dedupe{Key: "k'", Hash: []byte{0, 1, 255}, Life: life}
	do(k, in)
	equal(k, "repeat with binary hash", do(k, in).Duplicate, true)
	got := k.log(c)[0].Content
	equal(k, "text", got.Text, "nul \x00, bad \uFFFD\uFFFD, 🙂, <b>&\u2028")
	equal(k, "custom", string(got.Custom), "{\"a\":\"\\u0000\"}")
	move := k.move(k.handling(c).Episode, chat.Change{Move: chat.HandOver, Queue: "q\x00\xff"})
	equal(k, "queue", do(k, move).Episode.Queue, "q\uFFFD")
	// Questions with bytes that no key has are answered, not failed.
	for _, err := range []error{
		second(k.ConversationByID(t.Context(), "cv-\x00")),
		second(k.ConversationByPlace(t.Context(), "st-\xff", "p")),
	} {
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotFound {
			t.Errorf("%v, want invalid or not found", err)
		}
	}
	if _, err := k.Secrets(t.Context(), []string{"\x00"}); err != nil {
		t.Errorf("secrets: %v", err)
	}
	if _, _, err := k.Confirmed(t.Context(), c.Key, "\x00\xff"); err != nil {
		t.Errorf("confirmed: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func testLarge(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	text := strings.Repeat("0123456789abcdef", 1<<16) // 1 MB
	step := k.inbound(c, text)
	step.Raw, step.RawLife = []byte(text), life
	do(k, step)
	do(k, k.inbound(c, "small"))
	log := k.log(c)
	equal(k, "large text came back", log[0].Content.Text == text, true)
	equal(k, "text after it", log[1].Content.Text, "small")
	equal(k, "raw input came back", string(must[[]byte](k)(k.Raw(t.Context(), c.Key, 1))) == text, true)
}

func testPoison(t *testing.T, db DB) {
	k := open(t, db)
	db.Poison(t, "poison")
	all := k.conversations(20)
	for round := range 3 {
		errs := make([]error, len(all))
		_ = together(len(all), func(i int) error {
			step := k.inbound(all[i], fmt.Sprint("r", round))
			step.Raw, step.RawLife = []byte("fine"), life
			if i == 7 {
				step.Raw = []byte("poison")
			}
			_, errs[i] = store.Do(t.Context(), k.Store, step)
			return nil
		})
		for i, err := range errs {
			if i == 7 && (fault.KindOf(err) != fault.Internal || strings.Contains(fault.Message(err), "poison")) {
				t.Errorf("the culprit got %v (outside: %q), want an internal error that says nothing", err, fault.Message(err))
			}
			if i != 7 && err != nil {
				t.Errorf("a neighbour got %v", err)
			}
		}
	}
	for i, c := range all {
		want := []string{"1|contact|all|r0", "2|contact|all|r1", "3|contact|all|r2"}
		if i == 7 {
			want = nil
		}
		k.logs(c, want...)
	}
}

func testCancelled(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Do(ctx, k.Store, k.inbound(c, "never")); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want cancelled", err)
	}
	if _, err := k.Conversation(ctx, c.Key); !errors.Is(err, context.Canceled) {
		t.Errorf("query: %v, want cancelled", err)
	}
	k.logs(c)
	// Cancelled at any moment, a step is stored whole or not at all.
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*40*time.Microsecond)
		_, _ = store.Do(ctx, k.Store, k.inbound(c, "maybe"))
		cancel()
	}
	last := do(k, k.inbound(c, "surely")).Entry
	log := k.log(c)
	equal(k, "entries", int64(len(log)), last.Seq)
	equal(k, "open turns", int64(k.handling(c).OpenTurns), last.Seq)
}

func testClose(t *testing.T, db DB) {
	s := db.Open(t)
	k := &kit{TB: t, Store: s, now: noon}
	c := k.conversation("p")
	var stored atomic.Int64
	var all, started sync.WaitGroup
	for range 50 {
		started.Add(1)
		all.Go(func() {
			for n := 0; ; n++ {
				_, err := store.Do(context.Background(), s, k.inbound(c, "x"))
				if n == 0 {
					started.Done()
				}
				if err != nil {
					if !fault.Is(err, fault.Unavailable) {
						t.Errorf("while closing: %v, want unavailable", err)
					}
					return
				}
				stored.Add(1)
			}
		})
	}
	started.Wait()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	all.Wait()
	again := open(t, db)
	equal(again, "entries after the close", must[map[chat.ConversationKey]int64](again)(again.Heads(t.Context(), []chat.ConversationKey{c.Key}))[c.Key], stored.Load())
}

func testReopen(t *testing.T, db DB) {
	s := db.Open(t)
	k := &kit{TB: t, Store: s, now: noon}
	c := k.conversation("p")
	in := do(k, k.inbound(c, "hello"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	k = open(t, db)
	k.logs(c, "1|contact|all|hello")
	other := k.conversation("q")
	if other.Key <= c.Key {
		t.Errorf("key %d was given out after %d", other.Key, c.Key)
	}
	next := do(k, k.finish(in.Turn, says("hi")))
	equal(k, "lost", next.Lost, false)
	equal(k, "conversation", do(k, k.place("p")).Conversation.Key, c.Key)
}

func testBackup(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	for i := range 50 {
		step := k.instant(c, fmt.Sprint("before ", i), k.handling(c).Episode, says("ok"))
		step.Raw, step.RawLife = []byte{0, 1, byte(i)}, life
		do(k, step)
	}
	do(k, store.PutCatalog{Items: []store.Item{item("a", "a1", true)}, Secrets: []store.SealedSecret{{ID: "s", Sealed: []byte{7, 0}}}, Now: k.now})
	// Two counters that each commit moves together: a torn copy shows.
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 4 {
		d := k.conversation(fmt.Sprint("w", w))
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := store.Do(context.Background(), k.Store, store.Append{Conversation: d.Key, Entries: []chat.Draft{answer("x"), answer("y")}, Now: noon}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "backup")
	err := k.Backup(t.Context(), dir)
	close(stop)
	all.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Backup(t.Context(), dir); !fault.Is(err, fault.Invalid) {
		t.Errorf("a second backup into the folder: %v, want invalid", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Backup(ctx, filepath.Join(t.TempDir(), "cancelled")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled backup: %v", err)
	}
	restored := db.Restore(t, dir)
	t.Cleanup(func() { restored.Close() })
	r := &kit{TB: t, Store: restored, now: noon}
	if diff := cmp.Diff(texts(k.log(c)), texts(r.log(c))); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	equal(r, "raw", string(must[[]byte](r)(r.Raw(t.Context(), c.Key, 3))), "\x00\x01\x01")
	for w := range 4 {
		d := must[chat.Conversation](r)(r.ConversationByPlace(t.Context(), botA, fmt.Sprint("w", w)))
		log := must[[]chat.Entry](r)(r.EntriesBetween(t.Context(), d.Key, 1, d.Seq+10))
		if int64(len(log)) != d.Seq || d.Seq%2 != 0 {
			t.Errorf("conversation %d has seq %d and %d entries, want the same, even", w, d.Seq, len(log))
		}
	}
	equal(r, "catalog", must[int64](r)(r.CatalogRevision(t.Context())), 1)
	equal(r, "secret", string(must[map[string][]byte](r)(r.Secrets(t.Context(), []string{"s"}))["s"]), "\x07\x00")
	// The restored store goes on.
	step := r.instant(c, "after", r.handling(c).Episode, says("ok"))
	if out := do(r, step); !out.Folded || out.Entry.Seq != 101 {
		t.Errorf("after the restore %+v", out)
	}
	equal(r, "new conversation has a new key", r.conversation("fresh").Key > c.Key, true)
}
