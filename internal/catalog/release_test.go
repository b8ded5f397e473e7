package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// twoSites is an assistant on two channels.
func twoSites(definition string) catalog.Manifest {
	m := manifest(definition, website)
	m.Channels["shop"] = catalog.ChannelSpec{Type: "rtm", Assistant: "desk",
		Settings: []byte(`{"bot":{"id":"st-2","name":"Shop"},"apps":[{"id":"cs-2","secret":"shop-secret-value"}]}`)}
	return m
}

func (b *bench) draft(t *testing.T, definition string) catalog.Result {
	t.Helper()
	result, err := b.service.Apply(context.Background(), twoSites(definition), catalog.ApplyOptions{Actor: "test", Draft: true})
	if err != nil {
		t.Fatalf("draft: %v", err)
	}
	return result
}

func (b *bench) publish(t *testing.T, o catalog.PublishOptions) catalog.Result {
	t.Helper()
	result, err := b.service.Publish(context.Background(), "desk", o)
	if err != nil {
		t.Fatalf("publish %+v: %v", o, err)
	}
	return result
}

func (b *bench) rollback(t *testing.T, o catalog.RollbackOptions) catalog.Result {
	t.Helper()
	result, err := b.service.Rollback(context.Background(), "desk", o)
	if err != nil {
		t.Fatalf("roll back %+v: %v", o, err)
	}
	return result
}

// answers checks what new episodes of both channels begin with, and that it is
// found again later.
func (b *bench) answers(t *testing.T, website, shop string) {
	t.Helper()
	for id, want := range map[chat.ChannelID]string{"st-1": website, "st-2": shop} {
		name, version, as, err := b.published.ForChannel(id)
		if err != nil {
			t.Fatalf("channel %s: %v", id, err)
		}
		if got := fmt.Sprintf("%d %s", version, as); got != want {
			t.Errorf("channel %s answers with %q, want %q", id, got, want)
		}
		again, err := b.published.At(context.Background(), name, version)
		if err != nil || again != as {
			t.Errorf("version %d later: %v, %v", version, again, err)
		}
	}
}

