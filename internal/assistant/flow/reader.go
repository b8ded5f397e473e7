package flow

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// reader takes YAML nodes apart and collects what is wrong with them, so that
// an author hears of everything at once.
type reader struct {
	file     string
	problems problems
	// warnings are about what can be used but was hardly meant.
	warnings problems
}

// at is a node with the path to it.
type at struct {
	*yaml.Node
	path string
}

func (a at) place() place { return place{line: a.Line, column: a.Column, path: a.path} }

func (r *reader) fail(a at, format string, args ...any) {
	r.problems = append(r.problems, a.place().problem(r.file, format, args...))
}

// usable refuses the parts of YAML that a flow has no use for. All of them are
// far more often text that should stand in quotes.
func (r *reader) usable(a at) bool {
	switch {
	case a.Kind == yaml.AliasNode:
		r.fail(a, "*%s refers to another place of the file, which flows do not do; write the text out, or put text that begins with * into quotes", a.Value)
	case a.Anchor != "":
		r.fail(a, "&%s names a place of the file, which flows do not do; put text that begins with & into quotes", a.Anchor)
	case a.Tag != "" && !strings.HasPrefix(a.ShortTag(), "!!"):
		r.fail(a, "%s is taken for a tag; put text that begins with ! into quotes", a.Tag)
	default:
		return true
	}
	return false
}

// kindOf says what a node is, for "is ..." in an error.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping (key: value)"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!bool":
		return "the switch " + n.Value
	default:
		return "the text " + quoted(n.Value)
	}
}

// quoted shows a text from the file, shortened.
func quoted(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "..."
	}
	return fmt.Sprintf("%q", s)
}

// object reads a mapping with the keys it may have. ok is false when it is
// none; unknown and repeated keys are reported and left out.
func (r *reader) object(a at, allowed ...string) (fields map[string]at, ok bool) {
	if !r.usable(a) {
		return nil, false
	}
	if a.Kind != yaml.MappingNode {
		r.fail(a, "is %s; it needs keys: %s", kindOf(a.Node), strings.Join(allowed, ", "))
		return nil, false
	}
	return r.fields(a, func(key at) bool {
		if slices.Contains(allowed, key.Value) {
			return true
		}
		r.fail(key, "is not a known key%s", instead(key.Value, allowed))
		return false
	}), true
}

// fields returns the values of a mapping by key, keys checked by known.
func (r *reader) fields(a at, known func(key at) bool) map[string]at {
	fields := make(map[string]at, len(a.Content)/2)
	lines := make(map[string]int, len(a.Content)/2)
	for i := 0; i+1 < len(a.Content); i += 2 {
		key := at{a.Content[i], a.path}
		if key.Kind != yaml.ScalarNode {
			r.fail(key, "a key must be one word; put text with { [ or ? in it into quotes")
			continue
		}
		key.path = join(a.path, key.Value)
		if first, twice := lines[key.Value]; twice {
			r.fail(key, "is given twice, first in line %d; keep one", first)
			continue
		}
		lines[key.Value] = key.Line
		if known(key) {
			fields[key.Value] = at{a.Content[i+1], key.path}
		}
	}
	return fields
}

func join(path, key string) string {
	if !isName(key) {
		key = quoted(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// list reads a list of at most limit items.
func (r *reader) list(a at, limit int) []at {
	if !r.usable(a) {
		return nil
	}
	switch {
	case a.Kind != yaml.SequenceNode:
		r.fail(a, "is %s; write a list, such as [first, second]", kindOf(a.Node))
		return nil
	case len(a.Content) == 0:
		r.fail(a, "is an empty list; fill it or leave it out")
		return nil
	case len(a.Content) > limit:
		r.fail(a, "has %d items, the limit is %d", len(a.Content), limit)
		return nil
	}
	out := make([]at, len(a.Content))
	for i, n := range a.Content {
		out[i] = at{n, fmt.Sprintf("%s[%d]", a.path, i)}
	}
	return out
}

// text reads one text of at most limit characters, "" after a problem. What
// YAML takes for a number or a date is the text as written.
func (r *reader) text(a at, limit int) string {
	if !r.usable(a) {
		return ""
	}
	if a.Kind != yaml.ScalarNode {
		r.fail(a, "is %s; one text belongs here, and text with : ? { or [ in it needs quotes", kindOf(a.Node))
		return ""
	}
	switch tag := a.ShortTag(); tag {
	case "!!str", "!!int", "!!float", "!!timestamp":
	case "!!null":
		r.fail(a, "is empty; write a text or leave the key out, and put text that begins with # into quotes")
		return ""
	case "!!bool":
		r.fail(a, "is the switch %s; put it into quotes if you mean the word", a.Value)
		return ""
	default:
		r.fail(a, "has the tag %s; write plain text", tag)
		return ""
	}
	s := strings.TrimSpace(a.Value)
	switch {
	case s == "":
		r.fail(a, "is empty; write a text or leave the key out")
		return ""
	case strings.ContainsFunc(s, isControl):
		r.fail(a, "has a control character in it; remove it")
		return ""
	case utf8.RuneCountInString(s) > limit:
		r.fail(a, "has %d characters, the limit is %d", utf8.RuneCountInString(s), limit)
		return ""
	}
	if a.Style == 0 && len(a.LineComment) > 1 && a.LineComment[1] > ' ' {
		r.warnings = append(r.warnings, a.place().problem(r.file,
			"ends before %s, which YAML takes for a comment; put the whole text into quotes if it belongs to it", quoted(a.LineComment)))
	}
	return s
}

func isControl(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }

// flag reads true or false.
func (r *reader) flag(a at) bool {
	if !r.usable(a) {
		return false
	}
	if a.Kind == yaml.ScalarNode && a.ShortTag() == "!!bool" {
		return strings.EqualFold(a.Value, "true")
	}
	r.fail(a, "is %s; write true or false, without quotes", kindOf(a.Node))
	return false
}

// number reads a whole number from lo to hi, lo after a problem.
func (r *reader) number(a at, lo, hi int) int {
	if !r.usable(a) {
		return lo
	}
	var n int
	if a.Kind != yaml.ScalarNode || a.ShortTag() != "!!int" || a.Decode(&n) != nil || n < lo || n > hi {
		r.fail(a, "is %s; write a whole number from %d to %d", kindOf(a.Node), lo, hi)
		return lo
	}
	return n
}

// name reads an id or the name of a queue, "" after a problem.
func (r *reader) name(a at, what string) string {
	if !r.usable(a) {
		return ""
	}
	tag := a.ShortTag()
	if a.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!int" || !isName(a.Value) {
		r.fail(a, "is %s; %s is one word of at most %d letters a-z, digits and . _ -", kindOf(a.Node), what, maxName)
		return ""
	}
	return a.Value
}

// maxName is the longest id, in bytes.
const maxName = 64

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || strings.IndexByte("._-", c) < 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}
