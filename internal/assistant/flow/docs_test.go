package flow_test

import (
	"os"
	"strings"
	"testing"

	"parley/internal/assistant/flow"
)

// TestDocs holds the page for authors to what it says: its example compiles
// without a warning, its conversations pass, and every key has its line.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/flow.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(page), "```yaml\n") {
		if block, _, ok := strings.Cut(part, "```"); ok && i > 0 {
			blocks = append(blocks, block)
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d examples, want the flow and its tests", len(blocks))
	}
	r := flow.Check("front-desk.flow.yaml", []byte(blocks[0]))
	for _, p := range append(r.Errors, r.Warnings...) {
		t.Error(p)
	}
	a, err := flow.Compile("front-desk.flow.yaml", []byte(blocks[0]))
	if err != nil {
		t.Fatal(err)
	}
	results, err := flow.RunTests(a, "front-desk.test.yaml", []byte(blocks[1]))
	if err != nil {
		t.Fatal(err)
	}
	if !results.OK() || len(results.Tests) < 3 {
		var b strings.Builder
		if _, err := results.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		t.Errorf("\n%s", b.String())
	}
	for _, key := range []string{
		"flow", "languages", "welcome", "faq", "did_you_mean", "not_understood", "nobody", "say", "choices", "buttons", "image",
		"title", "value", "url", "id", "ask", "handover", "suggest",
	} {
		if !strings.Contains(string(page), "\n| `"+key+"`") {
			t.Errorf("the page has no line about %s", key)
		}
	}
}