func TestDraftAnswersNobodyUntilPublished(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	drafted := b.draft(t, "two")
	want := map[string]catalog.Action{"draft desk": catalog.Create, "channel website": catalog.Unchanged, "channel shop": catalog.Unchanged}
	if diff := cmp.Diff(want, actions(drafted)); diff != "" {
		t.Errorf("draft (-want +got):\n%s", diff)
	}
	b.answers(t, "1 one", "1 one")
	if again := b.draft(t, "two"); again.Changed() {
		t.Errorf("the same draft again changed %+v", again.Changes)
	}
	b.draft(t, "three")
	b.publish(t, catalog.PublishOptions{})
	b.answers(t, "2 three", "2 three")
	old, err := b.published.At(context.Background(), "desk", 1)
	if err != nil || fmt.Sprint(old) != "one" {
		t.Errorf("an episode that began with version 1 gets %v, %v", old, err)
	}
	if _, err := b.service.Draft(context.Background(), "desk"); !fault.Is(err, fault.NotFound) {
		t.Errorf("the published draft is still there: %v", err)
	}
	if _, err := b.service.Publish(context.Background(), "desk", catalog.PublishOptions{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("publishing without a draft: %v", err)
	}
}

func TestDraftGoesWhenItIsInForce(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.draft(t, "two")
	// Back to what is in force, or applied without --draft: no draft is left.
	if got := actions(b.draft(t, "one"))["draft desk"]; got != catalog.Remove {
		t.Errorf("drafting what is in force: %q", got)
	}
	b.draft(t, "two")
	if got := actions(b.apply(t, twoSites("two")))["draft desk"]; got != catalog.Remove {
		t.Errorf("applying the draft: %q", got)
	}
	b.draft(t, "four")
	if got, ok := actions(b.apply(t, twoSites("three")))["draft desk"]; ok {
		t.Errorf("applying something else: the draft is %q", got)
	}
	view, err := b.service.Assistants(context.Background())
	if err != nil || len(view) != 1 || view[0].Version != 3 || view[0].Draft == nil {
		t.Errorf("assistants %+v, %v", view, err)
	}
}

func TestDraftsRefuse(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	draft := func(m catalog.Manifest) error {
		_, err := b.service.Apply(context.Background(), m, catalog.ApplyOptions{Draft: true})
		return err
	}
	changed := twoSites("two")
	shop := changed.Channels["shop"]
	shop.Disabled = true
	changed.Channels["shop"] = shop
	if err := draft(changed); err == nil || !strings.Contains(err.Error(), "channels.shop: would change, and channels have no drafts") {
		t.Errorf("a channel that changes beside a draft: %v", err)
	}
	if err := draft(twoSites("BAD")); err == nil || !strings.Contains(err.Error(), "BAD is not a word") {
		t.Errorf("a draft that does not compile: %v", err)
	}
	// A new assistant may be drafted, but answers on no channel before it is published.
	fresh := catalog.Manifest{Assistants: map[string]catalog.AssistantSpec{"new": {Kind: "flow", Definition: "n"}}}
	if err := draft(fresh); err != nil {
		t.Fatal(err)
	}
	onNew := catalog.Manifest{Channels: map[string]catalog.ChannelSpec{"x": {Type: "rtm", Assistant: "new"}}}
	if _, err := b.service.Apply(context.Background(), onNew, catalog.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), `only a draft; publish it first`) {
		t.Errorf("a channel of a draft: %v", err)
	}
	if _, err := b.service.Rollback(context.Background(), "new", catalog.RollbackOptions{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("rolling a draft back: %v", err)
	}
	shown, err := b.service.Assistant(context.Background(), "new", 0)
	if err != nil || shown.Shown != 0 || shown.Definition != "n" {
		t.Errorf("showing it: %+v, %v", shown, err)
	}
	if _, err := b.service.Delete(context.Background(), store.ItemAssistant, "new", "test"); err != nil {
		t.Errorf("deleting it: %v", err)
	}
	if _, err := b.service.Assistant(context.Background(), "new", 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("deleted, it is %v", err)
	}
}

func TestPublishPerChannel(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.draft(t, "two")
	// The draft for one channel only.
	first := b.publish(t, catalog.PublishOptions{Channels: []string{"shop", "shop"}})
	if first.Changes[0].Version != 2 || len(first.Changes) != 3 {
		t.Errorf("changes %+v", first.Changes)
	}
	b.answers(t, "1 one", "2 two")
	// Neither applying the file again nor publishing for everybody moves a pin.
	if again := b.apply(t, twoSites("one")); again.Changed() {
		t.Errorf("applying the same file changed %+v", again.Changes)
	}
	b.apply(t, twoSites("three"))
	b.answers(t, "3 three", "2 two")
	// Changed settings keep it too.
	renamed := twoSites("three")
	shop := renamed.Channels["shop"]
	shop.Settings = []byte(strings.Replace(string(shop.Settings), `"Shop"`, `"Shoppe"`, 1))
	renamed.Channels["shop"] = shop
	b.apply(t, renamed)
	b.answers(t, "3 three", "2 two")
	// The version that was made for the shop, now for everybody.
	b.publish(t, catalog.PublishOptions{Version: 2})
	b.publish(t, catalog.PublishOptions{Follow: true})
	b.answers(t, "2 two", "2 two")
	// Staying with what is in force now.
	b.publish(t, catalog.PublishOptions{Channels: []string{"website"}})
	b.apply(t, twoSites("four"))
	b.answers(t, "2 two", "5 four")
	versions, err := b.service.Versions(context.Background(), "desk")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, v := range versions.Versions {
		seen = append(seen, fmt.Sprint(v.Version, v.InForce, v.Pinned))
	}
	if diff := cmp.Diff([]string{"5 true []", "3 false []", "2 false [website]", "1 false []"}, seen); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	// Another assistant takes the pin away.
	other := twoSites("four")
	other.Assistants["other"] = catalog.AssistantSpec{Kind: "flow", Definition: "other"}
	site := other.Channels["website"]
	site.Assistant = "other"
	other.Channels["website"] = site
	b.apply(t, other)
	b.answers(t, "1 other", "5 four")
}

func TestPublishRefuses(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	other := catalog.Manifest{Assistants: map[string]catalog.AssistantSpec{"other": {Kind: "flow", Definition: "x"}}}
	if _, err := b.service.Apply(context.Background(), other, catalog.ApplyOptions{Draft: true}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		o    catalog.PublishOptions
		kind fault.Kind
		says string
	}{
		{"dsk", catalog.PublishOptions{}, fault.NotFound, `did you mean "desk"`},
		{"desk", catalog.PublishOptions{Version: 9}, fault.NotFound, "no version 9"},
		{"desk", catalog.PublishOptions{}, fault.Invalid, "has no draft"},
		{"desk", catalog.PublishOptions{Channels: []string{"shp"}}, fault.NotFound, `did you mean "shop"`},
		{"other", catalog.PublishOptions{Channels: []string{"shop"}}, fault.Invalid, `answered by "desk"`},
		{"desk", catalog.PublishOptions{Follow: true, Version: 1}, fault.Invalid, "does not go with follow"},
	} {
		_, err := b.service.Publish(context.Background(), test.name, test.o)
		if !fault.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s %+v: %v", test.name, test.o, err)
		}
	}
	if got := b.publish(t, catalog.PublishOptions{Version: 1}); got.Changed() {
		t.Errorf("publishing what is in force changed %+v", got.Changes)
	}
}

