package flow

import (
	"fmt"
	"io"
	"strings"
)

// WriteTo writes the results for a terminal: a line for each test, under a
// failed one what was expected and what came, and a summary.
func (r Results) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, t := range r.Tests {
		if t.Passed {
			fmt.Fprintf(&b, "ok    %s\n", t.Name)
			continue
		}
		fmt.Fprintf(&b, "FAIL  %s:%d: %s\n", r.File, t.Line, t.Name)
		fmt.Fprintf(&b, "      after %s\n", indent(t.After, "            "))
		for _, d := range t.Differences {
			d.write(&b, r.File)
		}
	}
	passed := len(r.Tests) - r.Failed()
	fmt.Fprintf(&b, "%s: %d of %s passed\n", r.File, passed, count(len(r.Tests), "test", "tests"))
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (d Difference) write(b *strings.Builder, file string) {
	expected, got := d.Expected, d.Got
	if strings.Join(strings.Fields(expected), " ") == strings.Join(strings.Fields(got), " ") {
		// Only spaces differ: make them visible.
		expected, got = fmt.Sprintf("%q", expected), fmt.Sprintf("%q", got)
	}
	if expected == "" {
		expected = "nothing more"
	}
	if got == "" {
		got = "nothing"
	}
	const pad = "                  "
	fmt.Fprintf(b, "      %s:%d:\n", file, d.Line)
	fmt.Fprintf(b, "        expected  %s\n", indent(expected, pad))
	fmt.Fprintf(b, "        got       %s\n", indent(got, pad))
}

func indent(s, pad string) string { return strings.ReplaceAll(s, "\n", "\n"+pad) }

// Endings of file names.
const (
	flowEnding  = ".flow.yaml"
	testsEnding = ".test.yaml"
)

// Pair returns the names of a definition and of its tests beside it, from the
// name of either: front-desk.flow.yaml and front-desk.test.yaml. ok is false
// for a name that ends otherwise.
func Pair(file string) (definition, tests string, ok bool) {
	for _, ending := range []string{flowEnding, testsEnding} {
		if base, ok := strings.CutSuffix(file, ending); ok {
			return base + flowEnding, base + testsEnding, true
		}
	}
	return "", "", false
}
