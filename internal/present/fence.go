package present

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// openFence is a fenced block at some place of a text; the zero value is none.
type openFence struct {
	// prefix stands before each of its lines: spaces in a list, > in a quotation.
	prefix string
	marks  string
	info   string
	// item is set when a list item begins in the same line; the block ends with
	// the item.
	item bool
}

// head opens the fence again at the start of a part.
func (f openFence) head() string {
	if f.marks == "" {
		return ""
	}
	return f.prefix + f.marks + f.info + "\n"
}

// tail closes the fence at the end of a part.
func (f openFence) tail() string {
	if f.marks == "" {
		return ""
	}
	return "\n" + f.prefix + f.marks
}

// fenceLine takes a line that opens a fence apart: what lists and quotations
// put before it, the marks, and the words after them.
var fenceLine = regexp.MustCompile("^((?:[ \t]|>|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*)(`{3,}|~{3,})([^\r\n]*)")

// fenceOf returns the fence that a line opens. limit is that of a part: a fence
// that would fill half of one is not worth opening again. listed says that the
// line may belong to a list.
func fenceOf(line string, limit int, listed bool) openFence {
	m := fenceLine.FindStringSubmatch(line)
	if m == nil || m[2][0] == '`' && strings.Contains(m[3], "`") {
		return openFence{}
	}
	item := strings.ContainsAny(m[1], "-*+.)")
	f := openFence{prefix: blankMarkers(m[1]), marks: m[2], info: strings.TrimRight(m[3], " \t"), item: item}
	if !listed && !item && !strings.Contains(f.prefix, ">") && columns(f.prefix) > 3 {
		return openFence{} // indented code that shows a fence
	}
	if 2*utf8.RuneCountInString(f.head()+f.tail()) > limit {
		return openFence{}
	}
	return f
}

// blankMarkers replaces the markers of list items by spaces, as the lines
// below them have.
func blankMarkers(prefix string) string {
	return strings.Map(func(r rune) rune {
		if r == '>' || r == '\t' {
			return r
		}
		return ' '
	}, prefix)
}

// columns is how far white space reaches.
func columns(s string) int { return len(s) + 3*strings.Count(s, "\t") }

// endsAt reports whether a line is the closing mark of f, and whether f has
// ended before the line, with the list item or quotation around it.
func (f openFence) endsAt(line string) (closed, before bool) {
	text := strings.TrimSpace(line)
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	switch {
	case strings.Contains(f.prefix, ">"):
		if !strings.HasPrefix(text, ">") {
			return false, true
		}
		text = strings.TrimLeft(text, "> \t")
	case f.item && text != "" && columns(indent) < columns(f.prefix):
		return false, true
	}
	return strings.HasPrefix(text, f.marks) && strings.Trim(text, f.marks[:1]) == "", false
}

// moved takes a fence out of its list, for the next part, where the list is not
// around it any more: the rest of the block loses its indentation. inLine says
// that rest begins in the middle of a line.
func (f openFence) moved(rest string, inLine bool) (openFence, string) {
	if f.marks == "" || f.prefix == "" || strings.Contains(f.prefix, ">") {
		f.item = false
		return f, rest
	}
	var b strings.Builder
	b.Grow(len(rest))
	done := false
	for line := range strings.Lines(rest) {
		if !done && !inLine {
			closed, before := f.endsAt(line)
			if before {
				// Nothing but the end of the list said that the block ends.
				b.WriteString(f.marks + "\n")
			} else {
				line = outdent(line, columns(f.prefix))
			}
			done = closed || before
		}
		inLine = false
		b.WriteString(line)
	}
	f.prefix, f.item = "", false
	return f, b.String()
}

// outdent removes up to n columns of white space before a line.
func outdent(line string, n int) string {
	for n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
		n -= columns(line[:1])
		line = line[1:]
	}
	return line
}
