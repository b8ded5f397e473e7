package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/fault"
	"parley/internal/store"
)

func TestAddChannelTestsFirst(t *testing.T) {
	b := newBench(t)
	b.apply(t, catalog.Manifest{Assistants: map[string]catalog.AssistantSpec{"desk": {Kind: "flow", Definition: "one"}}})
	add := func(name, settings string, force bool) (catalog.Added, error) {
		return b.service.AddChannel(context.Background(), name,
			catalog.ChannelSpec{Type: "rtm", Assistant: "desk", Settings: json.RawMessage(settings)}, catalog.AddOptions{Force: force, Actor: "test"})
	}
	wrong := `{"bot":{"id":"st-1","name":"Wrong"},"apps":[{"id":"cs-1","secret":"a-secret-that-is-long-enough-to-be"}]}`
	failed, err := add("website", wrong, false)
	if err != nil || failed.Stored || len(b.store.Puts()) != 1 || len(b.store.SecretIDs()) != 0 {
		t.Fatalf("a failed test stored something: %+v, %v", failed, err)
	}
	want := []channel.Finding{{Level: channel.LevelFail, Name: "bot", Text: "the bot is wrong", Mend: "give it another name"}}
	if diff := cmp.Diff(want, failed.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if forced, err := add("website", wrong, true); err != nil || !forced.Stored || len(forced.Findings) != 1 {
		t.Errorf("forced: %+v, %v", forced, err)
	}
	if _, err := add("website", wrong, true); !fault.Is(err, fault.Conflict) {
		t.Errorf("a name that is taken: %v", err)
	}
	var found catalog.Problems
	if _, err := add("Shop", `{"apps":[{"secret":"short"}]}`, true); !errors.As(err, &found) {
		t.Errorf("a bad name: %v", err)
	}
	// An id that belongs to another channel, and a secret that is made.
	if _, err := add("other", `{"bot":{"id":"st-1","name":"B"}}`, false); !errors.As(err, &found) || !strings.Contains(err.Error(), "same id") {
		t.Errorf("an id that is taken: %v", err)
	}
	good, err := add("shop", `{"bot":{"name":"B"},"apps":[{"id":"cs-9"}]}`, false)
	if err != nil || !good.Stored || len(good.Result.Shown) != 1 || good.Findings[1].Name != "advice" {
		t.Errorf("a good one: %+v, %v", good, err)
	}
	if live, _ := b.rtm.Live(); len(live) != 2 {
		t.Errorf("%d channels are in force, want 2", len(live))
	}
}

func (b *bench) set(name string, force bool, changes ...string) (catalog.Added, error) {
	var all []catalog.SettingChange
	for _, one := range changes {
		key, value, _ := strings.Cut(one, "=")
		all = append(all, catalog.SettingChange{Key: key, Value: json.RawMessage(value)})
	}
	return b.service.SetChannel(context.Background(), name, all, catalog.AddOptions{Force: force, Actor: "test"})
}

func TestSetChannel(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("say: hi"))
	secret := func(id string) string {
		t.Helper()
		live, _ := b.rtm.Live()
		for _, c := range live {
			if value, err := c.Secret(id); err == nil {
				return value
			}
		}
		return ""
	}
	// A secret alone: no new version, and what is not named stays.
	done, err := b.set("shop", false, `apps[0].secret="another-shop-secret"`)
	if err != nil || !done.Stored || secret("cs-2") != "another-shop-secret" || secret("cs-1") != "first-secret-value" {
		t.Fatalf("a secret: %+v, %v; %q", done, err, secret("cs-2"))
	}
	want := []catalog.Change{{Action: catalog.Update, Kind: store.ItemChannel, Name: "shop", Version: 1, Diff: []string{"~ secret cs-2: changed"}}}
	if diff := cmp.Diff(want, done.Result.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if len(done.Findings) == 0 || done.Findings[0].Name != "bot" {
		t.Errorf("findings %+v", done.Findings)
	}
	// Settings, also of a list, and the secret put there before stays.
	if done, err = b.set("shop", false, `bot.name="Store"`, `apps[0].origins=["https://a.example"]`, `apps[1].id="cs-new"`, `disabled=true`); err != nil || len(done.Result.Shown) != 1 {
		t.Errorf("settings: %+v, %v", done, err)
	}
	shop, err := b.service.Channel(context.Background(), "shop", "")
	const body = `{"apps":[{"id":"cs-2","origins":["https://a.example"]},{"id":"cs-new"}],"bot":{"id":"st-2","name":"Store"}}`
	if err != nil || string(shop.Settings) != body || !shop.Disabled || secret("cs-2") != "another-shop-secret" {
		t.Errorf("the shop is %+v %s, %v", shop, shop.Settings, err)
	}
	// The same again is nothing, and is not tried.
	puts := len(b.store.Puts())
	if done, err = b.set("shop", false, `bot.name="Store"`, `apps[0].secret="another-shop-secret"`); err != nil || !done.Stored || done.Result.Changed() || len(done.Findings) != 0 {
		t.Errorf("the same again: %+v, %v", done, err)
	}
	// An empty value takes away what is no text; others are for the type.
	if done, err = b.set("shop", false, `apps[0].origins=""`, `disabled=false`); err != nil || !done.Result.Changed() {
		t.Errorf("taken away: %+v, %v", done, err)
	}
	if shop, _ = b.service.Channel(context.Background(), "shop", ""); strings.Contains(string(shop.Settings), "origins") || shop.Disabled {
		t.Errorf("the shop is %s", shop.Settings)
	}
	// A failing test stores nothing, unless it is forced.
	if done, err = b.set("shop", false, `bot.name="Wrong"`); err != nil || done.Stored || done.Result.Changed() || len(b.store.Puts()) != puts+1 {
		t.Errorf("a failing one: %+v, %v", done, err)
	}
	if done, err = b.set("shop", true, `bot.name="Wrong"`); err != nil || !done.Stored {
		t.Errorf("forced: %+v, %v", done, err)
	}
}

func TestSetChannelRefuses(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("say: hi"))
	for change, wrong := range map[string]string{
		`type="mattermost"`:          "type: cannot change",
		`assistant="dekx"`:           `assistant: there is no assistant "dekx"`,
		`assistant=7`:                "assistant: should be the name of an assistant",
		`disabled="perhaps"`:         "disabled: should be true or false",
		`bot.nam="x"`:                "unknown field",
		`bot.id="st-3"`:              "its id would change",
		`bot.id="st-1"`:              "its id would change",
		`apps[0].secret="short"`:     "apps[0].secret: has fewer than 8 bytes",
		`apps[7].secret="long-long"`: "leaves out place 1",
		`bot.name.x="y"`:             "cannot be set",
		`bot.name=}`:                 "bot.name: should be JSON",
		`="x"`:                       "is not a key",
	} {
		var found catalog.Problems
		if _, err := b.set("shop", true, change); !errors.As(err, &found) || !strings.Contains(err.Error(), wrong) || !strings.HasPrefix(found[0].Path, "channels.shop") {
			t.Errorf("%s: %v, want %q", change, err, wrong)
		}
	}
	if _, err := b.set("shp", true, `bot.name="x"`); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown channel: %v", err)
	}
	if len(b.store.Puts()) != 1 {
		t.Error("something was stored")
	}
	fresh := newBench(t)
	if _, err := fresh.service.EnsureDemo(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.set("demo", true, `bot.name="x"`); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "demo") {
		t.Errorf("the demo: %v", err)
	}
}

