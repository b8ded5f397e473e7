package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

func testSingleUse(t *testing.T, db DB) {
	k := open(t, db)
	useOnce(k, []store.Store{k.Store})
	if out := do(k, store.UseOnce{Kind: "other", Key: "v", ExpiresAt: k.now.Add(life)}); !out.First {
		t.Error("another kind shares the value")
	}
}

// useOnce spends one value in 50 goroutines.
func useOnce(k *kit, stores []store.Store) {
	k.Helper()
	for round := range 5 {
		var first atomic.Int64
		err := together(50, func(i int) error {
			out, err := store.Do(context.Background(), stores[i%len(stores)], store.UseOnce{Kind: "rtm-sid", Key: fmt.Sprint("v", round), ExpiresAt: k.now.Add(life)})
			if out.First {
				first.Add(1)
			}
			return err
		})
		if err != nil {
			k.Fatal(err)
		}
		equal(k, "first users", first.Load(), 1)
	}
}

func testTwoOnce(t *testing.T, db DB) {
	k := open(t, db)
	useOnce(k, k.stores(db))
}

func testConfirmations(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	for i := range 9 {
		k.append(c, answer(fmt.Sprint(i)))
	}
	stores := k.stores(db)
	confirm := func(reader string, seq int64) {
		by := &kit{TB: t, Store: stores[seq%int64(len(stores))]} // what one has read, the other need not know
		do(by, store.ConfirmRead{Conversation: c.Key, Reader: reader, Seq: seq, ExpiresAt: k.now.Add(life), Now: k.now})
	}
	check := func(reader string, want int64, wantFound bool) {
		t.Helper()
		seq, found, err := k.Confirmed(t.Context(), c.Key, reader)
		if err != nil || seq != want || found != wantFound {
			t.Errorf("%s has read %d, %v, %v, want %d, %v", reader, seq, found, err, want, wantFound)
		}
	}
	check("a", 0, false)
	confirm("nothing yet", 0)
	check("nothing yet", 0, true)
	confirm("a", 5)
	confirm("a", 3)
	check("a", 5, true)
	confirm("b", 7)
	check("a", 5, true)
	check("new token", 7, true)
	confirm("a", 1000)
	check("a", 9, true) // no further than what there is
	do(k, k.instant(c, "and?", chat.Episode{}, says("yes")))
	confirm("a", 10)
	confirm("a", 7)
	check("a", 10, true)
	refused(k, fault.NotFound, store.ConfirmRead{Conversation: c.Key + 999, Reader: "a", Seq: 1, Now: k.now})
	k.tick(2 * life)
	do(k, store.Sweep{Now: k.now, Limit: 100})
	check("a", 0, false)
}

func testSweep(t *testing.T, db DB) {
	k := open(t, db)
	c := k.conversation("p")
	for i := range 25 {
		step := k.inbound(c, "x")
		step.Dedupe = &store.Dedupe{Key: fmt.Sprint("k", i), Life: time.Duration(i+1) * time.Minute}
		step.Raw, step.RawLife = []byte{byte(i), 0, 255}, time.Duration(i+1)*time.Minute
		do(k, step)
		do(k, store.UseOnce{Kind: "sid", Key: fmt.Sprint(i), ExpiresAt: k.now.Add(time.Duration(i+1) * time.Minute)})
	}
	raw := must[[]byte](k)(k.Raw(t.Context(), c.Key, 3))
	if diff := cmp.Diff([]byte{2, 0, 255}, raw); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
	if out := do(k, store.Sweep{Now: k.now, Limit: 10}); out.Rows != 0 || out.More {
		t.Errorf("swept %+v while everything lives", out)
	}
	k.tick(20 * time.Minute)
	total, rounds := 0, 0
	for {
		out := do(k, store.Sweep{Now: k.now, Limit: 6})
		total += out.Rows
		if rounds++; !out.More {
			break
		}
		if out.Rows > 3*6 {
			t.Errorf("swept %d rows with a limit of 6 per table", out.Rows)
		}
	}
	equal(k, "rows swept", total, 60)
	if rounds < 3 {
		t.Errorf("swept in %d rounds, want small ones", rounds)
	}
	if _, err := k.Raw(t.Context(), c.Key, 3); !fault.Is(err, fault.NotFound) {
		t.Errorf("raw after its life: %v, want not found", err)
	}
	if _, err := k.Raw(t.Context(), c.Key, 24); err != nil {
		t.Errorf("raw within its life: %v", err)
	}
	equal(k, "turns are kept", len(must[[]chat.Turn](k)(k.Turns(t.Context(), store.TurnFilter{Conversation: c.Key, Limit: 500}))), 25)
}

