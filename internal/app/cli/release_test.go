package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/app/cli"
	"parley/internal/catalog"
)

// write puts files into a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// step is one command with its code and what it must say.
type step struct {
	args []string
	code int
	want []string
}

func (o *online) walk(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		code, stdout, stderr := o.parley(context.Background(), s.args...)
		if code != s.code {
			t.Errorf("%v: code %d, want %d\n%s%s", s.args, code, s.code, stdout, stderr)
		}
		for _, want := range s.want {
			if !strings.Contains(stdout+stderr, want) {
				t.Errorf("%v: no %q in\n%s%s", s.args, want, stdout, stderr)
			}
		}
	}
}

const flowOf = "flow: 1\nlanguages: [en]\nwelcome: { say: % }\n"

func say(text string) map[string]string {
	return map[string]string{"desk.flow.yaml": strings.Replace(flowOf, "%", text, 1)}
}

func TestReleases(t *testing.T) {
	o, dir := serve(t), t.TempDir()
	write(t, dir, say("One"))
	write(t, dir, map[string]string{"assistants.yml": "assistants:\n  desk: { kind: flow, definition: desk.flow.yaml }\n", "channels.yaml": `channels:
  site: { type: rtm, assistant: desk, bot: { id: st-1, name: Desk }, apps: [{ id: cs-1 }] }
  shop: { type: rtm, assistant: desk, bot: { id: st-2, name: Shop }, apps: [{ id: cs-2 }] }
`})
	apply := []string{"apply", "-f", dir}
	o.walk(t, []step{{apply, 0, []string{"create    assistant desk (version 1)", "create    channel shop"}}})
	write(t, dir, say("Two"))
	o.walk(t, []step{
		{append(apply, "--draft", "--dry-run"), 0, []string{"create    draft desk", "-  welcome: { say: One }", "+  welcome: { say: Two }", "dry run"}},
		{append(apply, "--draft"), 0, []string{"create    draft desk\n", "unchanged channel site"}},
		{[]string{"assistant", "show", "desk"}, 0, []string{"say: One", "version 1, desk.flow.yaml"}},
		{[]string{"assistant", "show", "desk", "--draft"}, 0, []string{"say: Two", "Definition (draft"}},
		{[]string{"assistant", "show", "desk", "--draft", "--version", "1"}, 2, []string{"can't be used together"}},
		{[]string{"assistant", "publish", "desk", "--channel", "shop"}, 0, []string{"update    assistant desk (version 2)", "delete    draft desk", "update    channel shop", "+assistant_version: 2"}},
		{[]string{"assistant", "list"}, 0, []string{"desk  flow  1        -      shop, site  shop at 2"}},
		{[]string{"channel", "list"}, 0, []string{"st-2  stays with version 2"}},
		{[]string{"assistant", "versions", "desk"}, 0, []string{"pinned by shop", "in force"}},
		{[]string{"assistant", "publish", "desk", "--version", "2"}, 0, []string{"update    assistant desk (version 2)"}},
		{[]string{"assistant", "publish", "desk", "--follow"}, 0, []string{"-assistant_version: 2", "unchanged channel site"}},
		{[]string{"assistant", "versions", "desk"}, 0, []string{"where a roll-back goes"}},
		{[]string{"assistant", "rollback", "desk"}, 0, []string{"update    assistant desk (version 1)", "+  welcome: { say: One }"}},
		{[]string{"assistant", "rollback", "desk"}, 1, []string{"nothing to go back to"}},
		{[]string{"assistant", "rollback", "desk", "--to", "2"}, 1, []string{"publish desk --version 2"}},
		{append(apply, "--dry-run"), 0, []string{"+  welcome: { say: Two }"}},
		{[]string{"assistant", "publish", "dek"}, 3, []string{`did you mean "desk"`}},
		{[]string{"assistant", "show", "desk", "--version", "9"}, 3, []string{"no version 9"}},
	})
}

