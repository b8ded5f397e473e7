package rtm

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/fault"
)

func settle(t *testing.T, raw string, stored []byte) channel.Settled {
	t.Helper()
	s, err := Kind{}.Settle("website", json.RawMessage(raw), stored)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSettleGeneratesWhatIsLeftOut(t *testing.T) {
	s := settle(t, `{}`, nil)
	b, err := ParseBody(s.Body)
	if err != nil {
		t.Fatal(err)
	}
	if string(s.ID) != b.Bot.ID || !regexp.MustCompile(`^st-[0-9a-f-]{36}$`).MatchString(b.Bot.ID) || b.Bot.Name != "website" {
		t.Errorf("bot %+v", b.Bot)
	}
	if len(b.Apps) != 1 || !regexp.MustCompile(`^cs-[0-9a-f-]{36}$`).MatchString(b.Apps[0].ID) || b.Apps[0].TokenLife != "1h0m0s" {
		t.Fatalf("apps %+v", b.Apps)
	}
	value := s.Secrets[SecretID(b.Bot.ID, b.Apps[0].ID)]
	if len(value) != 43 || len(s.Shown) != 3 || s.Shown[2].Value != value {
		t.Errorf("secret %q, shown %+v", value, s.Shown)
	}
	if strings.Contains(string(s.Body), value) {
		t.Error("the body holds the secret")
	}
}

func TestSettleIsIdempotent(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"bot":{"name":"Front Desk"},"apps":[{},{"id":"cs-two","secret":"x"},{"origins":["https://a.example"]}]}`,
	} {
		first := settle(t, text, nil)
		second := settle(t, text, first.Body)
		if string(first.Body) != string(second.Body) || second.ID != first.ID {
			t.Errorf("%s\nfirst  %s\nsecond %s", text, first.Body, second.Body)
		}
		if len(second.Shown) != 0 {
			t.Errorf("%s: shown again: %+v", text, second.Shown)
		}
		for id, v := range second.Secrets {
			if v != "x" { // only what was written again is sealed again
				t.Errorf("%s: secret %s changed", text, id)
			}
		}
	}
}

func TestSettleImportsAsIs(t *testing.T) {
	s := settle(t, `{"bot":{"id":"st-f74a3430-3b19-55a3-be41-1ab1a35c4685"},"apps":[{"id":"cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739","secret":"abc"}]}`, nil)
	want := `{"apps":[{"algorithms":["HS256","HS512"],"id":"cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739","token_life":"1h0m0s"}],` +
		`"bot":{"id":"st-f74a3430-3b19-55a3-be41-1ab1a35c4685","name":"website"}}`
	if string(s.Body) != want {
		t.Errorf("body\n got %s\nwant %s", s.Body, want)
	}
	wantSecrets := map[string]string{"rtm/st-f74a3430-3b19-55a3-be41-1ab1a35c4685/cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739/secret": "abc"}
	if diff := cmp.Diff(wantSecrets, s.Secrets); diff != "" || len(s.Shown) != 0 {
		t.Errorf("secrets (-want +got):\n%s shown %v", diff, s.Shown)
	}
}

func TestSettleRemovesSecrets(t *testing.T) {
	_, public := rsaKey(t)
	first := settle(t, `{"bot":{"id":"st-a"},"apps":[{"id":"cs-a","secret":"1"},{"id":"cs-b","secret":"2"}]}`, nil)
	keyed, _ := json.Marshal(map[string]any{"bot": map[string]string{"id": "st-a"}, "apps": []any{map[string]string{"id": "cs-a", "public_key": public}}})
	second := settle(t, string(keyed), first.Body)
	want := map[string]string{SecretID("st-a", "cs-a"): "", SecretID("st-a", "cs-b"): ""}
	if diff := cmp.Diff(want, second.Secrets); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	b, _ := ParseBody(second.Body)
	if diff := cmp.Diff([]string{"RS256", "RS512"}, b.Apps[0].Algorithms); diff != "" {
		t.Errorf("algorithms:\n%s", diff)
	}
	back := settle(t, `{"bot":{"id":"st-a"},"apps":[{"id":"cs-a"}]}`, second.Body)
	if len(back.Secrets[SecretID("st-a", "cs-a")]) != 43 || len(back.Shown) != 1 {
		t.Errorf("no new secret: %+v", back)
	}
}

func TestSettleRefuses(t *testing.T) {
	key, public := rsaKey(t)
	_ = key
	stored := settle(t, `{"bot":{"id":"st-a"},"apps":[{"id":"cs-a","secret":"1"}]}`, nil).Body
	pub, _ := json.Marshal(public)
	private, _ := json.Marshal("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
	tests := []struct{ text, field, says string }{
		{`{"bott":{}}`, "bott", `did you mean "bot"`},
		{`{"apps":[{"id":"cs-a"},{"secrte":"x"}]}`, "apps[1].secrte", `did you mean "secret"`},
		{`{"bot":{"zzzzzzzz":1}}`, "bot.zzzzzzzz", "known are"},
		{`[]`, "", "group of keys"},
		{`{"bot":"st-a"}`, "bot", "group of keys"},
		{`{"apps":[{"origins":["https://a.example",5]}]}`, "apps[0].origins[1]", "text"},
		{`{"apps":{"id":"cs-a"}}`, "apps", "list"},
		{`{"apps":[{"single_use_jwt":"yes"}]}`, "apps[0].single_use_jwt", "true or false"},
		{`{"bot":{"id":"cs-5b08"}}`, "bot.id", `begins with "st-"`},
		{`{"bot":{"id":"st-b"}}`, "bot.id", "cannot change"},
		{`{"bot":{"icon":"javascript:alert(1)"}}`, "bot.icon", "http"},
		{`{"apps":[{"id":"st-f74a"}]}`, "apps[0].id", `begins with "cs-"`},
		{`{"apps":[{"id":"cs-a/b"}]}`, "apps[0].id", "letters"},
		{`{"apps":[{"id":"cs-a"},{"id":"cs-a"}]}`, "apps[1].id", "apps[0]"},
		{`{"apps":[{"algorithms":["none"]}]}`, "apps[0].algorithms[0]", "cannot be used"},
		{`{"apps":[{"algorithms":["RS256"]}]}`, "apps[0].algorithms[0]", "public_key"},
		{`{"apps":[{"algorithms":["RS256"],"secret":"x","public_key":` + string(pub) + `}]}`, "apps[0].secret", "not used"},
		{`{"apps":[{"algorithms":["HS256"],"public_key":` + string(pub) + `}]}`, "apps[0].public_key", "not used"},
		{`{"apps":[{"public_key":"nonsense"}]}`, "apps[0].public_key", "PEM"},
		{`{"apps":[{"public_key":` + string(private) + `}]}`, "apps[0].public_key", "private key"},
		{`{"apps":[{"token_life":"1s"}]}`, "apps[0].token_life", "between"},
		{`{"apps":[{"token_life":"soon"}]}`, "apps[0].token_life", "duration"},
		{`{"apps":[{"origins":["www.example.com"]}]}`, "apps[0].origins[0]", "https://"},
		{`{"apps":[{"origins":["https://a.example/path"]}]}`, "apps[0].origins[0]", "origin"},
		{`{"apps":[{"origins":["https://*.example"]}]}`, "apps[0].origins[0]", "wildcard"},
	}
	for _, tt := range tests {
		_, err := Kind{}.Settle("website", json.RawMessage(tt.text), stored)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Field != tt.field || !strings.Contains(f.Safe, tt.says) {
			t.Errorf("%s\n got %v\nwant %s: ..%s..", tt.text, err, tt.field, tt.says)
		}
	}
}

func TestHints(t *testing.T) {
	s := settle(t, `{"bot":{"id":"st-a"},"apps":[{"id":"cs-short","secret":"abc"},{"id":"cs-good","origins":["https://a.example"]},{"id":"cs-lost"}]}`, nil)
	delete(s.Secrets, SecretID("st-a", "cs-lost"))
	hints := strings.Join(Hints(s.Body, func(id string) (string, error) {
		if v, ok := s.Secrets[id]; ok {
			return v, nil
		}
		return "", errors.New("gone")
	}), "\n")
	for _, want := range []string{"cs-short: its secret has 3 bytes", "cs-lost: its secret cannot be opened", "cs-short: any web page"} {
		if !strings.Contains(hints, want) {
			t.Errorf("hints lack %q:\n%s", want, hints)
		}
	}
	if strings.Contains(hints, "cs-good") || strings.Contains(hints, "abc;") {
		t.Errorf("hints say too much:\n%s", hints)
	}
}
