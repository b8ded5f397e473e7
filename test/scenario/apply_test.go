package scenario

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// TestOwnApp brings ids and secret of another system: clients go on with them,
// and the demo goes.
func TestOwnApp(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		demo := p.demo()
		guest, demoToken := p.visit(demo.Client("guest", nil))
		crowd.Exchange(t, guest, 1, "Hi")
		file := catalog(t, "Monday to Friday, 9 to 17.", "")
		p.secret(imported.Secret)

		dry := p.must("apply", "-f", file, "--dry-run")
		if !strings.Contains(dry, "nothing was changed") || !strings.Contains(dry, "website") {
			t.Errorf("a dry run says:\n%s", dry)
		}
		if got := p.must("channel", "list"); strings.Contains(got, "website") {
			t.Errorf("a dry run made a channel:\n%s", got)
		}
		applied := p.must("apply", "-f", file)
		for _, word := range []string{"website", "front-desk", "the demo is gone"} {
			if !strings.Contains(applied, word) {
				t.Errorf("apply does not say %q:\n%s", word, applied)
			}
		}
		noSecret(t, "apply", dry+applied)
		if again := p.must("apply", "-f", file); !strings.Contains(again, "nothing to change") {
			t.Errorf("the same catalog again:\n%s", again)
		}

		app := imported
		app.BaseURL = p.URL
		s, _ := p.visit(app.Client("customer@example.com", nil))
		wants(t, s, 1, "When are you open?", "Monday to Friday, 9 to 17.")
		wants(t, s, 2, "Wann habt ihr offen?", "Montag bis Freitag, 9 bis 17 Uhr.")

		if _, err := os.Stat(filepath.Join(p.Data, "demo.json")); !os.IsNotExist(err) {
			t.Errorf("demo.json is still there: %v", err)
		}
		if err := guest.Ended(t.Context()); err == nil {
			t.Error("the demo's socket is still open")
		}
		if _, err := demo.Client("guest", nil).Grant(t.Context()); rtmtest.Status(err) != http.StatusUnauthorized {
			t.Errorf("a grant with the demo's credentials: %v, want status 401", err)
		}
		// 401 would have web clients ask for a new grant without a pause.
		if _, err := demo.Client("guest", nil).Start(t.Context(), demoToken, ""); rtmtest.Status(err) != http.StatusForbidden {
			t.Errorf("a start with the demo's token: %v, want status 403", err)
		}
		shown := p.must("channel", "show", "website") + p.must("channel", "show", "website", "--json")
		noSecret(t, "channel show", shown)
		for _, word := range []string{app.ClientID, app.BotID, app.BotName} {
			if !strings.Contains(shown, word) {
				t.Errorf("channel show does not say %q:\n%s", word, shown)
			}
		}
		// It stays so after a restart.
		p.Restart()
		if _, err := os.Stat(filepath.Join(p.Data, "demo.json")); !os.IsNotExist(err) {
			t.Errorf("demo.json is back: %v", err)
		}
		late, _ := p.visit(app.Client("later@example.com", nil))
		wants(t, late, 1, "opening hours", "Monday to Friday, 9 to 17.")
	})
}

func noSecret(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, imported.Secret) {
		t.Errorf("%s shows the secret:\n%s", what, text)
	}
}

// TestFlowChanges applies a new definition while people talk: nobody is
// dropped, new talks get the new words.
func TestFlowChanges(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.ownApp("The old hours.")
		open, openToken := p.visit(app.Client("talking", nil))
		wants(t, open, 1, "opening hours", "The old hours.")

		if out := p.must("apply", "-f", catalog(t, "The new hours.", "")); !strings.Contains(out, "version 2") {
			t.Errorf("apply says:\n%s", out)
		}
		// Who is being served goes on with what was begun, over the same
		// socket.
		wants(t, open, 2, "opening hours", "The old hours.")
		fresh, _ := p.visit(app.Client("newcomer", nil))
		wants(t, fresh, 1, "opening hours", "The new hours.")
		// The end of the talk, by the client; the next message begins a new one.
		if err := open.Send(t.Context(), map[string]any{
			"clientMessageId": 3, "resourceid": "/bot.closeConversationSession", "id": 3, "client": "sdk",
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := open.ExpectAck(t.Context(), "3"); err != nil {
			t.Fatal(err)
		}
		wants(t, open, 4, "opening hours", "The new hours.")
		if _, err := app.Client("talking", nil).History(t.Context(), openToken, "limit=5"); err != nil {
			t.Error(err)
		}
	})
}

