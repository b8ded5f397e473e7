package present

import "unicode"

// graphemes tells where one character, as a reader sees it, ends and the next
// begins. It knows what is in messages: letters with marks, emoji with skin
// tones, families and flags, Korean syllables, and the spaces of
// [BreakMentions].
type graphemes struct {
	// flags counts the regional indicators in a row: two make a flag.
	flags int
}

func (g *graphemes) add(r rune) {
	if isFlagLetter(r) {
		g.flags++
	} else {
		g.flags = 0
	}
}

// boundary reports whether a text may be cut between two runes of a line.
func (g *graphemes) boundary(before, r rune) bool {
	switch {
	case before == '\r' && r == '\n', before == '\u200d', before == '\\':
		return false
	case extends(r):
		return false
	case r == '`', r == '~':
		return false // at the start of a line they could open a fence
	case isFlagLetter(r) && g.flags%2 == 1:
		return false
	case isHangulPart(r) && (isHangulPart(before) || unicode.Is(unicode.Hangul, before)):
		return false
	default:
		return true
	}
}

// extends reports a rune that belongs to the one before it: marks, variation
// selectors, joiners, skin tones, and the tags of flags.
func extends(r rune) bool {
	return unicode.Is(unicode.M, r) || r == '\u200b' || r == '\u200c' || r == '\u200d' ||
		r >= 0x1F3FB && r <= 0x1F3FF || r >= 0xE0020 && r <= 0xE007F
}

func isFlagLetter(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

// isHangulPart reports the parts that Korean syllables are composed of.
func isHangulPart(r rune) bool {
	return r >= 0x1100 && r <= 0x11FF || r >= 0xA960 && r <= 0xA97F || r >= 0xD7B0 && r <= 0xD7FF
}
