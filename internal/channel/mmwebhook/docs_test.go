package mmwebhook_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/program"
)

// TestMain removes the program that TestDocs has built, if it had to.
func TestMain(m *testing.M) { os.Exit(binary.Main(m)) }

// binary has to outlive the tests, see [program.Binary.Main].
var binary program.Binary

// blocks are the code blocks of a language in a page.
func blocks(page, kind string) []string {
	var all []string
	for i, part := range strings.Split(page, "\n```"+kind+"\n") {
		if block, _, ok := strings.Cut(part, "\n```"); ok && i > 0 {
			all = append(all, block+"\n")
		}
	}
	return all
}

// TestDocs runs the commands of docs/mattermost-webhook.md as they stand there,
// against the real program and a real server, and compares what they print.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/mattermost-webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := blocks(string(page), "sh")
	_, after, _ := strings.Cut(string(page), "The last command prints:\n\n```\n")
	printed, _, ok := strings.Cut(after, "```")
	if len(scripts) != 1 || !ok {
		t.Fatalf("%d walks, output %q", len(scripts), printed)
	}
	mm := mmtest.Start(t)
	parley := binary.Serve(t, program.Options{})
	tools := t.TempDir()
	if err := os.Symlink(binary.Path(t), filepath.Join(tools, "parley")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail")
	cmd.Stdin = strings.NewReader(scripts[0])
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "PARLEY_DATA="+parley.Data, "PARLEY="+parley.URL,
		"MM="+mm.URL, "ADMIN="+mm.Admin.Token, "MEMBER="+mm.Alice.Token, "TEAM="+mm.Team.ID, "CHANNEL="+mm.Lobby.ID)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), printed) {
		t.Errorf("%v, printed\n%s\nnot at the end\n%s", err, out, printed)
	}
	if !strings.Contains(string(out), "ok    incoming webhook") {
		t.Errorf("the test of the channel is not in\n%s", out)
	}
}

// Every key that is taken has its line, and every result of the metric that
// somebody may look up.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../../../docs/mattermost-webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`outgoing_token`", "`incoming_url`", "`trigger_words`", "`bot`", "`answer`", "`callback_key`", "`loop_limit`", "`ca_file`, `proxy`", "`id`",
		"unknown_address", "bad_token", `"invalid"`, `"failed"`, `"loop"`, `"repeat"`, "address forbidden", "AllowedUntrustedInternalConnections"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not name %s", want)
		}
	}
}