func item(name, body string, published bool) store.Item {
	return store.Item{Kind: store.ItemAssistant, Name: name, Published: published, Body: []byte(body)}
}

func testCatalog(t *testing.T, db DB) {
	k := open(t, db)
	ctx := t.Context()
	if items, revision, err := k.PublishedItems(ctx); err != nil || len(items) != 0 || revision != 0 {
		t.Errorf("an empty catalog: %v, %d, %v", items, revision, err)
	}
	out := do(k, store.PutCatalog{Items: []store.Item{item("b", "b1", true), item("a", "a1", true), item("a", "a2", false)}, Actor: "me", Now: k.now})
	if diff := cmp.Diff(store.StoredRevision{Revision: 1, Versions: []int64{1, 1, 2}}, out); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	gone := item("b", "{}", true)
	gone.Deleted = true
	channel := store.Item{Kind: store.ItemChannel, Name: "z", Published: true}
	do(k, store.PutCatalog{Base: 1, Items: []store.Item{gone, item("a", "a3", true), channel}, Now: k.now})
	items, revision, err := k.PublishedItems(ctx)
	if err != nil || revision != 2 {
		t.Fatalf("revision %d, %v", revision, err)
	}
	want := []store.Item{
		{Kind: store.ItemAssistant, Name: "a", Version: 3, Published: true, Body: []byte("a3"), Revision: 2, CreatedAt: noon},
		{Kind: store.ItemChannel, Name: "z", Version: 1, Published: true, Revision: 2, CreatedAt: noon},
	}
	if diff := cmp.Diff(want, items, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	equal(k, "revision", must[int64](k)(k.CatalogRevision(ctx)), 2)
	versions := must[[]store.Item](k)(k.ItemVersions(ctx, store.ItemAssistant, "a"))
	if len(versions) != 3 || versions[0].Version != 3 || !versions[0].Published || versions[2].Published {
		t.Errorf("versions %+v", versions)
	}
	old := must[store.Item](k)(k.ItemVersion(ctx, store.ItemAssistant, "a", 2))
	equal(k, "body of version 2", string(old.Body), "a2")
	if _, err := k.ItemVersion(ctx, store.ItemAssistant, "a", 9); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown version: %v, want not found", err)
	}
	if out := do(k, store.PutCatalog{Base: 2, Now: k.now}); out.Revision != 2 {
		t.Errorf("an empty change stored revision %d", out.Revision)
	}
}