func TestExport(t *testing.T) {
	o, dir, out := serve(t), t.TempDir(), filepath.Join(t.TempDir(), "deep", "out")
	write(t, dir, say("One"))
	write(t, dir, map[string]string{"catalog.yaml": `assistants:
  desk: { kind: flow, definition: desk.flow.yaml }
channels:
  site: { type: rtm, assistant: desk, bot: { id: st-1, name: Desk }, apps: [{ id: cs-1, secret: "hidden-secret" }] }
`})
	t.Setenv("SITE_APPS_0_SECRET", "hidden-secret")
	o.walk(t, []step{
		{[]string{"apply", "-f", dir}, 0, nil},
		{[]string{"catalog", "export"}, 0, []string{"secret: ${env:SITE_APPS_0_SECRET}", "the definition it names is not in it"}},
		{[]string{"catalog", "export", "-o", out}, 0, []string{"wrote " + filepath.Join(out, "catalog.yaml"), "wrote " + filepath.Join(out, "desk.flow.yaml"), "needs SITE_APPS_0_SECRET: channel site, apps[0].secret"}},
		{[]string{"catalog", "export", "-o", out}, 1, []string{"is there already; nothing was written"}},
		{[]string{"catalog", "export", "-o", out, "--force"}, 0, nil},
		{[]string{"catalog", "export", "-o", filepath.Join(out, "other.yaml")}, 1, []string{"desk.flow.yaml is there already"}},
		{[]string{"apply", "-f", out, "--dry-run"}, 0, []string{"nothing to change"}},
	})
	if _, err := os.Stat(filepath.Join(out, "other.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused export wrote a file: %v", err)
	}
	written, err := os.ReadFile(filepath.Join(out, "catalog.yaml"))
	if err != nil || strings.Contains(string(written), "hidden-secret") {
		t.Errorf("the export shows a secret, or is gone (%v):\n%s", err, written)
	}
}

// person answers questions in order.
type person struct {
	answers []string
	asked   []string
}

