package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/fault"
	"parley/internal/store"
)

func echo(t *testing.T, a assistant.Assistant) string {
	t.Helper()
	reply, err := a.Answer(context.Background(), assistant.Turn{})
	if err != nil {
		t.Fatal(err)
	}
	return reply.Messages[0].Text
}

func TestApplyIsInForceAtOnceAndOldVersionsStay(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	b.apply(t, manifest("one", website))
	name, version, a, err := b.published.ForChannel("st-1")
	if err != nil || name != "desk" || version != 1 || echo(t, a) != "one" {
		t.Fatalf("got %s %d, %v", name, version, err)
	}
	b.apply(t, manifest("two", website))
	if _, version, a, _ = b.published.ForChannel("st-1"); version != 2 || echo(t, a) != "two" {
		t.Errorf("version %d is in force", version)
	}
	compiled := b.flow.Compiled.Load()
	old, err := b.published.At(ctx, "desk", 1)
	if err != nil || echo(t, old) != "one" {
		t.Errorf("version 1: %v", err)
	}
	if b.flow.Compiled.Load() != compiled {
		t.Error("the version that went out of force was compiled again")
	}
	if _, err := b.published.At(ctx, "desk", 9); !fault.Is(err, fault.NotFound) {
		t.Errorf("version 9: %v", err)
	}
	if _, _, _, err := b.published.ForChannel("st-9"); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown channel: %v", err)
	}
}

func TestVersionsStayBounded(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	const many = 80
	for i := range many {
		b.apply(t, manifest(fmt.Sprint("text ", i), website))
	}
	compiled := b.flow.Compiled.Load()
	if a, err := b.published.At(ctx, "desk", 1); err != nil || echo(t, a) != "text 0" {
		t.Fatal(err)
	}
	if b.flow.Compiled.Load() != compiled+1 {
		t.Error("the oldest version was still kept")
	}
	if _, err := b.published.At(ctx, "desk", many-1); err != nil {
		t.Fatal(err)
	}
	if b.flow.Compiled.Load() != compiled+1 {
		t.Error("the newest old version was not kept")
	}
}

func TestWatchSeesOtherNodes(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("one", website))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.published.Watch(ctx) }()
		put(t, b, 1, `{"definition":"two","kind":"flow"}`)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := b.published.Revision(); got != 2 {
			t.Errorf("revision %d is in force, want 2", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatchLogsAProblemOnce(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("one", website))
	put(t, b, 1, `{"definition":"BAD","kind":"flow"}`)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.published.Watch(ctx) }()
		time.Sleep(2 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors in the log, want 1:\n%s", n, b.log.String())
	}
	if n := b.flow.Compiled.Load(); n > 10 {
		t.Errorf("a broken definition was compiled %d times in two minutes", n)
	}
}