func TestRollback(t *testing.T) {
	b := newBench(t)
	for _, text := range []string{"one", "two", "three"} {
		b.apply(t, twoSites(text))
	}
	steps := []struct {
		to   int64
		want string
	}{{0, "2 two"}, {0, "1 one"}}
	for _, step := range steps {
		b.rollback(t, catalog.RollbackOptions{To: step.to})
		b.answers(t, step.want, step.want)
	}
	_, err := b.service.Rollback(context.Background(), "desk", catalog.RollbackOptions{})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "nothing to go back to") {
		t.Errorf("further back: %v", err)
	}
	// A file that says something else is in force again when it is applied, and says so.
	again := b.apply(t, twoSites("three"))
	if got := again.Changes[0]; got.Action != catalog.Update || !strings.Contains(strings.Join(got.Diff, "\n"), "+  three") {
		t.Errorf("applying the file: %+v", got)
	}
	b.answers(t, "6 three", "6 three")
	// What a publish put in force is gone back to; what was rolled back is not.
	b.publish(t, catalog.PublishOptions{Version: 2})
	b.rollback(t, catalog.RollbackOptions{})
	b.answers(t, "6 three", "6 three")
	b.rollback(t, catalog.RollbackOptions{})
	b.answers(t, "1 one", "1 one")
	b.publish(t, catalog.PublishOptions{Version: 6})
	b.publish(t, catalog.PublishOptions{Version: 3})
	b.rollback(t, catalog.RollbackOptions{To: 1})
	b.answers(t, "1 one", "1 one")
	_, err = b.service.Rollback(context.Background(), "desk", catalog.RollbackOptions{To: 2})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "publish it (parley assistant publish desk --version 2)") {
		t.Errorf("to what was not before: %v", err)
	}
}

func TestRollbackOfOneChannel(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.apply(t, twoSites("two"))
	shop := []string{"shop"}
	b.rollback(t, catalog.RollbackOptions{Channels: shop})
	b.answers(t, "2 two", "1 one")
	b.publish(t, catalog.PublishOptions{Channels: shop, Follow: true})
	b.draft(t, "three")
	b.publish(t, catalog.PublishOptions{Channels: shop})
	b.answers(t, "2 two", "3 three")
	// Back to what is in force for everybody is to follow it again.
	b.rollback(t, catalog.RollbackOptions{Channels: shop})
	b.answers(t, "2 two", "2 two")
	b.apply(t, twoSites("four"))
	b.answers(t, "4 four", "4 four")
	b.rollback(t, catalog.RollbackOptions{Channels: shop})
	b.answers(t, "4 four", "2 two")
	b.rollback(t, catalog.RollbackOptions{})
	b.answers(t, "2 two", "2 two")
	b.rollback(t, catalog.RollbackOptions{Channels: shop})
	b.answers(t, "2 two", "1 one")
	_, err := b.service.Rollback(context.Background(), "desk", catalog.RollbackOptions{Channels: shop})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "version 1 of desk is the first on channel shop") {
		t.Errorf("further back: %v", err)
	}
}

