package present

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark is the zero-width space that keeps an @ from its name. Mattermost's
// server ends a name at it and shows nothing in its place.
const mark = "\u200b"

// BreakMentions returns Markdown that pings nobody on a Mattermost server and
// looks the same: a zero-width space follows each @ that could begin a mention,
// be it written as @, in full width or as an HTML entity. Removing those spaces
// gives the text back, and doing it twice changes nothing more.
//
// Left alone is what cannot ping: code, fenced, indented or in a line; the @ of
// an e-mail address; the @ in the address of a link, or in a web address that
// stands by itself. Where a reader of Markdown may see code or a link and
// another may not, the @ is broken, which can spoil a rare address: no ping is
// worth more than a working link. Words that a person chose as keywords of
// their own, without an @, still notify them. Control characters should be gone
// from the text, as [Markdown] sees to.
func BreakMentions(md string) string {
	if !strings.ContainsAny(md, "@＠﹫&") {
		return md
	}
	ats := mentionSigns.FindAllStringIndex(md, -1)
	if ats == nil {
		return md
	}
	r := readMarkdown(md)
	var b strings.Builder
	b.Grow(len(md) + len(ats)*len(mark))
	last := 0
	for _, at := range ats {
		if harmless(md, at[1]) || within(r.code, at[0]) || within(r.targets, at[0]) || isEmail(md, at[0], at[1]) {
			continue
		}
		b.WriteString(md[last:at[1]])
		b.WriteString(mark)
		last = at[1]
	}
	b.WriteString(md[last:])
	return b.String()
}

// mentionSigns finds every way to write an @.
var mentionSigns = regexp.MustCompile(`[@＠﹫]|&commat;|&#0*64;|&#[xX]0*40;`)

// harmless reports whether nothing that could be a name follows at i.
func harmless(md string, i int) bool {
	return i == len(md) || md[i] == ' ' || strings.HasPrefix(md[i:], mark)
}

// isEmail reports whether the @ at i, ending at end, is the one of an address
// as in help@example.com. Mattermost takes an @ for a mention only where no
// letter or digit stands right before it. Only in the words of a link it forgets
// about a w, where it looks for www.
func isEmail(md string, i, end int) bool {
	if end != i+1 {
		return false
	}
	switch r, _ := utf8.DecodeLastRuneInString(md[:i]); {
	case !unicode.IsLetter(r) && !unicode.IsNumber(r):
		return false
	case (r == 'w' || r == 'W') && strings.Contains(md[:i], "["):
		return false
	}
	return emailHost.MatchString(md[end:min(len(md), end+longestHost)])
}

// longestHost is how many bytes of a host are looked at.
const longestHost = 300

var emailHost = regexp.MustCompile(`^[\p{L}\p{Nd}-]+(?:\.[\p{L}\p{Nd}-]+)*\.\p{L}{2,}(?:[^\p{L}\p{N}_@]|$)`)