func testCatalogConflict(t *testing.T, db DB) {
	k := open(t, db)
	stores := k.stores(db)
	var won atomic.Int64
	err := together(10, func(i int) error {
		step := store.PutCatalog{Items: []store.Item{item("a", fmt.Sprint(i), true)}, Secrets: []store.SealedSecret{{ID: fmt.Sprint("s", i), Sealed: []byte("x")}}, Now: k.now}
		_, err := store.Do(context.Background(), stores[i%len(stores)], step)
		if err == nil {
			won.Add(1)
		}
		if fault.Is(err, fault.Conflict) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(k, "changes stored from one base", won.Load(), 1)
	var ids []string
	for i := range 10 {
		ids = append(ids, fmt.Sprint("s", i))
	}
	equal(k, "secrets of the others", len(must[map[string][]byte](k)(k.Secrets(t.Context(), ids))), 1)
	refused(k, fault.Conflict, store.PutCatalog{Base: 7, Now: k.now})
}

func testSecretsAndMeta(t *testing.T, db DB) {
	k := open(t, db)
	ctx := t.Context()
	do(k, store.PutCatalog{Secrets: []store.SealedSecret{{ID: "a", Sealed: []byte{1, 0}}, {ID: "b", Sealed: []byte{2}}}, Now: k.now})
	do(k, store.PutCatalog{Base: 1, Secrets: []store.SealedSecret{{ID: "a", Sealed: []byte{3}}, {ID: "b"}, {ID: "c"}}, Now: k.now})
	got := must[map[string][]byte](k)(k.Secrets(ctx, []string{"a", "b", "c"}))
	if diff := cmp.Diff(map[string][]byte{"a": {3}}, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if v, err := k.MetaValue(ctx, "canary"); v != nil || err != nil {
		t.Errorf("a value that was never set: %q, %v", v, err)
	}
	first := must[[]byte](k)(k.SetMetaValue(ctx, "canary", []byte{9, 0}))
	second := must[[]byte](k)(k.SetMetaValue(ctx, "canary", []byte{1}))
	read := must[[]byte](k)(k.MetaValue(ctx, "canary"))
	if string(first) != "\x09\x00" || string(second) != "\x09\x00" || string(read) != "\x09\x00" {
		t.Errorf("meta %v, %v, %v, want the first value", first, second, read)
	}
}

func testLists(t *testing.T, db DB) {
	k := open(t, db)
	ctx := t.Context()
	var keys []chat.ConversationKey
	for i := range 7 {
		step := k.place(fmt.Sprintf("Room_%d%%", i))
		if i == 6 {
			step.Channel = "st-b"
		}
		keys = append(keys, do(k, step).Conversation.Key)
	}
	list := func(f store.ConversationFilter) []chat.ConversationKey {
		t.Helper()
		var got []chat.ConversationKey
		for _, c := range must[[]chat.Conversation](k)(k.ListConversations(ctx, f)) {
			got = append(got, c.Key)
		}
		return got
	}
	for _, test := range []struct {
		filter store.ConversationFilter
		want   []chat.ConversationKey
	}{
		{store.ConversationFilter{Limit: 2}, []chat.ConversationKey{keys[6], keys[5]}},
		{store.ConversationFilter{Limit: 2, Before: keys[5]}, []chat.ConversationKey{keys[4], keys[3]}},
		{store.ConversationFilter{Channel: "st-b"}, []chat.ConversationKey{keys[6]}},
		{store.ConversationFilter{Search: "room_3"}, []chat.ConversationKey{keys[3]}},
		{store.ConversationFilter{Search: "USER-room_4"}, []chat.ConversationKey{keys[4]}},
		{store.ConversationFilter{Search: "5%"}, []chat.ConversationKey{keys[5]}},
		{store.ConversationFilter{Search: "room%5"}, nil},
		{store.ConversationFilter{Search: `\`}, nil},
	} {
		if diff := cmp.Diff(test.want, list(test.filter)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.filter, diff)
		}
	}
	if _, err := k.ListConversations(ctx, store.ConversationFilter{Limit: 501}); !fault.Is(err, fault.Invalid) {
		t.Errorf("limit 501: %v, want invalid", err)
	}
	if _, err := k.Turns(ctx, store.TurnFilter{Status: "odd"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an odd status: %v, want invalid", err)
	}
	stats := must[store.Stats](k)(k.Stats(ctx))
	if stats.Conversations != 7 || stats.Engine == "" || stats.SchemaVersion < 1 || stats.Bytes <= 0 || stats.DatabaseTime.IsZero() {
		t.Errorf("stats %+v", stats)
	}
	if err := k.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
}
