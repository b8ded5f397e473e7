package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/secret"
	"parley/internal/store"
)

// bench is a catalog with everything around it.
type bench struct {
	store     *catalogtest.Store
	flow      *catalogtest.Flow
	rtm       *catalogtest.RTM
	box       *secret.Box
	log       bytes.Buffer
	published *catalog.Published
	service   *catalog.Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{store: catalogtest.NewStore(), flow: &catalogtest.Flow{}, rtm: &catalogtest.RTM{}, box: catalogtest.Box()}
	var err error
	b.published, err = catalog.NewPublished(catalog.Sources{
		Store: b.store, Sealer: b.box, Kinds: []assistant.Kind{b.flow}, Drivers: []channel.Driver{b.rtm},
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.service, err = catalog.New(catalog.Options{
		Store: b.store, Sealer: b.box, Kinds: []assistant.Kind{b.flow}, Types: []channel.Kind{b.rtm}, Published: b.published,
		Demo: []byte("say: demo"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) apply(t *testing.T, m catalog.Manifest) catalog.Result {
	t.Helper()
	result, err := b.service.Apply(context.Background(), m, catalog.ApplyOptions{Actor: "test"})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return result
}

func manifest(definition, settings string) catalog.Manifest {
	return catalog.Manifest{
		Assistants: map[string]catalog.AssistantSpec{
			"desk": {Kind: "flow", File: "desk.flow.yaml", Path: "desk.flow.yaml", Definition: definition},
		},
		Channels: map[string]catalog.ChannelSpec{
			"website": {Type: "rtm", Assistant: "desk", Settings: json.RawMessage(settings)},
		},
	}
}

const website = `{"bot":{"id":"st-1","name":"Desk"},"apps":[{"id":"cs-1","secret":"first-secret-value"}]}`

func actions(r catalog.Result) map[string]catalog.Action {
	all := map[string]catalog.Action{}
	for _, c := range r.Changes {
		all[string(c.Kind)+" "+c.Name] = c.Action
	}
	return all
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	b := newBench(t)
	first := b.apply(t, manifest("say: hi", website))
	want := map[string]catalog.Action{"assistant desk": catalog.Create, "channel website": catalog.Create}
	if diff := cmp.Diff(want, actions(first)); diff != "" {
		t.Errorf("first apply (-want +got):\n%s", diff)
	}
	if first.Revision != 1 || first.Changes[0].Version != 1 {
		t.Errorf("revision %d, version %d, want 1 and 1", first.Revision, first.Changes[0].Version)
	}
	second := b.apply(t, manifest("say: hi", website))
	if second.Changed() || second.Revision != 1 {
		t.Errorf("second apply changed something: %+v", second)
	}
	if n := len(b.store.Puts()); n != 1 {
		t.Errorf("%d puts, want 1", n)
	}
}

func TestApplyMakesOnlyNeededVersions(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	result := b.apply(t, manifest("say: hello", website))
	want := map[string]catalog.Action{"assistant desk": catalog.Update, "channel website": catalog.Unchanged}
	if diff := cmp.Diff(want, actions(result)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	change := result.Changes[0]
	if change.Version != 2 {
		t.Errorf("version %d, want 2", change.Version)
	}
	wantDiff := []string{
		"@@ -1,4 +1,4 @@", " file: desk.flow.yaml", " kind: flow", " definition: |", "-  say: hi", "+  say: hello",
	}
	if diff := cmp.Diff(wantDiff, change.Diff); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
}

func TestSecrets(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	changed := b.apply(t, manifest("say: hi", strings.Replace(website, "first", "other", 1)))
	change := changed.Changes[1]
	if diff := cmp.Diff([]string{"~ secret cs-1: changed"}, change.Diff); diff != "" || change.Action != catalog.Update {
		t.Errorf("action %s, diff (-want +got):\n%s", change.Action, diff)
	}
	if changed.Revision != 2 {
		t.Errorf("revision %d: other nodes would not notice the new secret", changed.Revision)
	}
	live, _ := b.rtm.Live()
	if got, err := live[0].Secret("cs-1"); err != nil || got != "other-secret-value" {
		t.Errorf("the driver got secret %q, %v", got, err)
	}
	generated := b.apply(t, manifest("say: hi", `{"bot":{"id":"st-1"},"apps":[{"id":"cs-2"}]}`))
	want := []catalog.Generated{{Channel: "website", Label: "secret of app cs-2", Value: "generated-for-cs-2"}}
	if diff := cmp.Diff(want, generated.Shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"channel/st-1/cs-2"}, b.store.SecretIDs()); diff != "" {
		t.Errorf("the removed app's secret stayed (-want +got):\n%s", diff)
	}
	rest := b.store.Everything()
	for _, value := range []string{"first-secret-value", "other-secret-value", "generated-for-cs-2"} {
		if bytes.Contains(rest, []byte(value)) {
			t.Errorf("secret %q is at rest in plain", value)
		}
		for _, r := range []catalog.Result{changed, generated} {
			for _, c := range r.Changes {
				if strings.Contains(strings.Join(c.Diff, "\n"), value) {
					t.Errorf("secret %q is in the diff of %s", value, c.Name)
				}
			}
		}
	}
	if _, err := b.service.Delete(context.Background(), store.ItemChannel, "website", "test"); err != nil {
		t.Fatal(err)
	}
	if ids := b.store.SecretIDs(); len(ids) != 0 {
		t.Errorf("secrets of a deleted channel stayed: %v", ids)
	}
}

// Deleting a channel drops what waits for it; taking it out of service or
// changing it does not, and neither does deleting something else.
func TestDeleteDropsDeliveries(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("say: hi"))
	b.store.Open = map[chat.ChannelID]int64{"st-1": 3, "st-2": 5}
	ctx := context.Background()
	off, err := b.service.SetDisabled(ctx, "website", true, "test")
	if err != nil || off.Dropped != 0 {
		t.Errorf("disabled: %+v, %v", off, err)
	}
	if again := b.apply(t, twoSites("say: hello")); again.Dropped != 0 {
		t.Errorf("applied: %+v", again)
	}
	gone, err := b.service.Delete(ctx, store.ItemChannel, "website", "test")
	if err != nil || gone.Dropped != 3 || b.store.Open["st-2"] != 5 {
		t.Errorf("deleted: %+v, %v, left %v", gone, err, b.store.Open)
	}
}

// What waits for channels that are in the catalog is left alone, whatever the
// caller thinks is gone, and no revision is made.
func TestDropGone(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("say: hi"))
	b.store.Open = map[chat.ChannelID]int64{"st-1": 3, "st-9": 4, "st-8": 1}
	gone, dropped, err := b.service.DropGone(context.Background(), []chat.ChannelID{"st-9", "st-1", "st-9", "st-7"})
	if diff := cmp.Diff([]chat.ChannelID{"st-7", "st-9"}, gone); diff != "" || dropped != 4 || err != nil {
		t.Errorf("%d dropped, %v, gone (-want +got):\n%s", dropped, err, diff)
	}
	if b.store.Open["st-1"] != 3 || b.store.Open["st-8"] != 1 || len(b.store.Puts()) != 1 {
		t.Errorf("left %v after %d revisions", b.store.Open, len(b.store.Puts()))
	}
	if gone, dropped, err := b.service.DropGone(context.Background(), []chat.ChannelID{"st-1"}); len(gone) != 0 || dropped != 0 || err != nil {
		t.Errorf("gone %v, %d dropped, %v", gone, dropped, err)
	}
	// Somebody makes the channel while we look.
	b.store.BeforePut = func() {
		b.store.BeforePut = nil
		m := twoSites("say: hi")
		m.Channels["new"] = catalog.ChannelSpec{Type: "rtm", Assistant: "desk", Settings: []byte(`{"bot":{"id":"st-8","name":"New"}}`)}
		b.apply(t, m)
	}
	if gone, dropped, err := b.service.DropGone(context.Background(), []chat.ChannelID{"st-8"}); len(gone) != 0 || dropped != 0 || err != nil || b.store.Open["st-8"] != 1 {
		t.Errorf("of a channel made meanwhile: gone %v, %d dropped, %v", gone, dropped, err)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	b := newBench(t)
	result, err := b.service.Apply(context.Background(), manifest("say: hi", `{"bot":{},"apps":[{}]}`), catalog.ApplyOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if !result.Changed() || !result.DryRun || len(result.Shown) != 0 || result.Revision != 0 {
		t.Errorf("dry run: %+v", result)
	}
	if len(b.store.Puts()) != 0 {
		t.Error("a dry run stored something")
	}
}

func TestApplyRefusesEverythingAtOnce(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	m := catalog.Manifest{
		Assistants: map[string]catalog.AssistantSpec{
			"bad":    {Kind: "flow", Path: "dir/bad.flow.yaml", Definition: "ok\nsay: BAD\nBAD"},
			"inline": {Kind: "flow", Definition: "BAD\n"},
			"odd":    {Kind: "flo", Definition: "x"},
			"Übel":   {Kind: "flow", Definition: "x"},
		},
		Channels: map[string]catalog.ChannelSpec{
			"a":      {Type: "rtm", Assistant: "dekc", Settings: json.RawMessage(`{"bot":{},"apps":[{"secret":"short"},{"secret":"tiny"}]}`)},
			"b":      {Type: "rtm", Assistant: "bad", Settings: json.RawMessage(`{"bot":{"id":"st-1"},"apps":[]}`)},
			"c":      {Type: "fax", Assistant: "desk"},
			"d":      {Type: "rtm", Assistant: "desk", Settings: json.RawMessage(`{"wat":1}`)},
			"e":      {Type: "rtm", Settings: json.RawMessage(`{"bot":{"id":"st-5"}}`)},
			"moving": {Type: "rtm", Assistant: "desk", Settings: json.RawMessage(`{"bot":{"id":"st-9"}}`)},
		},
	}
	_, err := b.service.Apply(context.Background(), m, catalog.ApplyOptions{})
	var found catalog.Problems
	if !errors.As(err, &found) {
		t.Fatalf("error %v, want problems", err)
	}
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("kind %q", fault.KindOf(err))
	}
	var got []string
	for _, p := range found {
		got = append(got, p.String())
	}
	want := []string{
		"dir/bad.flow.yaml:2:6: assistants.bad.definition: say: BAD is not a word",
		"dir/bad.flow.yaml:3:1: assistants.bad.definition: say: BAD is not a word",
		"assistants.inline.definition: say: BAD is not a word",
		`assistants.odd.kind: there is no kind "flo"; did you mean "flow"?`,
		"assistants.Übel: the name holds 'Ü'; use small letters, digits and -",
		`channels.a.assistant: there is no assistant "dekc"; did you mean "desk"?`,
		"channels.a.apps[0].secret: has fewer than 8 bytes",
		"channels.a.apps[1].secret: has fewer than 8 bytes",
		`channels.c.type: there is no type "fax"; there is: rtm`,
		`channels.d: unknown field "wat"`,
		"channels.e.assistant: is missing; say which assistant answers here",
		`channels.b: has the same id st-1 as channel "website"; each needs its own`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if len(b.store.Puts()) != 1 {
		t.Error("a refused manifest stored something")
	}
}

func TestChannelKeepsItsID(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	_, err := b.service.Apply(context.Background(), manifest("say: hi", strings.Replace(website, "st-1", "st-2", 1)), catalog.ApplyOptions{})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "its id would change from st-1 to st-2") {
		t.Errorf("error %v", err)
	}
}

func TestApplyRetriesOnceOnConflict(t *testing.T) {
	b := newBench(t)
	other := store.PutCatalog{Items: []store.Item{{
		Kind: store.ItemAssistant, Name: "other", Published: true, Body: []byte(`{"kind":"flow","definition":"x"}`),
	}}}
	races := 0
	b.store.BeforePut = func() {
		if races == 0 {
			races++
			if _, err := b.store.Put(other); err != nil {
				t.Error(err)
			}
		}
	}
	if result := b.apply(t, manifest("say: hi", website)); result.Revision != 2 {
		t.Errorf("revision %d, want 2", result.Revision)
	}
	b.store.BeforePut = func() {
		other.Base++
		other.Base = max(other.Base, 2)
		if _, err := b.store.Put(other); err != nil {
			t.Error(err)
		}
	}
	_, err := b.service.Apply(context.Background(), manifest("say: other", website), catalog.ApplyOptions{})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("error %v, want a conflict after the second race", err)
	}
}

func TestDeleteAssistantInUse(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	_, err := b.service.Delete(context.Background(), store.ItemAssistant, "desk", "test")
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), `channel "website"`) {
		t.Errorf("error %v", err)
	}
	_, err = b.service.Delete(context.Background(), store.ItemChannel, "websit", "test")
	if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Message(err), `did you mean "website"`) {
		t.Errorf("error %v", err)
	}
}