// An assistant that is deleted and made again has no past to go back to.
func TestDeletingForgetsVersions(t *testing.T) {
	b := newBench(t)
	desk := catalog.Manifest{Assistants: map[string]catalog.AssistantSpec{"desk": {Kind: "flow", Definition: "one"}}}
	b.apply(t, desk)
	if _, err := b.service.Apply(context.Background(), catalog.Manifest{
		Assistants: map[string]catalog.AssistantSpec{"desk": {Kind: "flow", Definition: "draft"}},
	}, catalog.ApplyOptions{Draft: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Delete(context.Background(), store.ItemAssistant, "desk", "test"); err != nil {
		t.Fatal(err)
	}
	b.apply(t, desk)
	versions, err := b.service.Versions(context.Background(), "desk")
	if err != nil || len(versions.Versions) != 1 || versions.Versions[0].Version != 3 || versions.Draft != nil || versions.Before != 0 {
		t.Errorf("versions %+v, %v", versions, err)
	}
	if _, err := b.service.Publish(context.Background(), "desk", catalog.PublishOptions{Version: 1}); !fault.Is(err, fault.NotFound) {
		t.Errorf("publishing a version from before: %v", err)
	}
}

// Another node, or this one after a restart, finds the pinned version too.
func TestPinsAreReadByOthers(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.apply(t, twoSites("two"))
	b.publish(t, catalog.PublishOptions{Version: 1, Channels: []string{"shop"}})
	other := b.node(t)
	if err := other.published.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	other.answers(t, "2 two", "1 one")
	// Without the database the last good state stays.
	b.publish(t, catalog.PublishOptions{Version: 2, Channels: []string{"shop"}})
	b.store.Fail(errors.New("away"))
	if err := other.published.Refresh(context.Background()); err == nil {
		t.Error("a refresh without a database succeeded")
	}
	other.answers(t, "2 two", "1 one")
}

// A change in between must not make a pin point at somebody else's version.
func TestPublishOnTopOfAnotherChange(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.draft(t, "two")
	between := true
	b.store.BeforePut = func() {
		if !between {
			return
		}
		between = false
		_, err := b.store.Put(store.PutCatalog{Base: 2, Items: []store.Item{{
			Kind: store.ItemAssistant, Name: "desk", Published: true, Body: []byte(`{"definition":"other","kind":"flow"}`),
		}}})
		if err != nil {
			t.Error(err)
		}
	}
	b.publish(t, catalog.PublishOptions{Channels: []string{"shop"}})
	b.answers(t, "2 other", "3 two")
}

// An older version may say the same as the draft, which is then done with.
func TestPublishingWhatIsDrafted(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("one"))
	b.apply(t, twoSites("two"))
	b.draft(t, "one")
	result := b.publish(t, catalog.PublishOptions{Version: 1})
	want := map[string]catalog.Action{"assistant desk": catalog.Update, "draft desk": catalog.Remove}
	if diff := cmp.Diff(want, actions(result)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	b.answers(t, "1 one", "1 one")
}

// node is another node on the same data.
func (b *bench) node(t *testing.T) *bench {
	t.Helper()
	other := &bench{store: b.store, flow: b.flow, rtm: &catalogtest.RTM{}, box: b.box}
	var err error
	other.published, err = catalog.NewPublished(catalog.Sources{
		Store: b.store, Sealer: b.box, Kinds: []assistant.Kind{b.flow}, Drivers: []channel.Driver{other.rtm},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return other
}