// Of two who change one channel at once, neither loses the change.
func TestSetChannelMeanwhile(t *testing.T) {
	b := newBench(t)
	b.apply(t, twoSites("say: hi"))
	b.store.BeforePut = func() {
		b.store.BeforePut = nil
		if _, err := b.set("shop", false, `apps[0].origins=["https://b.example"]`); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.set("shop", false, `bot.name="Store"`); err != nil {
		t.Fatal(err)
	}
	shop, _ := b.service.Channel(context.Background(), "shop", "")
	if s := string(shop.Settings); !strings.Contains(s, "Store") || !strings.Contains(s, "b.example") {
		t.Errorf("the shop is %s", s)
	}
}

func TestTestChannel(t *testing.T) {
	b := newBench(t)
	b.apply(t, manifest("say: hi", website))
	names := func() (levels []string) {
		found, err := b.service.TestChannel(context.Background(), "website")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			levels = append(levels, string(f.Level)+" "+f.Name)
		}
		return levels
	}
	if diff := cmp.Diff([]string{"ok bot", "warn advice"}, names()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	for _, disabled := range []bool{true, true} {
		if _, err := b.service.SetDisabled(context.Background(), "website", disabled, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if got, n := names(), len(b.store.Puts()); got[0] != "warn disabled" || n != 2 {
		t.Errorf("disabled: %q after %d puts", got, n)
	}
	if live, _ := b.rtm.Live(); !live[0].Disabled {
		t.Error("the driver was not told")
	}
	// A secret that was sealed with another key.
	const id = "channel/st-1/cs-1"
	_, err := b.store.Put(store.PutCatalog{Base: 2, Secrets: []store.SealedSecret{{ID: id, Sealed: catalogtest.Box().Seal(id, []byte("x"))}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(); got[1] != "fail secrets" {
		t.Errorf("a secret that does not open: %q", got)
	}
	if _, err := b.service.TestChannel(context.Background(), "websit"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown channel: %v", err)
	}
	if _, err := b.service.SetDisabled(context.Background(), "websit", true, "test"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown channel: %v", err)
	}
}

// What is exported makes the same state: here, and in an empty installation.
func TestExportAppliesWithoutChange(t *testing.T) {
	b := newBench(t)
	m := twoSites("say: hi\nname: ${env:NOT_TOUCHED}")
	m.Assistants["true"] = catalog.AssistantSpec{Kind: "flow", Definition: "no line break at the end"}
	odd := m.Channels["shop"]
	odd.Disabled = true
	odd.Settings = []byte(`{"bot":{"id":"st-2","name":"a ${b} $${c}: # 'd' 7"},"apps":[{"id":"cs-2","secret":"shop-secret-value","origins":["true","https://x.example"]},{"id":"cs-3","secret":"third-secret-value"}]}`)
	m.Channels["shop"] = odd
	b.apply(t, m)
	b.draft2(t)
	if _, err := b.service.Publish(context.Background(), "desk", catalog.PublishOptions{Version: 1, Channels: []string{"shop"}}); err != nil {
		t.Fatal(err)
	}
	written, err := b.service.Export(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []catalog.ExportedSecret{
		{Variable: "SHOP_APPS_0_SECRET", Channel: "shop", Key: "apps[0].secret"},
		{Variable: "SHOP_APPS_1_SECRET", Channel: "shop", Key: "apps[1].secret"},
		{Variable: "WEBSITE_APPS_0_SECRET", Channel: "website", Key: "apps[0].secret"},
	}
	if diff := cmp.Diff(want, written.Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"channel shop stays with version 1 of desk (parley assistant publish)", "the draft of assistant true"}, written.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	f := folder{files: map[string]string{"out/catalog.yaml": written.Catalog}, env: map[string]string{
		"SHOP_APPS_0_SECRET": "shop-secret-value", "SHOP_APPS_1_SECRET": "third-secret-value", "WEBSITE_APPS_0_SECRET": "first-secret-value",
	}}
	for _, value := range f.env {
		if strings.Contains(written.Catalog, value) {
			t.Errorf("the export shows a secret:\n%s", written.Catalog)
		}
	}
	for name, text := range written.Definitions {
		f.files[filepath.Join("out", name)] = text
	}
	read, err := catalog.Read(f, "out")
	if err != nil {
		t.Fatalf("reading the export: %v\n%s", err, written.Catalog)
	}
	if again := b.apply(t, read.Manifest); again.Changed() {
		t.Errorf("applying the export changed %+v\n%s", again.Changes, written.Catalog)
	}
	fresh := newBench(t)
	fresh.apply(t, read.Manifest)
	copied, err := fresh.service.Export(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(written.Catalog, "assistants:")
	_, copiedBody, _ := strings.Cut(copied.Catalog, "assistants:")
	if diff := cmp.Diff(body, copiedBody); diff != "" {
		t.Errorf("the copy differs (-first +copy):\n%s", diff)
	}
	if diff := cmp.Diff(written.Definitions, copied.Definitions); diff != "" {
		t.Errorf("definitions (-first +copy):\n%s", diff)
	}
}

// draft2 drafts another text for the assistant "true".
func (b *bench) draft2(t *testing.T) {
	t.Helper()
	m := catalog.Manifest{Assistants: map[string]catalog.AssistantSpec{"true": {Kind: "flow", Definition: "later"}}}
	if _, err := b.service.Apply(context.Background(), m, catalog.ApplyOptions{Draft: true}); err != nil {
		t.Fatal(err)
	}
}

func TestExportLeavesTheDemoOut(t *testing.T) {
	b := newBench(t)
	if _, err := b.service.EnsureDemo(context.Background()); err != nil {
		t.Fatal(err)
	}
	written, err := b.service.Export(context.Background())
	if err != nil || len(written.Definitions) != 0 || len(written.Secrets) != 0 || !strings.Contains(written.Catalog, "# Left out: the demo") {
		t.Errorf("export of the demo: %+v, %v", written, err)
	}
	read, err := catalog.Read(folder{files: map[string]string{"c.yaml": written.Catalog}}, "c.yaml")
	if err != nil || len(read.Manifest.Assistants)+len(read.Manifest.Channels) != 0 {
		t.Errorf("read as %+v, %v", read, err)
	}
}

func TestSetSetting(t *testing.T) {
	settings := map[string]any{}
	for _, one := range []struct {
		key   string
		value any
	}{
		{"server", "https://x"}, {"bot.name", "Desk"}, {"apps[0].id", "a"}, {"apps[0].on", true}, {"apps[1].id", "b"}, {"grid[0][0]", int64(7)},
	} {
		if err := catalog.SetSetting(settings, one.key, one.value); err != nil {
			t.Fatalf("%s: %v", one.key, err)
		}
	}
	want := map[string]any{
		"server": "https://x", "bot": map[string]any{"name": "Desk"},
		"apps": []any{map[string]any{"id": "a", "on": true}, map[string]any{"id": "b"}}, "grid": []any{[]any{int64(7)}},
	}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for _, key := range []string{"", ".", "a.", "server", "server.x", "server[0]", "apps.x", "apps[x]", "apps[0", "apps[", "apps[]", "apps[3].id", "apps[-1]", "bot[0]", "apps[99999999999]", "[0]"} {
		if err := catalog.SetSetting(settings, key, "v"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("refused keys changed something (-want +got):\n%s", diff)
	}
}

// FuzzSetSetting finds keys that make it fall over.
func FuzzSetSetting(f *testing.F) {
	for _, key := range []string{"a", "a.b[0][1].c", "a[", "a]", "[0]", "a..b", "a[0]b"} {
		f.Add(key, "a.b")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		settings := map[string]any{}
		for _, key := range []string{first, second} {
			if err := catalog.SetSetting(settings, key, "v"); err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", key, err)
			}
		}
	})
}

func TestFill(t *testing.T) {
	f := folder{files: map[string]string{"token": "from-a-file\n"}, env: map[string]string{"TOKEN": "from-the-environment"}}
	for given, want := range map[string]string{
		"plain": "plain", "${env:TOKEN}": "from-the-environment", "a-${file:token}-b": "a-from-a-file-b", "$${env:X}": "${env:X}",
	} {
		if got, err := catalog.Fill(f, "token", given); err != nil || got != want {
			t.Errorf("%s: %q, %v", given, got, err)
		}
	}
	for given, want := range map[string]string{
		"${env:NONE}": "token: environment variable NONE is not set", "${": "token: holds ${ without }", "${file:none}": "token: file none does not exist",
	} {
		if _, err := catalog.Fill(f, "token", given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", given, err)
		}
	}
}