func TestItemsOfANewerParleyStopChanges(t *testing.T) {
	b := newBench(t)
	put := store.PutCatalog{Items: []store.Item{{Kind: store.ItemChannel, Name: "new", Published: true, Body: []byte(`{"id":7}`)}}}
	if _, err := b.store.Put(put); err != nil {
		t.Fatal(err)
	}
	_, err := b.service.Apply(context.Background(), manifest("say: hi", website), catalog.ApplyOptions{})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), "channel new") {
		t.Errorf("error %v", err)
	}
}

func TestChannelFacts(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	d, err := b.service.Channel(context.Background(), "website", "https://chat.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]channel.Shown{{Label: "base URL", Value: "https://chat.example.com"}, {Label: "bot id", Value: "st-1"}}, d.Paste); diff != "" {
		t.Errorf("paste (-want +got):\n%s", diff)
	}
	if strings.Contains(string(d.Settings), "first-secret") {
		t.Error("settings show the secret")
	}
	advice, err := b.service.Advice(context.Background())
	if err != nil || len(advice) != 1 || !strings.HasPrefix(advice[0], "channel website: ") {
		t.Errorf("advice %v, %v", advice, err)
	}
	if n, err := b.service.CheckSecrets(context.Background()); n != 1 || err != nil {
		t.Errorf("checked %d, %v", n, err)
	}
}