// TestBadCatalog changes nothing and says everything that is wrong, with file
// and line.
func TestBadCatalog(t *testing.T) {
	p := start(t, program.Options{})
	app := p.ownApp("The good hours.")
	s, _ := p.visit(app.Client("witness", nil))
	revision := p.must("channel", "show", "website", "--json")
	for name, test := range map[string]struct {
		text  string
		words []string
	}{
		"several mistakes": {strings.Replace(catalogText, "assistant: front-desk", "assistant: front-dek", 1) + "        algorithms: [none]\n        tokenlife: 1h\n",
			[]string{"catalog.yaml:6:", "front-dek", "catalog.yaml:12:", "tokenlife"}},
		"a misspelt type": {strings.Replace(catalogText, "type: rtm", "typ: rtm", 1), []string{"catalog.yaml:4:", "type"}},
		"not YAML":        {"channels: [", []string{"catalog.yaml:"}},
		"another bot id":  {strings.Replace(catalogText, "st-f74a3430", "st-00000000", 1), []string{"bot.id", "cannot change"}},
		"missing secret":  {strings.Replace(catalogText, "${file:secret}", "${env:NO_SUCH_SECRET}", 1), []string{"NO_SUCH_SECRET"}},
		"missing flow":    {strings.Replace(catalogText, "front-desk.flow.yaml", "other.flow.yaml", 1), []string{"other.flow.yaml"}},
		"wrong algorithm": {catalogText + "        algorithms: [none]\n", []string{"algorithms", "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := catalog(t, "The bad hours.", "")
			if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := p.run("apply", "-f", file)
			if got.Code != 2 {
				t.Errorf("the exit code is %d, want 2", got.Code)
			}
			for _, word := range test.words {
				if !strings.Contains(got.Stderr, word) {
					t.Errorf("the refusal does not say %q:\n%s", word, got.Stderr)
				}
			}
			noSecret(t, "the refusal", got.Stdout+got.Stderr)
			if now := p.must("channel", "show", "website", "--json"); now != revision {
				t.Errorf("something was changed: %s", now)
			}
		})
	}
	t.Run("bad flow", func(t *testing.T) {
		got := p.run("apply", "-f", catalog(t, "The bad hours.\", wellcome: \"x", ""))
		if got.Code != 2 || !strings.Contains(got.Stderr, "front-desk.flow.yaml:") {
			t.Errorf("exit code %d:\n%s", got.Code, got.Stderr)
		}
	})
	wants(t, s, 1, "opening hours", "The good hours.")
}

// TestDisabledChannel keeps the channel and refuses everybody with 403, which
// does not make web clients loop.
func TestDisabledChannel(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.ownApp("Hours.")
		client := app.Client("customer", nil)
		s, token := p.visit(client)
		crowd.Exchange(t, s, 1, "opening hours")
		p.must("apply", "-f", catalog(t, "Hours.", "    disabled: true\n"))
		if s.Ended(t.Context()) == nil {
			t.Error("the socket is still open")
		}
		if _, err := client.Start(t.Context(), token, ""); rtmtest.Status(err) != http.StatusForbidden {
			t.Errorf("start: %v, want status 403", err)
		}
		if _, err := client.Grant(t.Context()); rtmtest.Status(err) != http.StatusForbidden {
			t.Errorf("grant: %v, want status 403", err)
		}
		if _, err := client.History(t.Context(), token, "limit=10"); rtmtest.Status(err) != http.StatusForbidden {
			t.Errorf("history: %v, want status 403", err)
		}
		if list := p.must("channel", "list"); !strings.Contains(list, "disabled") {
			t.Errorf("channel list does not say so:\n%s", list)
		}
		p.must("apply", "-f", catalog(t, "Hours.", ""))
		back := crowd.Connect(t, client, token, "isReconnect=true")
		wants(t, back, 2, "opening hours", "Hours.")
	})
}

// TestHandOverWithoutDesk tells people honestly that nobody can be reached.
func TestHandOverWithoutDesk(t *testing.T) {
	onEngines(t, func(t *testing.T, p *install) {
		app := p.ownApp("Hours.")
		s, _ := p.visit(app.Client("customer", nil))
		crowd.Say(t, s, 1, "Talk to a person")
		for _, want := range []string{"I will ask a colleague.", "Nobody is here right now, but I am."} {
			if _, err := s.ExpectText(t.Context(), "bot_response", want); err != nil {
				t.Fatal(err)
			}
		}
		wants(t, s, 2, "opening hours", "Hours.") // the assistant is still there
		wants(t, s, 3, "xyzzy", "Sorry, I did not get that.")
		wants(t, s, 4, "plugh", "Sorry, I did not get that.")
		wants(t, s, 5, "frotz", "Nobody is here right now, but I am.")
		var shown struct {
			Episode struct {
				Control string `json:"control"`
				Open    bool   `json:"open"`
			} `json:"episode"`
		}
		id := p.admin().Conversations(t)[app.Place("customer")].ID
		if err := json.Unmarshal([]byte(p.must("conversation", "show", id, "--json")), &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Episode.Control != "assistant" || !shown.Episode.Open {
			t.Errorf("control is with %q, want the assistant", shown.Episode.Control)
		}
	})
}
