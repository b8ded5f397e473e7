package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/app/cli"
	"parley/internal/catalog"
)

// A new secret comes from standard input, a file or the environment, and is
// never shown.
func TestChannelSet(t *testing.T) {
	o := serve(t)
	ctx := context.Background()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("NEW_SECRET", "secret-of-the-environment")
	t.Setenv("BOT_NAME", "Name-of-the-environment")
	file := write("secret", "secret-of-a-file\n")
	catalogFile := write("catalog.yaml", "assistants:\n  desk:\n    kind: flow\n    definition: |\n      flow: 1\n      languages: [en]\n"+
		"channels:\n  site: { type: rtm, assistant: desk, bot: { id: st-1, name: Desk }, apps: [{ id: cs-1 }] }\n")
	if code, out, errs := o.parley(ctx, "apply", "-f", catalogFile); code != 0 {
		t.Fatal(out, errs)
	}
	const changed = "~ secret cs-1: changed"
	for _, step := range []struct {
		stdin string
		set   []string
		code  int
		want  string
	}{
		{"secret-of-a-pipe\n", []string{"apps[0].secret=-"}, 0, changed},
		{"secret-of-a-pipe", []string{"apps[0].secret=-"}, 0, "nothing to change; revision 2 is in place"},
		{"", []string{"apps[0].secret=@" + file}, 0, changed},
		{"", []string{"apps[0].secret=${env:NEW_SECRET}"}, 0, changed},
		{"", []string{"apps[0].secret=${file:" + file + "}"}, 0, changed},
		{"", []string{"bot.name=Reception", "apps[0].origins=https://a.example, https://b.example"}, 0, "+  name: Reception"},
		{"", []string{"bot.name=${env:BOT_NAME}"}, 0, "+  name: [hidden]"},
		{"", []string{"bot.name=Wrong"}, 1, "nothing was stored"},
		{"", []string{"--force", "bot.name=Wrong"}, 0, "the bot is wrong"},
		{"", []string{"apps[0].secret=-"}, 2, "apps[0].secret: standard input is empty"},
		{strings.Repeat("x", 70_000), []string{"apps[0].secret=-"}, 2, "more than 64 KiB"},
		{"x", []string{"bot.name=-", "apps[0].secret=-"}, 2, "which is for bot.name already"},
		{"", []string{"apps[0].secret=${env:NONE}"}, 2, "environment variable NONE is not set"},
		{"", []string{"apps[0].secret=@" + file + "x"}, 2, "does not exist"},
		{"", []string{"bot.name"}, 2, "is not KEY=VALUE"},
		{"", []string{"apps[1].secret=short"}, 2, "apps[1].secret: has fewer than 8 bytes"},
		{"", []string{"type=mattermost"}, 2, "type: cannot change"},
		{"", nil, 2, "key=value"},
	} {
		var out, errs bytes.Buffer
		p := cli.Program{Backend: nobody{}, Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(step.stdin), Host: catalog.OS{}}
		code := p.Run(ctx, append([]string{"channel", "set", "site", "--data", o.dir}, step.set...))
		said := out.String() + errs.String()
		if code != step.code || !strings.Contains(said, step.want) {
			t.Errorf("%q: code %d, want %d with %q\n%s", step.set, code, step.code, step.want, said)
		}
		// What is in force may be shown as a setting; what was filled in, not.
		if strings.Contains(said, "secret-of") || strings.Contains(said, "Name-of") && strings.Contains(step.set[0], "BOT_NAME") {
			t.Errorf("%q shows a value:\n%s", step.set, said)
		}
	}
	if code, out, errs := o.parley(ctx, "channel", "set", "site", "assistant=desk", "bot.name=Desk", "--json"); code != 0 || !strings.Contains(out, `"stored": true`) {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	if code, _, errs := o.parley(ctx, "channel", "set", "sit", "bot.name=x"); code != 3 || !strings.Contains(errs, `did you mean "site"?`) {
		t.Errorf("code %d: %s", code, errs)
	}
}
