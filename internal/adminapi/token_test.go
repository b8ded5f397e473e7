package adminapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/adminapi"
	"parley/internal/fault"
)

func TestTokensAreMadeAndShown(t *testing.T) {
	r := newRemote(t)
	made := r.create(`{"name":"ci","scopes":["operate","catalog:read","operate"],"life":3600}`)
	if diff := cmp.Diff([]string{"catalog:read", "operate"}, made.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if made.ExpiresAt == nil || !made.ExpiresAt.Equal(r.now.Add(time.Hour)) || made.State != "living" {
		t.Errorf("made %+v", made)
	}
	all := r.create(`{"name":"all","scopes":["catalog:read","*"]}`)
	if diff := cmp.Diff([]string{"*"}, all.Scopes); diff != "" || all.ExpiresAt != nil {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	names := func(query string) (got []string) {
		t.Helper()
		w := r.ask(all.Secret, http.MethodGet, "/tokens"+query, "")
		if strings.Contains(w.Body.String(), "pat_") || strings.Contains(w.Body.String(), "hash") {
			t.Errorf("the list shows secrets: %s", w.Body)
		}
		var list adminapi.APITokenList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, one := range list.Tokens {
			got = append(got, one.Name+" "+one.State)
		}
		return got
	}
	if diff := cmp.Diff([]string{"all living", "ci living"}, names("")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	r.now = r.now.Add(time.Hour)
	r.create(`{"name":"old","scopes":["tokens"]}`)
	r.ask(all.Secret, http.MethodDelete, "/tokens/old", "")
	if diff := cmp.Diff([]string{"all living"}, names("")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"all living", "ci expired", "old revoked"}, names("?all=true")); diff != "" {
		t.Errorf("whole list (-want +got):\n%s", diff)
	}
	if w := r.ask(all.Secret, http.MethodGet, "/tokens/"+made.ID, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"ci"`) {
		t.Errorf("by id: %d %s", w.Code, w.Body)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	r := newRemote(t)
	owner := r.create(`{"name":"owner","scopes":["*"]}`)
	small := r.create(`{"name":"small","scopes":["tokens","catalog:read"],"life":3600}`)
	for _, test := range []struct {
		name, token, body string
		kind              fault.Kind
		says              string
	}{
		{"no name", owner.Secret, `{"name":"","scopes":["tokens"]}`, fault.Invalid, "name"},
		{"a bad name", owner.Secret, `{"name":"a b","scopes":["tokens"]}`, fault.Invalid, "letters, digits"},
		{"a name like an id", owner.Secret, `{"name":"tk-1","scopes":["tokens"]}`, fault.Invalid, "does not begin"},
		{"no scope", owner.Secret, `{"name":"x","scopes":[]}`, fault.Invalid, ""},
		{"an unknown scope", owner.Secret, `{"name":"x","scopes":["catalog:admin"]}`, fault.Invalid, ""},
		{"a short life", owner.Secret, `{"name":"x","scopes":["tokens"],"life":59}`, fault.Invalid, ""},
		{"a negative life", owner.Secret, `{"name":"x","scopes":["tokens"],"life":-1}`, fault.Invalid, ""},
		{"a long life", owner.Secret, `{"name":"x","scopes":["tokens"],"life":9223372036854775807}`, fault.Invalid, ""},
		{"an unknown field", owner.Secret, `{"name":"x","scopes":["tokens"],"secret":"mine"}`, fault.Invalid, ""},
		{"a name that is taken", owner.Secret, `{"name":"small","scopes":["tokens"]}`, fault.Conflict, "already"},
		{"a scope the giver lacks", small.Secret, `{"name":"x","scopes":["catalog:read","catalog:write"],"life":60}`, fault.Forbidden, "lacks the scope catalog:write"},
		{"everything", small.Secret, `{"name":"x","scopes":["*"],"life":60}`, fault.Forbidden, "lacks the scope *"},
		{"a longer life", small.Secret, `{"name":"x","scopes":["tokens"],"life":3601}`, fault.Forbidden, "lives longer"},
		{"for good", small.Secret, `{"name":"x","scopes":["tokens"]}`, fault.Forbidden, "lives longer"},
	} {
		w := r.ask(test.token, http.MethodPost, "/tokens", test.body)
		if w.Code == 200 {
			t.Errorf("%s: made %s", test.name, w.Body)
			continue
		}
		if f := failureOf(t, w); f.Kind != test.kind || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %+v", test.name, f)
		}
	}
	if w := r.ask(small.Secret, http.MethodPost, "/tokens", `{"name":"child","scopes":["catalog:read"],"life":3600}`); w.Code != 200 {
		t.Errorf("a token that can do less: %d %s", w.Code, w.Body)
	}
	if f := failureOf(t, r.ask(small.Secret, http.MethodDelete, "/tokens/owner", "")); f.Kind != fault.Forbidden {
		t.Errorf("revoking a greater one: %+v", f)
	}
	if f := failureOf(t, r.ask(owner.Secret, http.MethodDelete, "/tokens/none", "")); f.Kind != fault.NotFound {
		t.Errorf("revoking none: %+v", f)
	}
	if w := r.ask(owner.Secret, http.MethodGet, "/channels", ""); w.Code != 200 {
		t.Errorf("the owner's token afterwards: %d", w.Code)
	}
}
