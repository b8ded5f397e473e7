package present

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// span is a part of a text, in bytes, end exclusive.
type span struct{ start, end int }

// within reports whether i lies in one of the spans, which are in order.
func within(spans []span, i int) bool {
	for len(spans) > 0 {
		mid := len(spans) / 2
		switch s := spans[mid]; {
		case i < s.start:
			spans = spans[:mid]
		case i >= s.end:
			spans = spans[mid+1:]
		default:
			return true
		}
	}
	return false
}

// reading is what is certain about a Markdown text: a place in code or targets
// is that for CommonMark and for Mattermost's server alike.
type reading struct {
	// code are the contents of code spans and code blocks, without the marks.
	code []span
	// targets are the addresses of inline links and those that stand by
	// themselves.
	targets []span
}

// readMarkdown reads md the way Mattermost's server does and drops what is in
// doubt.
func readMarkdown(md string) reading {
	source := []byte(md)
	r := reader{md: md, links: strings.Count(md, "[") <= mostBrackets, references: strings.Contains(md, "]:")}
	doc := newParser(r.links).Parse(text.NewReader(source))
	r.fences = map[int]*fence{}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if f, ok := n.(*ast.FencedCodeBlock); ok && entering {
			r.addFence(f)
		}
		return ast.WalkContinue, nil
	})
	r.sure = r.firstDoubt()
	r.collect(doc)
	return r.reading
}

// mostBrackets is how many [ a text may have before its links are not read:
// reading takes the time of their number squared.
const mostBrackets = 1000

// newParser reads only what Mattermost's server knows: no headings, rules,
// HTML or emphasis. What CommonMark takes for a heading is a paragraph there,
// so that an indented line below it is text and no code.
func newParser(links bool) parser.Parser {
	inline := []util.PrioritizedValue{util.Prioritized(parser.NewCodeSpanParser(), 100)}
	if links {
		inline = append(inline, util.Prioritized(parser.NewLinkParser(), 200))
	}
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(inline...),
	)
}

// reader collects a reading.
type reader struct {
	reading
	md string
	// links is set where links are read, see mostBrackets.
	links bool
	// references is set where the text may define what [words] link to.
	references bool
	// fences are the fenced blocks by the start of the line they open in.
	fences map[int]*fence
	// sure is where the first line begins at which the two readers may part.
	// Both read line by line, so that what lies before it is certain.
	sure int
}

// fence is a fenced block as CommonMark reads it.
type fence struct {
	marks string // "```" or more, or "~~~" or more
	// content is where its first and last line lie; empty for an empty block.
	content span
	// top is set when no list and no quotation is around it.
	top bool
}

func (r *reader) addFence(n *ast.FencedCodeBlock) {
	at := n.Pos()
	if at < 0 || at >= len(r.md) {
		return
	}
	rest := strings.TrimLeft(r.md[at:], " \t")
	f := &fence{marks: fenceMarks(rest), top: n.Parent() != nil && n.Parent().Kind() == ast.KindDocument}
	if f.marks == "" {
		return
	}
	if lines := n.Lines(); lines.Len() > 0 {
		f.content = span{lineStart(r.md, lines.At(0).Start), lines.At(lines.Len() - 1).Stop}
	}
	r.fences[lineStart(r.md, at)] = f
}

// fenceMarks returns the run of three or more ` or ~ that s begins with.
func fenceMarks(s string) string {
	if s == "" || s[0] != '`' && s[0] != '~' {
		return ""
	}
	n := len(s) - len(strings.TrimLeft(s, s[:1]))
	if n < 3 {
		return ""
	}
	return s[:n]
}

func lineStart(s string, i int) int { return strings.LastIndexByte(s[:i], '\n') + 1 }

// firstDoubt returns the start of the first line that Mattermost may read
// differently, or the length of the text.
func (r *reader) firstDoubt() int {
	var open *fence
	at := 0
	for line := range strings.Lines(r.md) {
		inside := open != nil && at >= open.content.start && at < open.content.end
		switch {
		case inside:
			if r.doubtfulContent(line, open) {
				return at
			}
		case r.fences[at] != nil:
			open = r.fences[at]
			if doubtfulLine(line) || strings.Contains(strings.TrimLeft(afterMarkers(line), open.marks[:1]), "`") {
				return at
			}
		case open != nil && closes(line, open):
			open = nil
			if doubtfulLine(line) {
				return at
			}
		default:
			open = nil
			if doubtfulLine(line) || looksLikeFence(line) {
				return at
			}
		}
		at += len(line)
	}
	return len(r.md)
}

// doubtfulContent reports a line of a fenced block that Mattermost may take for
// its end: it closes one with "``` ```" too.
func (r *reader) doubtfulContent(line string, f *fence) bool {
	if !f.top && doubtfulLine(line) || strings.ContainsRune(strings.TrimRight(line, "\r\n"), '\r') {
		return true
	}
	rest, found := strings.CutPrefix(strings.TrimLeft(afterMarkers(line), " \t"), f.marks)
	return found && strings.Trim(strings.TrimSpace(rest), f.marks[:1]) == ""
}

// closes reports whether CommonMark takes a line outside the content for the
// end of f.
func closes(line string, f *fence) bool {
	marks := strings.Trim(afterMarkers(line), " \t\r\n")
	return strings.HasPrefix(marks, f.marks) && strings.Trim(marks, f.marks[:1]) == ""
}

// looksLikeFence reports a line that begins with the marks of a fence though it
// is none for CommonMark. With a ` later in the line it is none for Mattermost
// either.
func looksLikeFence(line string) bool {
	rest := afterMarkers(line)
	marks := fenceMarks(rest)
	return marks != "" && !(marks[0] == '`' && strings.Contains(rest[len(marks):], "`"))
}

// afterMarkers drops everything that lists and quotations may put before a
// line.
func afterMarkers(line string) string { return strings.TrimLeft(line, " \t>*+-.)0123456789") }

// doubtfulLine reports a line whose indentation or emptiness the readers may
// see differently: Mattermost counts every tab as four columns, and takes other
// white space than CommonMark's for empty.
func doubtfulLine(line string) bool {
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if strings.ContainsAny(line, "\r\v\f\x00") || strings.TrimSpace(line) != strings.Trim(line, " \t") {
		return true
	}
	before := line[:len(line)-len(afterMarkers(line))]
	return strings.Contains(strings.TrimLeft(before, "\t"), "\t")
}

// deepest is how many lists and quotations inside each other are trusted.
const deepest = 12

// collect gathers code and link targets that end before the first doubt.
func (r *reader) collect(doc ast.Node) {
	depth := 0
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindList, ast.KindBlockquote:
			if entering {
				depth++
			} else {
				depth--
			}
		}
		if !entering || depth > deepest {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			r.addLines(n.Lines())
		case *ast.CodeBlock:
			if n.Parent().Kind() == ast.KindDocument && afterBlankLine(r.md, n) {
				r.addLines(n.Lines())
			}
		default:
			if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
				r.addInline(n)
				return ast.WalkSkipChildren, nil
			}
		}
		return ast.WalkContinue, nil
	})
}

func (r *reader) addLines(lines *text.Segments) {
	for i := range lines.Len() {
		if s := lines.At(i); s.Stop <= r.sure {
			r.code = append(r.code, span{s.Start, s.Stop})
		}
	}
}

// afterBlankLine reports whether an indented block follows a blank line, or
// nothing, and no list or quotation: there it is code for everybody.
func afterBlankLine(md string, n *ast.CodeBlock) bool {
	switch before := n.PreviousSibling(); {
	case n.Lines().Len() == 0:
		return false
	case before == nil:
		return true
	case before.Kind() == ast.KindList, before.Kind() == ast.KindBlockquote:
		return false
	}
	start := lineStart(md, n.Lines().At(0).Start)
	return start == 0 || strings.TrimSpace(md[lineStart(md, start-1):start]) == ""
}

// addInline gathers the code spans and link targets of a paragraph.
func (r *reader) addInline(block ast.Node) {
	lines := block.Lines()
	p := span{lines.At(0).Start, lines.At(lines.Len() - 1).Stop}
	if p.end > r.sure {
		return
	}
	var code []span
	links := map[int]bool{}
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.CodeSpan:
			if entering {
				for c := n.FirstChild(); c != nil; c = c.NextSibling() {
					if t, ok := c.(*ast.Text); ok {
						code = append(code, span{t.Segment.Start, t.Segment.Stop})
					}
				}
			}
		case *ast.Link:
			if at := r.linkTarget(n); entering && at >= 0 {
				links[at] = true
			}
		}
		return ast.WalkContinue, nil
	})
	if r.doubtfulInline(p, code) {
		return
	}
	r.code = append(r.code, code...)
	r.addTargets(p, code, links)
}

// doubtfulInline reports a paragraph in which an address, a title or the
// definition of a reference may swallow a ` for one reader and not for the
// other, so that code and text change places. Both read from left to right:
// what lies in code for both has no say.
func (r *reader) doubtfulInline(p span, code []span) bool {
	s := r.md[p.start:p.end]
	if strings.HasPrefix(strings.TrimSpace(s), "[") && strings.Contains(s, "]:") {
		return true
	}
	if !strings.Contains(s, "`") {
		return false
	}
	if !r.links && strings.Contains(s, "](") {
		return true
	}
	for i := range len(s) {
		if within(code, p.start+i) {
			continue
		}
		switch {
		case strings.HasPrefix(s[i:], "://"), hasFold(s[i:], "www"):
			if strings.Contains(word(s[i:]), "`") {
				return true
			}
		case strings.HasPrefix(s[i:], "]("):
			target := s[i+2:]
			if end := strings.IndexByte(target, ')'); end >= 0 {
				target = target[:end+len(word(target[end:]))]
			}
			if strings.Contains(target, "`") {
				return true
			}
		}
	}
	return false
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// word returns s up to the first white space. Other scripts' spaces do not end
// an address on a Mattermost server.
func word(s string) string {
	if end := strings.IndexAny(s, " \t\r\n\v\f"); end >= 0 {
		return s[:end]
	}
	return s
}
