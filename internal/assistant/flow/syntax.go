package flow

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// explain finds where YAML broke and says it in the words of somebody who has
// never read its specification. The library reports the line of the
// surrounding construct at best and never a column, so the place is found by
// parsing ever shorter beginnings of the file: the shortest one with the same
// fault ends at it.
func explain(src string, err error) (line, column int, text string) {
	e := splitYAMLError(err)
	if strings.Contains(e.text, "expected ',' or '") {
		return explainBrackets(src, e)
	}
	lines := strings.SplitAfter(src, "\n")
	row := locateRow(lines, e)
	before := strings.Join(lines[:row], "")
	col := locateColumn(before, lines[row], e)
	indent := len(lines[row]) - len(strings.TrimLeft(lines[row], " \t"))
	if tab := strings.IndexByte(lines[row][:indent], '\t'); tab >= 0 {
		return row + 1, tab + 1, "a tab stands where spaces belong; indent with spaces only"
	}
	if strings.Contains(e.text, "'-' indicator") {
		col = indent // the whole line is out of place, which shows at its colon
	}
	return row + 1, col + 1, mend(e.text, lines[row], col)
}

// locateRow returns the index of the line that holds the fault.
func locateRow(lines []string, e yamlError) int {
	// The printed line is that of the construct around the fault, counted from
	// 0 or from 1, and never after the fault.
	from := max(e.line-2, 0)
	if from >= len(lines) {
		return len(lines) - 1
	}
	bad := func(n int) bool { return sameError(strings.Join(lines[:n], ""), e.text) }
	lo, step := from, 1
	for lo+step < len(lines) && !bad(lo+step) {
		lo += step
		step *= 2
	}
	hi := min(lo+step, len(lines))
	n := lo + 1 + sort.Search(hi-lo-1, func(i int) bool { return bad(lo + 1 + i) })
	return min(max(n-1, 0), len(lines)-1)
}

// maxLine is the longest line, in bytes, that is searched for the column.
const maxLine = 2000

// locateColumn returns the index of the character of line at which the fault
// shows.
func locateColumn(before, line string, e yamlError) int {
	if len(line) > maxLine || !utf8.ValidString(line) {
		return 0
	}
	runes := []rune(strings.TrimRight(line, "\r\n"))
	n := sort.Search(len(runes)+1, func(n int) bool { return sameError(before+string(runes[:n]), e.text) })
	return min(max(n-1, 0), max(len(runes)-1, 0))
}

// mend turns a fault of YAML into what to do about it.
func mend(text, line string, col int) string {
	switch {
	case strings.Contains(text, "mapping values are not allowed"):
		return "a second colon in one line, or a line that is indented too far; put text with a colon into quotes, and line up keys that belong together"
	case strings.Contains(text, "cannot start any token"), strings.Contains(text, "alphabetic or numeric character"):
		return "text that begins with " + charAt(line, col) + " needs quotes"
	case strings.Contains(text, "did not find expected key"):
		return "this does not fit what stands before: line up keys that belong together, and put text with quotes or braces in it into quotes as a whole"
	case strings.Contains(text, "expected '-' indicator"):
		return "a list item must begin with - in the same column as the others"
	case strings.Contains(text, "unexpected end of stream"):
		return "a quote that opens here or above is not closed"
	case strings.Contains(text, "could not find expected ':'"):
		return "a key needs a colon and a space after it"
	case strings.Contains(text, "block sequence entries"):
		return "a list begins on a line of its own; text that begins with - needs quotes"
	case strings.Contains(text, "escape character"), strings.Contains(text, "hexdecimal"), strings.Contains(text, "character escape code"):
		return `\ has a meaning inside "double quotes"; write \\ for the character itself, or use 'single quotes'`
	case strings.Contains(text, "control characters"):
		return "a control character stands here; remove it"
	case strings.Contains(text, "max depth"):
		return "this is nested far too deep"
	case strings.Contains(text, "UTF-8"):
		return "the file is not in UTF-8; save it in that encoding"
	case strings.Contains(text, "unknown anchor"):
		return "text that begins with * needs quotes"
	default:
		return "YAML cannot read this (" + text + "); text with special characters belongs into quotes"
	}
}

func charAt(line string, col int) string {
	for i, r := range []rune(line) {
		if i == col && r > ' ' {
			// A fault in a word shows at its second character.
			if i > 0 && strings.ContainsRune("*&!", []rune(line)[i-1]) {
				r = []rune(line)[i-1]
			}
			return string(r)
		}
	}
	return "a special character"
}
