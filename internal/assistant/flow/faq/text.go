package faq

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxBytes   = 4096 // of a text are read, the rest is cut off
	maxTokens  = 256  // words of a text are used
	maxWordLen = 40   // runes of a word are kept; the rest of it is dropped
)

// word is one word of a text.
type word struct {
	lower  string // lower case, composed, with its accents, for the stemmers
	folded string // without accents and with ae, oe, ue as a, o, u, for comparing
	bare   string // without accents only, as the letters were typed
	clause int    // number of the clause it stands in, from 0
}

// tokenize splits text into at most maxTokens words. Punctuation ends a
// clause; apostrophes are dropped; a prefix of one or two letters is joined
// to its word ("e-mail", "Wi-Fi"); each ideograph is a word of its own.
func tokenize(text string) []word {
	text = norm.NFKC.String(strings.ToValidUTF8(clip(text, maxBytes), " "))
	var (
		out    []word
		cur    []rune
		clause int
	)
	flush := func() {
		if len(cur) > 0 && len(out) < maxTokens {
			s := string(cur)
			bare := foldAccents(s)
			out = append(out, word{lower: s, folded: foldUmlauts(bare), bare: bare, clause: clause})
		}
		cur = cur[:0]
	}
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			flush()
			cur = append(cur, r)
			flush()
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			if len(cur) < maxWordLen {
				cur = append(cur, unicode.ToLower(r))
			}
		case r == '\'' || r == '’' || r == '`' || r == '´':
		case (r == '-' || r == '‑') && (len(cur) == 1 || len(cur) == 2):
		default:
			flush()
			if strings.ContainsRune(".,;:!?\n…()", r) {
				clause++
			}
		}
	}
	flush()
	return out
}

// clip cuts s to at most n bytes, at the start of a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// letters which have no decomposition into a plain letter and a mark.
var plain = strings.NewReplacer("ß", "ss", "æ", "a", "œ", "o", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// fold returns at most maxWordLen runes of s without what people leave out
// when they type in a hurry: accents, the dots of ё and й, and the difference
// between the two spellings of the German umlauts.
func fold(s string) string { return foldUmlauts(foldAccents(s)) }

func foldAccents(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) && n < maxWordLen-1 { // -1: ß and þ become two
			b.WriteRune(r)
			n++
		}
	}
	return plain.Replace(b.String())
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldUmlauts writes ae, oe and ue as a, o and u, except after a vowel or q,
// where the e belongs to the next syllable ("neue", "que").
func foldUmlauts(s string) string {
	i := strings.IndexByte(s, 'e')
	if i < 1 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] == 'e' && i > 0 && strings.IndexByte("aou", s[i-1]) >= 0 &&
			(i == 1 || strings.IndexByte("aeiouq", s[i-2]) < 0) {
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}
