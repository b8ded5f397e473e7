package present

import (
	"regexp"
	"strings"

	"parley/internal/chat"
)

// MarkdownOptions say what [Markdown] writes beside the text.
type MarkdownOptions struct {
	// Choices adds what can be pressed as a numbered list of words to type. It
	// is wanted where the place has no buttons, and harmless where it has.
	Choices bool
}

// Markdown returns content as a Mattermost message. Text is Markdown already,
// as assistants write it; titles, names and addresses from elsewhere are
// escaped. No picture of another host is loaded: outside code, an image becomes
// a link to it. Mentions are still whole; send the result through [Parts] or
// [BreakMentions].
func Markdown(c chat.Content, o MarkdownOptions) string {
	return unloadImages(clean(layOut(c, markdownWriter{}, o.Choices)))
}

// clean drops control characters and bytes that are no text: Mattermost's
// server fails on some of them with an internal error (seen with the Markdown
// reader of 11.1).
func clean(md string) string {
	md = strings.ReplaceAll(strings.ToValidUTF8(md, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\n', r == '\t':
			return r
		case r < ' ', r == 0x7f:
			return -1
		default:
			return r
		}
	}, md)
}

type markdownWriter struct{}

func (markdownWriter) words(s string) string  { return escapeMarkdown(s) }
func (markdownWriter) strong(s string) string { return "**" + escapeMarkdown(s) + "**" }

func (markdownWriter) link(name, to string) string {
	to, raw := address(to), to
	switch {
	case to == "" && name == "":
		return escapeMarkdown(oneLine(raw))
	case to == "":
		return escapeMarkdown(name)
	case name == "" || name == to:
		return to
	default:
		return "[" + escapeMarkdown(name) + "](" + to + ")"
	}
}

// escapeMarkdown makes text show as it is written. Mattermost takes a
// backslash before any ASCII punctuation.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case strings.ContainsRune("\\`*_[]<>~|#!&", r), i == 0 && strings.ContainsRune("+-=:", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// imageSize is Mattermost's size of a picture after its address, which a link
// must not have.
var imageSize = regexp.MustCompile(`^([^\s()<>]+)\s+=\d*(?:x\d*)?(\s|$)`)

// unloadImages turns images outside code into links. What looks like an image
// to any reader is taken for one.
func unloadImages(md string) string {
	if !strings.Contains(md, "![") {
		return md
	}
	code := readMarkdown(md).code
	references := strings.Contains(md, "]:")
	var b strings.Builder
	last := 0
	for i := 0; i+1 < len(md); i++ {
		if md[i] != '!' || md[i+1] != '[' || i < last || within(code, i) || escaped(md, i) {
			continue
		}
		text, end, ok := imageWords(md, i, references)
		if !ok {
			continue
		}
		b.WriteString(md[last:i])
		b.WriteString(text)
		last = end
	}
	b.WriteString(md[last:])
	return b.String()
}

// imageWords returns what replaces the image whose ! is at i, and where that
// ends.
func imageWords(md string, i int, references bool) (text string, end int, ok bool) {
	closing := matching(md, i+1, '[', ']')
	if closing < 0 {
		return "", i + 1, closing == tooFar
	}
	alt := md[i+2 : closing]
	if strings.Contains(alt, "![") {
		return "", i + 1, true
	}
	if closing+1 < len(md) && md[closing+1] == '(' {
		if target := matching(md, closing+1, '(', ')'); target >= 0 {
			to := strings.TrimSpace(md[closing+2 : target])
			if size := imageSize.FindStringSubmatch(to + " "); size != nil {
				to = size[1]
			}
			switch {
			case insideLink(md, i, target):
				return alt, target + 1, true
			case strings.TrimSpace(alt) == "":
				return to, target + 1, true
			default:
				return "[" + alt + "](" + to + ")", target + 1, true
			}
		}
		// Some reader may still find an end: it is no image without its !.
		return "", i + 1, true
	}
	return "", i + 1, references
}

// insideLink reports whether the image from i to end is all that a link shows,
// as in [![alt](picture)](page).
func insideLink(md string, i, end int) bool {
	return i > 0 && md[i-1] == '[' && strings.HasPrefix(md[end+1:], "](")
}

const (
	// longestImage bounds how far, in bytes, the end of an image is looked for.
	longestImage = 4096

	notThere = -1
	tooFar   = -2
)

// matching returns the place of the bracket that closes the one at i. It looks
// no further than the paragraph (notThere) and [longestImage] (tooFar).
func matching(md string, i int, open, shut byte) int {
	depth := 0
	for end := i + longestImage; i < len(md); i++ {
		if i > end {
			return tooFar
		}
		switch md[i] {
		case '\\':
			i++
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i
			}
		case '\n':
			if i+1 < len(md) && md[i+1] == '\n' {
				return notThere
			}
		}
	}
	return notThere
}

// escaped reports whether an odd number of backslashes stands before i.
func escaped(md string, i int) bool {
	n := 0
	for ; i > 0 && md[i-1] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}
