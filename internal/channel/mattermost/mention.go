package mattermost

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mentions reports whether a text names @username as the server would count
// it: as a word, in any case, outside code, with or without punctuation after
// it. What the server itself says (data.mentions) is no proof: it is set for
// @channel, direct messages and being added as well.
func mentions(text, username string) bool {
	code := codeSpans(text)
	for at := range mentionsOf(text, username) {
		if !inSpan(code, at.from) {
			return true
		}
	}
	return false
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// mentionsOf gives where a text names @username, code or not.
func mentionsOf(text, username string) func(yield func(span) bool) {
	return func(yield func(span) bool) {
		if username == "" {
			return
		}
		for i := 0; i < len(text); i++ {
			if text[i] != '@' {
				continue
			}
			if before, _ := utf8.DecodeLastRuneInString(text[:i]); i > 0 && isWord(before) {
				continue // an address: somebody@host
			}
			end := i + 1
			for end < len(text) && isNameByte(text[end]) {
				end++
			}
			if n := match(text[i+1:end], username); n > 0 && !letterAt(text, i+1+n) {
				if !yield(span{i, i + 1 + n}) {
					return
				}
			}
			i = end - 1
		}
	}
}

// match gives the length of username at the start of word when only
// punctuation follows it there, which the server drops as well.
func match(word, username string) int {
	n := len(username)
	if len(word) < n || !strings.EqualFold(word[:n], username) || strings.Trim(word[n:], ".-_:") != "" {
		return 0
	}
	return n
}

// letterAt reports whether a letter beyond ASCII goes on with a word at i.
func letterAt(text string, i int) bool {
	if i >= len(text) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	return r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// isNameByte reports what user names are made of.
func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
}

// stripMention takes the mention of username out of a text: at its beginning
// with what addresses ("@bot: ", "@bot, "), at its end alone, and elsewhere
// only the @, since the name is part of the sentence there. Code stays.
func stripMention(text, username string) string {
	code := codeSpans(text)
	var out strings.Builder
	last := 0
	for at := range mentionsOf(text, username) {
		if inSpan(code, at.from) {
			continue
		}
		switch {
		case strings.TrimSpace(text[last:at.from]) == "" && strings.TrimSpace(out.String()) == "":
			last = at.to
			rest := strings.TrimLeft(text[last:], " \t")
			if rest != "" && strings.ContainsRune(",:;", rune(rest[0])) {
				last = len(text) - len(rest) + 1
			}
		case strings.Trim(text[at.to:], " \t\r\n.!?") == "":
			out.WriteString(strings.TrimRight(text[last:at.from], " \t,"))
			last = at.to
		default:
			out.WriteString(text[last:at.from])
			last = at.from + 1
		}
	}
	out.WriteString(text[last:])
	return strings.TrimSpace(out.String())
}

// cutPrefix takes a prefix such as "!bot" off a text. It has to be a word: what
// follows is the end, white space or punctuation.
func cutPrefix(text, prefix string) (string, bool) {
	text = strings.TrimSpace(text)
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	rest := text[len(prefix):]
	if rest == "" {
		return "", true
	}
	if r, _ := utf8.DecodeRuneInString(rest); isWord(r) || r == '-' {
		return text, false
	}
	return strings.TrimSpace(strings.TrimLeft(rest, ",:;")), true
}

func inSpan(spans []span, at int) bool {
	for _, s := range spans {
		if at >= s.from && at < s.to {
			return true
		}
	}
	return false
}

// codeSpans finds code in a post: fenced blocks, lines indented by four spaces
// after an empty line, and text between backticks.
func codeSpans(text string) []span {
	var spans []span
	fence, opened := "", 0
	plainFrom, blank := 0, true
	flush := func(to int) {
		spans = append(spans, inlineCode(text, plainFrom, to)...)
	}
	for from := 0; from < len(text); {
		to := from + strings.IndexByte(text[from:], '\n') + 1
		if to == from {
			to = len(text)
		}
		line := strings.TrimRight(text[from:to], "\r\n")
		mark := fenceOf(line)
		switch {
		case fence != "":
			if mark != "" && mark[0] == fence[0] && len(mark) >= len(fence) && strings.Trim(line, " "+mark[:1]) == "" {
				spans = append(spans, span{opened, to})
				fence, plainFrom = "", to
			}
		case mark != "" && (mark[0] == '~' || !strings.Contains(strings.TrimLeft(strings.TrimLeft(line, " "), "`"), "`")):
			flush(from)
			fence, opened = mark, from
		case blank && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")) && strings.TrimSpace(line) != "":
			flush(from)
			spans = append(spans, span{from, to})
			plainFrom = to
			from = to
			continue // blank stays: the next indented line is code too
		}
		blank = strings.TrimSpace(line) == ""
		from = to
	}
	if fence != "" {
		return append(spans, span{opened, len(text)})
	}
	flush(len(text))
	return spans
}

// fenceOf gives the run of backticks or tildes that begins a fence, or "".
func fenceOf(line string) string {
	trimmed := strings.TrimLeft(line, " ")
	if len(line)-len(trimmed) > 3 {
		return ""
	}
	for _, c := range []byte{'`', '~'} {
		n := 0
		for n < len(trimmed) && trimmed[n] == c {
			n++
		}
		if n >= 3 {
			return trimmed[:n]
		}
	}
	return ""
}

// inlineCode finds text between equal runs of backticks.
func inlineCode(text string, from, to int) []span {
	var spans []span
	for i := from; i < to; {
		if text[i] != '`' {
			i++
			continue
		}
		n := run(text, i, to)
		end := -1
		for j := i + n; j < to; {
			if text[j] != '`' {
				j++
				continue
			}
			m := run(text, j, to)
			if m == n {
				end = j + m
				break
			}
			j += m
		}
		if end < 0 {
			i += n
			continue
		}
		spans = append(spans, span{i, end})
		i = end
	}
	return spans
}

func run(text string, at, to int) int {
	n := 0
	for at+n < to && text[at+n] == '`' {
		n++
	}
	return n
}
