package adminapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"parley/internal/adminapi"
	"parley/internal/assistant"
	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel"
	"parley/internal/fault"
)

func (s *shelf) Assistant(context.Context, string, int64) (catalog.AssistantDetails, error) {
	return catalog.AssistantDetails{}, s.err
}

func (s *shelf) Draft(context.Context, string) (catalog.AssistantDetails, error) {
	return catalog.AssistantDetails{}, s.err
}

func (s *shelf) Versions(context.Context, string) (catalog.Versions, error) {
	return catalog.Versions{}, s.err
}

func (s *shelf) Publish(context.Context, string, catalog.PublishOptions) (catalog.Result, error) {
	return s.result, s.err
}

func (s *shelf) Rollback(context.Context, string, catalog.RollbackOptions) (catalog.Result, error) {
	return s.result, s.err
}

func (s *shelf) Types() []catalog.TypeView { return nil }

func (s *shelf) AddChannel(context.Context, string, catalog.ChannelSpec, catalog.AddOptions) (catalog.Added, error) {
	return catalog.Added{Result: s.result}, s.err
}

func (s *shelf) SetChannel(context.Context, string, []catalog.SettingChange, catalog.AddOptions) (catalog.Added, error) {
	return catalog.Added{Result: s.result}, s.err
}

func (s *shelf) TestChannel(context.Context, string) ([]channel.Finding, error) { return nil, s.err }

func (s *shelf) SetDisabled(context.Context, string, bool, string) (catalog.Result, error) {
	return s.result, s.err
}

func (s *shelf) Export(context.Context) (catalog.Exported, error) { return catalog.Exported{}, s.err }

// TestCatalogOperations goes through the life of a channel and its assistant
// over a real catalog.
func TestCatalogOperations(t *testing.T) {
	service, err := catalog.New(catalog.Options{
		Store: catalogtest.NewStore(), Sealer: catalogtest.Box(),
		Kinds: []assistant.Kind{&catalogtest.Flow{}}, Types: []channel.Kind{&catalogtest.RTM{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	b := &bench{handler: adminapi.New(adminapi.Services{Catalog: service, Applied: func(r catalog.Result) {
		for _, c := range r.Changes {
			if c.Action != catalog.Unchanged {
				told = append(told, string(c.Action)+" "+string(c.Kind)+" "+c.Name)
			}
		}
	}})}
	const desk = `"assistants":{"desk":{"kind":"flow","definition":"say: %"}}`
	steps := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "/channel-types", "", 200, `"key":"apps[0].secret"`},
		{http.MethodPost, "/apply", `{"manifest":{` + strings.Replace(desk, "%", "one", 1) + `}}`, 200, `"version":1`},
		{http.MethodPost, "/channels", `{"name":"site","channel":{"type":"rtm","assistant":"desk","settings":{"bot":{"name":"Wrong"}}}}`, 200, `"stored":false`},
		{http.MethodGet, "/channels/site", "", 404, `not_found`},
		{http.MethodPost, "/channels", `{"name":"site","channel":{"type":"rtm","assistant":"desk","settings":{"apps":[{"id":"cs-1","secret":"hidden-secret"}]}}}`, 200, `"stored":true`},
		{http.MethodPost, "/channels", `{"name":"site","channel":{"type":"rtm","assistant":"desk"}}`, 409, `already`},
		{http.MethodPost, "/channels", `{"name":"","channel":{"type":"rtm","assistant":"desk"}}`, 400, `"path":"name"`},
		{http.MethodPatch, "/channels/site", `{"set":[{"key":"bot.name","value":"Desk"},{"key":"apps[0].secret","value":"hidden-secret-2"}]}`, 200, `~ secret cs-1: changed`},
		{http.MethodPatch, "/channels/site", `{"set":[{"key":"bot.name","value":"Wrong"}]}`, 200, `"stored":false`},
		{http.MethodPatch, "/channels/site", `{"set":[{"key":"bot.nam","value":"x"}]}`, 400, `"path":"channels.site"`},
		{http.MethodPatch, "/channels/site", `{"set":[]}`, 400, `set`},
		{http.MethodPatch, "/channels/site", `{"set":[{"key":"bot.name"}]}`, 400, `value`},
		{http.MethodPatch, "/channels/none", `{"set":[{"key":"bot.name","value":"x"}]}`, 404, `not_found`},
		{http.MethodPost, "/channels/site/test", "", 200, `"level":"ok"`},
		{http.MethodPost, "/channels/none/test", "", 404, `not_found`},
		{http.MethodPost, "/channels/site/disable", "", 200, `"action":"update"`},
		{http.MethodPost, "/channels/site/disable", "", 200, `"action":"unchanged"`},
		{http.MethodPost, "/channels/site/enable", "", 200, `"action":"update"`},
		{http.MethodPost, "/apply", `{"draft":true,"manifest":{` + strings.Replace(desk, "%", "two", 1) + `}}`, 200, `"kind":"draft"`},
		{http.MethodGet, "/assistants/desk?draft=true", "", 200, `say: two`},
		{http.MethodGet, "/assistants/desk", "", 200, `say: one`},
		{http.MethodPost, "/assistants/desk/publish", `{}`, 200, `"version":2`},
		{http.MethodPost, "/assistants/desk/publish", `{"version":-1}`, 400, `version`},
		{http.MethodPost, "/assistants/desk/publish", `{"version":1,"channels":["site"]}`, 200, `assistant_version: 1`},
		{http.MethodGet, "/assistants/desk/versions", "", 200, `"pinned":["site"]`},
		{http.MethodGet, "/assistants/desk?version=7", "", 404, `no version 7`},
		{http.MethodPost, "/assistants/desk/rollback", `{}`, 200, `"version":1`},
		{http.MethodPost, "/assistants/desk/rollback", `{}`, 409, `nothing to go back to`},
		{http.MethodGet, "/catalog/export", "", 200, `${env:SITE_APPS_0_SECRET}`},
	}
	for _, step := range steps {
		w := b.ask(step.method, adminapi.Prefix+step.path, step.body)
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s %s: %d, want %d with %s\n%s", step.method, step.path, w.Code, step.status, step.want, w.Body)
		}
		if strings.Contains(w.Body.String(), "hidden-secret") {
			t.Errorf("%s %s shows a secret", step.method, step.path)
		}
		var any map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &any); err != nil {
			t.Errorf("%s %s: %v", step.method, step.path, err)
		}
	}
	want := []string{
		"create assistant desk", "create channel site", "update channel site", "update channel site", "update channel site", "create draft desk",
		"update assistant desk", "delete draft desk", "update channel site", "update assistant desk",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told of %q\nwant %q", told, want)
	}
	// What fails inside stays inside.
	broken := newBench()
	broken.err = fault.New(fault.Unavailable, "the database is away")
	for _, path := range []string{"/assistants/desk", "/assistants/desk?draft=true", "/assistants/desk/versions", "/catalog/export"} {
		if f := failureOf(t, broken.ask(http.MethodGet, adminapi.Prefix+path, "")); f.Kind != fault.Unavailable {
			t.Errorf("%s: %+v", path, f)
		}
	}
}
