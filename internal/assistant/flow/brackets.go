package flow

import "strings"

// explainBrackets finds what is wrong inside [ ] or { }. The commonest fault by
// far is a question mark: YAML ends unquoted text there.
func explainBrackets(src string, e yamlError) (line, column int, text string) {
	// The printed line counts from 0 and is that of the opening bracket, or of
	// the fault when the bracket is on the first line.
	for _, from := range []int{e.line + 1, 1} {
		s := bracketScan{src: []rune(src), line: 1, column: 1, plainAt: -1}
		if line, column, text, ok := s.run(from); ok {
			return line, column, text
		}
	}
	return e.line + 1, 1, "a bracket" + unclosed
}

// bracketScan walks through the file and remembers the open brackets.
type bracketScan struct {
	src          []rune
	i            int
	line, column int
	open         []bracket
	quote        rune
	plainAt      int // index where the unquoted text began, -1 outside
}

type bracket struct {
	r            rune
	line, column int
}

const unclosed = " is not closed, or a comma is missing between two items; put text with special characters into quotes"

// run returns the first fault inside brackets at or after the given line.
func (s *bracketScan) run(from int) (line, column int, text string, ok bool) {
	for ; s.i < len(s.src); s.advance() {
		r := s.src[s.i]
		switch {
		case s.quote != 0:
			s.inQuote(r)
		case r == '#' && s.afterSpace():
			s.skipComment()
		case len(s.open) == 0:
			s.inBlock(r, from)
		case r == '?' && s.plainAt >= 0:
			item := strings.TrimSpace(string(s.src[s.plainAt:s.endOfItem()]))
			return s.line, s.column, `a question mark ends unquoted text inside brackets; put the item into quotes: "` + item + `"`, true
		default:
			s.inBrackets(r)
		}
	}
	if n := len(s.open); n > 0 {
		b := s.open[n-1]
		return b.line, b.column, "this " + string(b.r) + unclosed, true
	}
	return 0, 0, "", false
}

// endOfItem returns the index after the item that the scan is in.
func (s *bracketScan) endOfItem() int {
	for j := s.i; j < len(s.src); j++ {
		if strings.ContainsRune(",]}\n", s.src[j]) {
			return j
		}
	}
	return len(s.src)
}

func (s *bracketScan) advance() {
	if s.i >= len(s.src) {
		return
	}
	if s.src[s.i] == '\n' {
		s.line, s.column = s.line+1, 0
	}
	s.i++
	s.column++
}

func (s *bracketScan) afterSpace() bool {
	return s.i == 0 || strings.ContainsRune(" \t\n", s.src[s.i-1])
}

func (s *bracketScan) skipComment() {
	for s.i+1 < len(s.src) && s.src[s.i+1] != '\n' {
		s.advance()
	}
}

func (s *bracketScan) inQuote(r rune) {
	switch {
	case r == '\\' && s.quote == '"' && s.i+1 < len(s.src):
		s.advance()
	case r == s.quote:
		s.quote = 0
	}
}

// inBlock looks for a bracket that opens a value: one that follows a colon, a
// dash or another value's start. Before the reported line nothing is wrong.
func (s *bracketScan) inBlock(r rune, from int) {
	if s.line < from || !s.startsValue() {
		return
	}
	switch r {
	case '[', '{':
		s.open = append(s.open, bracket{r, s.line, s.column})
	case '"', '\'':
		s.quote = r
	}
}

// startsValue reports whether what stands before on the line can only be
// followed by a value.
func (s *bracketScan) startsValue() bool {
	j := s.i
	for j > 0 && s.src[j-1] == ' ' {
		j--
	}
	return j == 0 || s.src[j-1] == '\n' || j < s.i && (s.src[j-1] == ':' || s.src[j-1] == '-')
}

func (s *bracketScan) inBrackets(r rune) {
	switch {
	case r == '[' || r == '{':
		s.open = append(s.open, bracket{r, s.line, s.column})
		s.plainAt = -1
	case r == ']' || r == '}':
		s.open = s.open[:len(s.open)-1]
		s.plainAt = -1
	case r == ',' || r == ':' && s.i+1 < len(s.src) && s.src[s.i+1] == ' ':
		s.plainAt = -1
	case (r == '"' || r == '\'') && s.plainAt < 0:
		s.quote = r
	case r > ' ' && s.plainAt < 0:
		s.plainAt = s.i
	}
}