func TestTestToken(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	if _, err := b.service.TestToken(ctx, "", "", "ann", time.Hour); !fault.Is(err, fault.NotFound) {
		t.Errorf("without channels: %v", err)
	}
	b.apply(t, manifest("say: hi", website))
	for _, by := range [][2]string{{"", ""}, {"website", ""}, {"", "cs-1"}, {"website", "cs-1"}} {
		if got, err := b.service.TestToken(ctx, by[0], by[1], "ann", time.Hour); err != nil || !strings.Contains(got, "cs-1 for ann") {
			t.Errorf("by %v: %q, %v", by, got, err)
		}
	}
	if _, err := b.service.TestToken(ctx, "", "cs-9", "ann", time.Hour); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown app: %v", err)
	}
}

func TestWrongKeyIsNamed(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	other, err := catalog.New(catalog.Options{
		Store: b.store, Sealer: catalogtest.Box(), Kinds: []assistant.Kind{b.flow}, Types: []channel.Kind{b.rtm},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.CheckSecrets(context.Background()); err == nil || !strings.Contains(err.Error(), "secret cs-1 of channel website") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsAreNamedShortly(t *testing.T) {
	if got := catalog.Label("st-1", "rtm/st-1/cs-2/secret"); got != "cs-2/secret" {
		t.Errorf("label %q", got)
	}
	if got := catalog.Label("st-1", "token"); got != "token" {
		t.Errorf("label %q", got)
	}
}