// put stores a version of the assistant desk the way another node does.
func put(t *testing.T, b *bench, base int64, body string) {
	t.Helper()
	_, err := b.store.Put(store.PutCatalog{Base: base, Items: []store.Item{
		{Kind: store.ItemAssistant, Name: "desk", Published: true, Body: []byte(body)},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnreadableRevisionKeepsTheLastGoodOne(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, b *bench)
		mend  func(t *testing.T, b *bench)
		says  string
	}{
		{"definition", func(t *testing.T, b *bench) { put(t, b, 1, `{"definition":"BAD","kind":"flow"}`) },
			func(t *testing.T, b *bench) { put(t, b, 2, `{"definition":"fine","kind":"flow"}`) }, "revision 2 cannot be put in force"},
		{"kind of a newer parley", func(t *testing.T, b *bench) { put(t, b, 1, `{"definition":"x","kind":"oracle"}`) },
			func(t *testing.T, b *bench) { put(t, b, 2, `{"definition":"fine","kind":"flow"}`) }, `kind "oracle"`},
		{"form of a newer parley", func(t *testing.T, b *bench) { put(t, b, 1, `{"definition":{}}`) },
			func(t *testing.T, b *bench) { put(t, b, 2, `{"definition":"fine","kind":"flow"}`) }, "cannot be read"},
		{"driver", func(t *testing.T, b *bench) {
			put(t, b, 1, `{"definition":"x","kind":"flow"}`)
			b.rtm.Break(errors.New("no room"))
		}, func(t *testing.T, b *bench) { b.rtm.Break(nil); put(t, b, 2, `{"definition":"fine","kind":"flow"}`) }, "cannot be put in force"},
		{"database", func(_ *testing.T, b *bench) { b.store.Fail(fault.New(fault.Unavailable, "database gone")) },
			func(t *testing.T, b *bench) { b.store.Fail(nil); put(t, b, 1, `{"definition":"fine","kind":"flow"}`) }, "database gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			ctx := context.Background()
			b.apply(t, manifest("one", website))
			test.spoil(t, b)
			if err := b.published.Refresh(ctx); err == nil {
				t.Fatal("refresh succeeded")
			}
			if _, version, a, err := b.published.ForChannel("st-1"); err != nil || version != 1 || echo(t, a) != "one" {
				t.Errorf("the last good revision is gone: %d, %v", version, err)
			}
			if s := b.published.Status(); !strings.Contains(s.Problem, test.says) || s.Revision != 1 {
				t.Errorf("status %+v", s)
			}
			if err := b.published.Refresh(ctx); err == nil {
				t.Fatal("refresh succeeded")
			}
			test.mend(t, b)
			if err := b.published.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			if s := b.published.Status(); s.Problem != "" || s.Revision != s.Stored {
				t.Errorf("status %+v", s)
			}
			if _, _, a, err := b.published.ForChannel("st-1"); err != nil || echo(t, a) != "fine" {
				t.Errorf("not mended: %v", err)
			}
		})
	}
}

// At a start there is no last good revision: one bad item must not silence the
// others.
func TestStartLeavesOutWhatIsBroken(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("one", website))
	_, err := b.store.Put(store.PutCatalog{Base: 1, Items: []store.Item{
		{Kind: store.ItemAssistant, Name: "broken", Published: true, Body: []byte(`{"definition":"BAD","kind":"flow"}`)},
		{Kind: store.ItemChannel, Name: "other", Published: true, Body: []byte(`{"assistant":"broken","id":"st-2","settings":{"bot":{"id":"st-2"}},"type":"rtm"}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	start := restart(t, b)
	if err := start.Refresh(context.Background()); err == nil {
		t.Error("a start with a broken item said nothing")
	}
	if _, _, a, err := start.ForChannel("st-1"); err != nil || echo(t, a) != "one" {
		t.Errorf("the good channel is silent: %v", err)
	}
	if _, _, _, err := start.ForChannel("st-2"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the broken channel: %v", err)
	}
	if s := start.Status(); !strings.Contains(s.Problem, "left out") {
		t.Errorf("status %+v", s)
	}
	put := store.PutCatalog{Base: 2, Items: []store.Item{
		{Kind: store.ItemAssistant, Name: "broken", Published: true, Body: []byte(`{"definition":"mended","kind":"flow"}`)},
	}}
	if _, err := b.store.Put(put); err != nil {
		t.Fatal(err)
	}
	if err := start.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, _, a, err := start.ForChannel("st-2"); err != nil || echo(t, a) != "mended" {
		t.Errorf("not mended: %v", err)
	}
}

func TestDriversHearOfRemovedChannels(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("one", website))
	if _, err := b.service.Delete(context.Background(), store.ItemChannel, "website", "test"); err != nil {
		t.Fatal(err)
	}
	if live, n := b.rtm.Live(); len(live) != 0 || n != 2 {
		t.Errorf("live %v after %d", live, n)
	}
}

func TestStoredButNotInForceIsSaid(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("one", website))
	b.rtm.Break(fault.New(fault.Unavailable, "no room"))
	if result := b.apply(t, manifest("two", website)); !strings.Contains(result.Warning, "no room") {
		t.Errorf("warning %q", result.Warning)
	}
}

func TestTwoOfOneNameAreRefused(t *testing.T) {
	kinds := []assistant.Kind{&catalogtest.Flow{}, &catalogtest.Flow{}}
	if _, err := catalog.NewPublished(catalog.Sources{Kinds: kinds}); err == nil {
		t.Error("two kinds of one name were taken")
	}
	if _, err := catalog.New(catalog.Options{Kinds: kinds}); err == nil {
		t.Error("two kinds of one name were taken")
	}
}

// restart is a new node on the same store.
func restart(t *testing.T, b *bench) *catalog.Published {
	t.Helper()
	p, err := catalog.NewPublished(catalog.Sources{
		Store: b.store, Sealer: b.box, Kinds: []assistant.Kind{b.flow}, Drivers: []channel.Driver{b.rtm},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
