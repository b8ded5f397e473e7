package catalog_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"parley/internal/catalog"
	"parley/internal/store"
)

func TestDemoComesOnceAndStays(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	first, err := b.service.EnsureDemo(ctx)
	if err != nil || first == nil {
		t.Fatalf("demo %v, %v", first, err)
	}
	if !strings.HasPrefix(first.BotID, "st-") || !strings.HasPrefix(first.ClientID, "cs-") || len(first.ClientSecret) < 32 {
		t.Errorf("demo %+v", first)
	}
	// A kill between commit and demo.json must not lose the secret.
	again, err := b.service.EnsureDemo(ctx)
	if err != nil || again == nil || *again != *first {
		t.Errorf("second time %+v, %v", again, err)
	}
	if len(b.store.Puts()) != 1 {
		t.Error("the demo was stored twice")
	}
	if bytes.Contains(b.store.Everything(), []byte(first.ClientSecret)) {
		t.Error("the demo's secret is at rest in plain")
	}
	if err := b.published.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	live, _ := b.rtm.Live()
	if got, err := live[0].Secret(first.ClientID); err != nil || got != first.ClientSecret {
		t.Errorf("the driver got %q, %v", got, err)
	}
}

func TestDemoGoesWhenTheFirstAppComes(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	if _, err := b.service.EnsureDemo(ctx); err != nil {
		t.Fatal(err)
	}
	only := manifest("say: hi", website)
	only.Channels = nil
	if result := b.apply(t, only); result.DemoRemoved {
		t.Error("an assistant alone took the demo away")
	}
	dry, err := b.service.Apply(ctx, manifest("say: hi", website), catalog.ApplyOptions{DryRun: true})
	if err != nil || !dry.DemoRemoved {
		t.Errorf("dry run %+v, %v", dry, err)
	}
	result := b.apply(t, manifest("say: hi", website))
	got := actions(result)
	if !result.DemoRemoved || got["channel demo"] != catalog.Remove || got["assistant demo"] != catalog.Remove {
		t.Errorf("result %+v", result)
	}
	if ids := b.store.SecretIDs(); len(ids) != 1 || ids[0] != "channel/st-1/cs-1" {
		t.Errorf("secrets left: %v", ids)
	}
	if demo, err := b.service.EnsureDemo(ctx); demo != nil || err != nil {
		t.Errorf("demo came back: %v, %v", demo, err)
	}
	if result := b.apply(t, manifest("say: hi", website)); result.Changed() {
		t.Errorf("not idempotent: %+v", result)
	}
}

func TestDemoCanBeTakenOver(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	demo, err := b.service.EnsureDemo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m := manifest("say: hi", `{"bot":{},"apps":[{"id":"`+demo.ClientID+`"}]}`)
	m.Channels["demo"] = m.Channels["website"]
	delete(m.Channels, "website")
	result := b.apply(t, m)
	if !result.DemoRemoved || actions(result)["channel demo"] != catalog.Update {
		t.Errorf("result %+v", result)
	}
	channels, err := b.service.Channels(ctx)
	if err != nil || len(channels) != 1 || channels[0].Demo || string(channels[0].ID) != demo.BotID {
		t.Errorf("channels %+v, %v", channels, err)
	}
}

func TestNoDemoAfterTheFirstRevision(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	if demo, err := b.service.EnsureDemo(context.Background()); demo != nil || err != nil {
		t.Errorf("demo %v, %v", demo, err)
	}
	if _, err := b.service.Delete(context.Background(), store.ItemChannel, "website", "test"); err != nil {
		t.Fatal(err)
	}
	if demo, err := b.service.EnsureDemo(context.Background()); demo != nil || err != nil {
		t.Errorf("demo %v, %v", demo, err)
	}
}
