package app

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"parley/internal/catalog"
	"parley/internal/catalog/catalogtest"
	"parley/internal/channel/mattermost"
)

// Every type of channel can be changed key by key: what is not named stays as
// it is, and a secret never goes to another server than it was given for.
func TestSetOnEveryType(t *testing.T) {
	a := &App{Options: options(settings(t, t.TempDir(), nil), &logbook{})}
	kept := catalogtest.NewStore()
	service, err := catalog.New(catalog.Options{Store: kept, Sealer: catalogtest.Box(), Kinds: a.kinds(), Types: channelTypes(mattermost.Kind{})})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := real("flow", "flow: 1\nlanguages: [en]\n")
	const token = "abcdefghijklmnopqrstuvwxyz"
	for name, one := range map[string]struct{ typ, settings string }{
		"team":  {"mattermost", `{"server":"http://127.0.0.1:1","token":"` + token + `"}`},
		"login": {"mattermost", `{"server":"http://127.0.0.1:3","user":"bot","password":"the-password"}`},
		"hook": {"mattermost-webhook", `{"outgoing_token":["` + token + `",{"token":"zyxwvutsrqponmlkjihgfedcba","until":"2030-01-01"}],
			"callback_key":"a-callback-key-of-24-char","incoming_url":"http://127.0.0.1:1/hooks/` + token + `","trigger_words":["#a"]}`},
	} {
		m.Channels[name] = catalog.ChannelSpec{Type: one.typ, Assistant: "own", Settings: json.RawMessage(one.settings)}
	}
	ctx := context.Background()
	if _, err := service.Apply(ctx, m, catalog.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	set := func(name, key, value string) ([]string, error) {
		done, err := service.SetChannel(ctx, name, []catalog.SettingChange{{Key: key, Value: json.RawMessage(value)}}, catalog.AddOptions{Force: true})
		var lines []string
		for _, c := range done.Result.Changes {
			for _, line := range c.Diff {
				if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") || strings.HasPrefix(line, "~") {
					lines = append(lines, line)
				}
			}
		}
		return lines, err
	}
	for _, step := range []struct{ name, key, value, want string }{
		{"site", "bot.name", `"Other"`, "-  name: Real|+  name: Other"},
		{"site", "apps[0].secret", `"another-secret-of-at-least-32-characters"`, "~ secret cs-00000000-0000-4000-8000-000000000001/secret: changed"},
		{"team", "answer", `"always"`, "-answer: mention|+answer: always"},
		{"team", "token", `"nbcdefghijklmnopqrstuvwxyz"`, "~ secret token: changed"},
		{"login", "password", `"another-password"`, "~ secret password: changed"},
		{"hook", "loop_limit", `7`, "-loop_limit: 20|+loop_limit: 7"},
		{"hook", "trigger_words", `""`, "-trigger_words:|-  - '#a'"},
		{"hook", "outgoing_token[0].token", `"nbcdefghijklmnopqrstuvwxyz"`, "~ secret outgoing_token/1: changed"},
		{"hook", "callback_key", `"another-callback-key-of-24"`, "~ secret callback_key/1: changed"},
		{"hook", "incoming_url", `"http://127.0.0.1:1/hooks/nbcdefghijklmnopqrstuvwxyz"`, "~ secret incoming_url: changed"},
		{"hook", "incoming_url", `""`, "-server: http://127.0.0.1:1|- secret incoming_url: removed"},
	} {
		ids := strings.Join(kept.SecretIDs(), " ")
		lines, err := set(step.name, step.key, step.value)
		if got := strings.Join(lines, "|"); err != nil || got != step.want {
			t.Errorf("%s %s=%s: %q, want %q; %v", step.name, step.key, step.value, got, step.want, err)
		}
		if now := strings.Join(kept.SecretIDs(), " "); now != ids && !strings.Contains(step.want, "removed") {
			t.Errorf("%s %s=%s: secrets %s, were %s", step.name, step.key, step.value, now, ids)
		}
	}
	for name, missing := range map[string]string{"team": "token", "login": "password"} {
		var found catalog.Problems
		if _, err := set(name, "server", `"http://127.0.0.1:2"`); !errors.As(err, &found) || found[0].Path != "channels."+name+"."+missing {
			t.Errorf("%s goes to another server with the old %s: %v", name, missing, err)
		}
	}
}
