// Package scenario walks through a whole Parley the way its users do: the
// program as it is shipped, clients on the wire, an operator at the keyboard.
package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/program"
)

// patience bounds every wait. Most take milliseconds on a quiet machine.
const patience = 3 * time.Minute

var (
	parley program.Binary
	pg     = pgtest.New(pgtest.Options{})
)

func TestMain(m *testing.M) {
	code := parley.Main(m)
	if err := pg.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "close PostgreSQL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// install is one Parley: a server, its data, and the operator's command line.
// Its log has everything that is ever logged, and no secret is allowed in it.
type install struct {
	*program.Server
	t   *testing.T
	env []string

	mu      sync.Mutex
	secrets []string
}

// onEngines runs a scenario on a fresh install with each engine.
func onEngines(t *testing.T, test func(t *testing.T, p *install)) {
	t.Run("sqlite", func(t *testing.T) { test(t, start(t, program.Options{})) })
	t.Run("postgres", func(t *testing.T) {
		test(t, start(t, program.Options{Env: []string{"PARLEY_DATABASE=" + pg.Database(t)}}))
	})
}

func start(t *testing.T, o program.Options) *install {
	t.Helper()
	o.Env = append(o.Env, "PARLEY_LOG_LEVEL=debug")
	p := &install{t: t, env: o.Env, Server: parley.Serve(t, o)}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		crowd.NoSecrets(t, p.Logs(), p.secrets...)
	})
	return p
}

// secret notes what the log must not show.
func (p *install) secret(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets = append(p.secrets, texts...)
}

// demo reads demo.json.
func (p *install) demo() crowd.App {
	p.t.Helper()
	app, err := crowd.Demo(p.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	p.secret(app.Secret)
	return app
}

// visit logs in somebody new.
func (p *install) visit(client *rtmtest.Client) (*rtmtest.Socket, string) {
	p.t.Helper()
	s, token := crowd.Visit(p.t, client)
	p.secret(token)
	return s, token
}

// run runs a command on this install's data.
func (p *install) run(args ...string) program.Result {
	p.t.Helper()
	return parley.Run(p.t, p.env, append(slices.Clone(args), "--data", p.Data)...)
}

// must runs a command that has to work, and returns its standard output.
func (p *install) must(args ...string) string {
	p.t.Helper()
	got := p.run(args...)
	if got.Code != 0 {
		p.t.Fatalf("parley %v ended with %d:\n%s%s", args, got.Code, got.Stdout, got.Stderr)
	}
	return got.Stdout
}

func (p *install) admin() crowd.Admin {
	return crowd.Admin{Binary: &parley, Data: p.Data, Env: p.env}
}

// The owner's own app, as another system has issued it before.
var imported = crowd.App{
	ClientID: "cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739", Secret: "imported-secret-of-the-old-system-0001",
	BotID: "st-f74a3430-3b19-55a3-be41-1ab1a35c4685", BotName: "Front Desk",
}

const flowText = `flow: 1
languages: [en, de]
welcome:
  say: { en: "Hello! Ask me anything about your order.", de: "Hallo! Fragen zur Bestellung? Gern." }
  choices: ["When are you open?", Talk to a person]
faq:
  - id: opening-hours
    ask: { en: ["When are you open?", opening hours], de: ["Wann habt ihr offen?", Öffnungszeiten] }
    say: { en: "HOURS", de: "Montag bis Freitag, 9 bis 17 Uhr." }
  - id: person
    ask: [Talk to a person, human please]
    say: I will ask a colleague.
    handover: support
nobody:
  say: { en: "Nobody is here right now, but I am.", de: "Gerade ist niemand da, aber ich." }
not_understood:
  say: { en: "Sorry, I did not get that.", de: "Das habe ich nicht verstanden." }
  suggest: false
  handover: { after: 3, queue: support }
`

const catalogText = `assistants:
  front-desk: { kind: flow, definition: front-desk.flow.yaml }
channels:
  website:
    type: rtm
    assistant: front-desk
    bot: { id: st-f74a3430-3b19-55a3-be41-1ab1a35c4685, name: Front Desk }
    apps:
      - id: cs-5b08ed1e-5fa7-5aaa-9c21-28bf8c90b739
        secret: ${file:secret}
`

// catalog writes an owner's files and returns the catalog's path. hours is what
// the flow answers when asked for opening hours; extra is added to the channel.
func catalog(t *testing.T, hours, extra string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"front-desk.flow.yaml": strings.Replace(flowText, "HOURS", hours, 1),
		"catalog.yaml":         catalogText + extra,
		"secret":               imported.Secret + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "catalog.yaml")
}

// ownApp applies the owner's catalog and returns the app it makes.
func (p *install) ownApp(hours string) crowd.App {
	p.t.Helper()
	p.must("apply", "-f", catalog(p.t, hours, ""))
	app := imported
	app.BaseURL = p.URL
	p.secret(app.Secret)
	return app
}

// wants fails unless an answer says text.
func wants(t *testing.T, s *rtmtest.Socket, id int64, say, text string) {
	t.Helper()
	answer, _ := crowd.Exchange(t, s, id, say)
	if got := answer.Text(); got != text {
		t.Errorf("%q is answered with %q, want %q", say, got, text)
	}
}
