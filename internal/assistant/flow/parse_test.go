package flow_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/internal/assistant/flow"
	"parley/internal/fault"
)

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// complaints returns the lines of a refusal without the file name.
func complaints(t *testing.T, definition string) []string {
	t.Helper()
	_, err := flow.Compile("f.flow.yaml", []byte(definition))
	if err == nil {
		return nil
	}
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("kind %s, want invalid", fault.KindOf(err))
	}
	var out []string
	for _, line := range strings.Split(fault.Message(err), "\n") {
		rest, ok := strings.CutPrefix(line, "f.flow.yaml:")
		if !ok {
			t.Errorf("%q does not begin with the file", line)
		}
		out = append(out, rest)
	}
	return out
}

// agree compares complaints with the beginnings that are wanted, in order.
func agree(t *testing.T, got, want []string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestDefinitions(t *testing.T) {
	for _, d := range documents() {
		t.Run(d.name, func(t *testing.T) { agree(t, complaints(t, d.text), d.wrong) })
	}
}

// TestSyntax is about YAML's own traps: each gets its place and a word about
// what to do.
func TestSyntax(t *testing.T) {
	const at = head + "faq:\n  - id: a\n    "
	tests := []struct{ name, text, want string }{
		{"a question mark in brackets", at + "ask: [Where is it?, b]\n", `5:22: a question mark ends unquoted text inside brackets; put the item into quotes: "Where is it?"`},
		{"in the middle of an item", at + "ask: [Where? I ask, b]\n", `5:16: a question mark ends unquoted text inside brackets; put the item into quotes: "Where? I ask"`},
		{"the last in brackets", at + "ask: [b, Where is it?]\n", `5:25: a question mark`},
		{"inside braces", at + "ask: { en: [why?] }\n", `5:20: a question mark ends unquoted text inside brackets; put the item into quotes: "why?"`},
		{"on the first line", "faq: [{ask: why?}]\n", `1:16: a question mark`},
		{"after brackets that are well", at + "say: [\"a?\", b] # why? [no?]\n    ask: [c?]\n", `6:12: a question mark`},
		{"over several lines", at + "ask: [\n      a,\n      b?,\n    ]\n", `7:8: a question mark`},
		{"brackets left open", at + "ask: [a, b\n    say: c\n", `5:10: this [ is not closed`},
		{"braces left open", head + "welcome: { say: a\nnobody: b\n", `3:10: this { is not closed`},
		{"a tab", head + "welcome:\n\tsay: Hi\n", "4:1: a tab stands where spaces belong"},
		{"a tab after spaces", head + "welcome:\n  say: Hi\n \tchoices: [a]\n", "5:2: a tab stands where spaces belong"},
		{"a colon", at + "say: Note: this\n", "5:14: a second colon in one line"},
		{"a star", at + "say: *bold* text\n", "5:10: text that begins with * needs quotes"},
		{"an at sign", at + "say: @home\n", "5:10: text that begins with @ needs quotes"},
		{"a backtick", at + "say: `code`\n", "5:10: text that begins with ` needs quotes"},
		{"a per cent sign", at + "say: %x\n", "5:10: text that begins with % needs quotes"},
		{"text after a quote", at + "say: \"Say \"hi\" now\"\n", "5:16: this does not fit what stands before"},
		{"a quote left open", at + "say: \"abc\n", "5:10: a quote that opens here or above is not closed"},
		{"an unknown escape", at + `say: "a\qb"` + "\n", `5:12: \ has a meaning inside "double quotes"`},
		{"indentation back by half", "flow: 1\nwelcome:\n    say: a\n  image: b\n", "4:3: this does not fit what stands before"},
		{"indentation too deep", head + "faq:\n  - id: a\n     say: b\n", "5:9: a second colon in one line, or a line that is indented too far"},
		{"a list without a dash", head + "faq:\n  - id: a\n  id: b\n", "5:3: a list item must begin with -"},
		{"a zero byte", head + "welcome: { say: \x00 }\n", "3:17: a control character stands here"},
		{"not UTF-8", head + "welcome: { say: \xff }\n", "3:1: the file is not in UTF-8"},
		{"two documents", head + "---\nflow: 1\n", "3:1: a second document begins here"},
		{"nothing", "", "1:1: the file is empty; a flow begins with"},
		{"only a comment", "# soon\n", "1:1: the file is empty"},
		{"nested without end", repeat("[", 20000), "1:1: this is nested far too deep"},
		{"too large", head + "#" + repeat("x", 1<<20), "1:1: the file has 1048605 bytes, the limit is 1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { agree(t, complaints(t, tt.text), []string{tt.want}) })
	}
}

func TestManyMistakes(t *testing.T) {
	text := head + "faq:\n" + repeat("  - {}\n", 100)
	got := strings.Join(complaintsOf(text), "\n")
	if n := strings.Count(got, "\n"); n != 50 || !strings.HasSuffix(got, "... and 150 more") {
		t.Errorf("%d lines, ending in %q", n+1, got[max(0, len(got)-40):])
	}
}

func complaintsOf(definition string) []string {
	_, err := flow.Compile("f", []byte(definition))
	return strings.Split(fault.Message(err), "\n")
}

func TestTooManyEntries(t *testing.T) {
	var b strings.Builder
	b.WriteString(head + "faq:\n")
	for i := range 5001 {
		fmt.Fprintf(&b, "- {id: a%d, ask: b, say: c}\n", i)
	}
	agree(t, complaints(t, b.String()), []string{"4:1: faq: has 5001 items, the limit is 5000"})
}