func (p *person) Ask(prompt string, hidden bool) (string, error) {
	if hidden {
		prompt += "(hidden)"
	}
	p.asked = append(p.asked, prompt)
	if len(p.answers) == 0 {
		return "", errors.New("asked too often")
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer, nil
}

// with runs a command with somebody at the keyboard.
func (o *online) with(who cli.Terminal, args ...string) (int, string) {
	var out bytes.Buffer
	p := cli.Program{Backend: nobody{}, Stdout: &out, Stderr: &out, Host: catalog.OS{}, Terminal: who}
	return p.Run(context.Background(), append(args, "--data", o.dir)), out.String()
}

func TestChannelAddAsks(t *testing.T) {
	o, dir := serve(t), t.TempDir()
	none := &person{}
	if code, out := o.with(none, "channel", "add", "rtm"); code != 3 || !strings.Contains(out, "there is no assistant yet") || len(none.asked) > 0 {
		t.Errorf("without an assistant: code %d, asked %q\n%s", code, none.asked, out)
	}
	write(t, dir, say("One"))
	write(t, dir, map[string]string{"catalog.yaml": "assistants:\n  desk: { kind: flow, definition: desk.flow.yaml }\n", "token": "secret-in-a-file\n"})
	o.walk(t, []step{{[]string{"apply", "-f", dir}, 0, nil}})

	// The bot is wrong: nothing is stored, and the mend is said.
	wrong := &person{answers: []string{"", "", "Wrong", "", "hidden-secret", ""}}
	code, out := o.with(wrong, "channel", "add", "rtm", "--set", "bot.id=st-9")
	if code != 1 || !strings.Contains(out, "fail  bot") || !strings.Contains(out, "give it another name") || !strings.Contains(out, "nothing was stored") {
		t.Errorf("a failed test: code %d\n%s", code, out)
	}
	want := []string{
		"assistant that answers (there is: desk) [desk]: ", "name of the bot (what clients see): ", "name of the bot (what clients see): ",
		"client id [cs-asked]: ", "client secret: (hidden)", "pages: ",
	}
	if diff := cmp.Diff(want, wrong.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	o.walk(t, []step{{[]string{"channel", "list"}, 0, []string{"there is none"}}})

	right := &person{answers: []string{"desk", "Desk", "", "hidden-secret", "https://a.example, https://b.example,"}}
	code, out = o.with(right, "channel", "add", "rtm")
	for _, want := range []string{"ok    bot", "create    channel rtm (version 1)", "What to paste where:", "base URL  https://chat.example.com", "- https://b.example", "- id: cs-asked"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s", code, want, out)
		}
	}
	if strings.Contains(out, "hidden-secret") || len(right.answers) > 0 {
		t.Errorf("a secret was shown, or answers are left %q\n%s", right.answers, out)
	}

	// A script answers beforehand and is not asked.
	t.Setenv("BOT", "From The Environment")
	script := []string{"channel", "add", "rtm", "--set", "bot.name=${env:BOT}", "--set", "apps[0].secret=@" + filepath.Join(dir, "token")}
	o.walk(t, []step{
		{script, 0, []string{"create    channel rtm-2 (version 1)", "From The Environment"}},
		{append(script, "--json"), 0, []string{`"stored": true`, `"name": "rtm-3"`, `"level": "ok"`}},
		{append(script, "--set", "made=[up, 7]"), 2, []string{"rtm-4", `unknown field "made"`}},
		{[]string{"channel", "add", "rtm", "site"}, 2, []string{"bot.name is missing", "--set bot.name=..."}},
		{[]string{"channel", "add", "rtm", "site", "--set", "bot.name=x"}, 2, []string{"--set apps[0].secret=@FILE"}},
		{[]string{"channel", "add", "rtm", "site", "--set", "bot.name=x", "--set", "apps[0].secret=short"}, 2, []string{"apps[0].secret: has fewer than 8 bytes"}},
		{[]string{"channel", "add", "rtm", "site", "--set", "bot.name=Wrong", "--set", "apps[0].secret=long-enough", "--json"}, 1, []string{`"stored": false`, `"mend": "give it another name"`}},
		{[]string{"channel", "add", "rtm", "site", "--set", "bot.name=Wrong", "--set", "apps[0].secret=long-enough", "--force"}, 0, []string{"fail  bot", "create    channel site"}},
		{[]string{"channel", "test", "site"}, 1, []string{"fail  bot", "give it another name"}},
		{[]string{"channel", "add", "rtm", "site", "--set", "bot.name=x", "--set", "apps[0].secret=long-enough"}, 1, []string{"already"}},
		{[]string{"channel", "add", "rtn"}, 3, []string{`did you mean "rtm"`}},
		{[]string{"channel", "add", "rtm", "--set", "novalue"}, 2, []string{"is not KEY=VALUE"}},
		{[]string{"channel", "add", "rtm", "--set", "bot.name=@" + dir + "/none"}, 2, []string{"does not exist"}},
		{[]string{"channel", "add", "rtm", "--set", "bot.name=${env:PARLEY_NONE}"}, 2, []string{"environment variable PARLEY_NONE is not set"}},
		{[]string{"channel", "disable", "site"}, 0, []string{"+disabled: true", "without disabled: true"}},
		{[]string{"channel", "list"}, 0, []string{"st-site  disabled"}},
		{[]string{"channel", "enable", "site"}, 0, []string{"-disabled: true"}},
		{[]string{"channel", "enable", "site"}, 0, []string{"nothing to change"}},
		{[]string{"channel", "disable", "sit"}, 3, []string{`did you mean "site"`}},
		{[]string{"channel", "delete", "site"}, 2, []string{"parley channel disable site"}},
	})
}
