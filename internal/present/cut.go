package present

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// border is where a text may be cut, best first.
type border int

const (
	atParagraph border = iota
	atLine
	atCodeLine
	atSentence
	atWord
	atCharacter
	borders
)

// scanner reads a text line by line and knows what a cut would tear.
type scanner struct {
	limit int
	fence openFence
	// listed is set in and after a list, where indented lines belong to it.
	listed bool
	// blank, opened and closed say that the line before was empty, or opened or
	// closed a fence.
	blank, opened, closed bool
}

// cut is a place to cut at: how many bytes go before it, and the state of the
// scanner there.
type cut struct {
	at     int
	size   int // characters before it, without white space at the end
	inLine bool
	state  scanner
}

// bestCut finds where to cut text so that at most room characters come before,
// with the line that closes a fence. It prefers a good border to a full part,
// but not one in the first half.
func (s scanner) bestCut(text string, room int) cut {
	w := window{room: room}
	at := 0
	for line := range strings.Lines(text) {
		if w.size > room {
			break
		}
		before := s
		s.next(line)
		if at > 0 {
			w.offer(before.borderAt(line, s.opened), cut{at: at, state: before})
		}
		inner := s
		if s.closed {
			inner.fence = before.fence
		}
		w.state = inner
		w.inside(line, at, inner, !s.opened) // the line that opens a fence stays whole
		at += len(line)
	}
	return w.choose(text)
}

// next reads a line.
func (s *scanner) next(line string) {
	blank := strings.TrimSpace(line) == ""
	s.opened, s.closed = false, false
	if s.fence.marks != "" {
		closed, before := s.fence.endsAt(line)
		if closed || before {
			s.fence = openFence{}
		}
		s.closed = closed
		if !before {
			s.blank = blank
			return
		}
	}
	switch {
	case startsItem(line):
		s.listed = true
	case s.blank && !blank && line[0] != ' ' && line[0] != '\t':
		s.listed = false
	}
	s.blank = blank
	s.fence = fenceOf(line, s.limit, s.listed)
	s.opened = s.fence.marks != ""
}

// borderAt is the kind of border before a line; s is the state there.
func (s scanner) borderAt(line string, opens bool) border {
	switch {
	case s.fence.marks != "":
		if closed, before := s.fence.endsAt(line); closed || s.opened {
			return borders // the marks are of no use without code between them
		} else if !before {
			return atCodeLine
		}
		return atLine
	case s.blank, s.closed, opens, strings.TrimSpace(line) == "":
		return atParagraph
	default:
		return atLine
	}
}

func startsItem(line string) bool {
	rest := strings.TrimLeft(line, " \t>")
	mark := strings.TrimLeft(rest, "0123456789")
	if mark == "" {
		return false
	}
	if len(mark) == len(rest) {
		return strings.IndexByte("-*+", mark[0]) >= 0 && len(mark) > 1 && strings.IndexByte(" \t", mark[1]) >= 0
	}
	return strings.IndexByte(".)", mark[0]) >= 0
}

// window collects the places to cut at within room.
type window struct {
	room int
	// count and size are the characters so far, and those up to the last one
	// that is no white space.
	count, size int
	// last and late are the last places of each kind, anywhere and in the
	// second half.
	last, late [borders]*cut
	// state is that within the line read last.
	state scanner
}

func (w *window) offer(kind border, c cut) {
	c.size = w.size
	if kind == borders || c.size == 0 || c.size+utf8.RuneCountInString(c.state.fence.tail()) > w.room {
		return
	}
	w.last[kind] = &c
	if 2*c.size >= w.room {
		w.late[kind] = &c
	}
}

// inside offers the places within a line that begins at byte at.
func (w *window) inside(line string, at int, s scanner, whole bool) {
	var g graphemes
	previous, older := rune(0), rune(0)
	for i, r := range line {
		if w.size > w.room {
			return
		}
		if i > 0 && whole && g.boundary(previous, r) {
			w.offer(borderIn(older, previous, r), cut{at: at + i, inLine: true, state: s})
		}
		g.add(r)
		w.count++
		if !unicode.IsSpace(r) {
			w.size = w.count
		}
		older, previous = previous, r
	}
}

// borderIn is the kind of border between previous and r.
func borderIn(older, previous, r rune) border {
	switch {
	case strings.ContainsRune("。！？", previous), unicode.IsSpace(previous) && strings.ContainsRune(".!?…:;", older):
		return atSentence
	case unicode.IsSpace(previous) && !unicode.IsSpace(r):
		return atWord
	default:
		return atCharacter
	}
}

// choose picks the best place. There is always one: at the worst a single
// character that is longer than room, which is then cut.
func (w *window) choose(text string) cut {
	for _, places := range [][borders]*cut{w.late, w.last} {
		for kind := atParagraph; kind < atCharacter; kind++ {
			if places[kind] != nil {
				return *places[kind]
			}
		}
	}
	if c := w.last[atCharacter]; c != nil {
		return *c
	}
	return w.force(text)
}

// force cuts after as many characters as there is room for.
func (w *window) force(text string) cut {
	n := max(w.room-utf8.RuneCountInString(w.state.fence.tail()), 1)
	for i := range text {
		if n == 0 {
			return cut{at: i, inLine: true, state: w.state}
		}
		n--
	}
	return cut{at: len(text), state: w.state}
}
