package present

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Split cuts Markdown into parts of at most limit characters (runes; 16,383 in
// a Mattermost post). It cuts between paragraphs if it can, else between lines,
// sentences, words, and only then in a word; never inside what a reader sees as
// one character, unless that alone is longer than limit. A fenced block that
// must be cut is closed at the end of one part and opened again, with the same
// words after the marks, at the start of the next; those lines count towards
// the limit. White space at the cuts is dropped and no part is empty. A limit
// below 1 counts as 1.
func Split(md string, limit int) []string {
	var parts []string
	for _, p := range split(md, max(limit, 1)) {
		parts = append(parts, p.head+p.body+p.tail)
	}
	return parts
}

// Parts breaks the mentions of Markdown and cuts it into parts of at most limit
// characters, each of which pings nobody when it is read alone: a cut inside
// `code` makes text of its end.
func Parts(md string, limit int) []string {
	limit = max(limit, 1)
	md = BreakMentions(clean(md))
	for room := limit; ; room = max(room-room/16-1, 1) {
		parts, fit := Split(md, room), true
		for i, p := range parts {
			parts[i] = BreakMentions(p)
			fit = fit && utf8.RuneCountInString(parts[i]) <= limit
		}
		if fit || room == 1 {
			return parts
		}
	}
}

// piece is a part: a body of the text, and the lines that open and close a cut
// fence around it.
type piece struct{ head, body, tail string }

func split(md string, limit int) []piece {
	if strings.TrimSpace(md) == "" {
		return nil
	}
	if atMost(md, limit) {
		return []piece{{body: md}}
	}
	var out []piece
	add := func(p piece) {
		if p.body != "" {
			out = append(out, p)
		}
	}
	s := scanner{limit: limit}
	rest := dropBlankLines(md)
	for rest != "" {
		head := s.fence.head()
		room := limit - utf8.RuneCountInString(head)
		if atMost(rest, room) {
			add(piece{head: head, body: trimEnd(rest)})
			break
		}
		c := s.bestCut(rest, room)
		add(piece{head, trimEnd(rest[:c.at]), c.state.fence.tail()})
		rest = rest[c.at:]
		if c.inLine {
			rest = strings.TrimLeft(rest, " \t")
		}
		rest = dropBlankLines(rest)
		s = c.state
		s.fence, rest = s.fence.moved(rest, c.inLine)
	}
	return out
}

// atMost reports whether s has at most n characters.
func atMost(s string, n int) bool {
	return len(s) <= n || utf8.RuneCountInString(s) <= n
}

// dropBlankLines drops white space up to the start of the first line that has
// more, whose indentation means something.
func dropBlankLines(s string) string {
	text := strings.TrimLeftFunc(s, unicode.IsSpace)
	return s[strings.LastIndexByte(s[:len(s)-len(text)], '\n')+1:]
}

func trimEnd(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }
