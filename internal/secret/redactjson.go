package secret

import (
	"encoding/json"
	"strings"
)

// redactJSON is [Redact] for a text that is JSON as a whole. Here names and
// values are certain, JSON inside a string is JSON again, and the result is
// well-formed. It reports false for anything else.
func redactJSON(text string) (string, bool) {
	first := skipSpace(text, 0)
	if first == len(text) || strings.IndexByte(`{["`, text[first]) < 0 || !json.Valid([]byte(text)) {
		return "", false
	}
	var out strings.Builder
	done := 0
	replace := func(from, to int, with string) {
		out.WriteString(text[done:from])
		out.WriteString(with)
		done = to
	}
	for i := first; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		end := stringEnd(text, i)
		content := unquote(text[i:end])
		if colon := skipSpace(text, end); colon < len(text) && text[colon] == ':' && sensitiveName(content) {
			from := skipSpace(text, colon+1)
			to := valueEnd(text, from)
			if saysSomething(text[from:to]) {
				replace(from, to, `"`+Redacted+`"`)
			}
			i = to - 1
			continue
		}
		if clean := Redact(content); clean != content {
			quoted, _ := json.Marshal(clean) // a string always encodes
			replace(i, end, string(quoted))
		}
		i = end - 1
	}
	if done == 0 {
		return text, true
	}
	out.WriteString(text[done:])
	return out.String(), true
}

// saysSomething tells values that may be secrets from those that only say
// that there is none. The empty object is W10's `token:{}`.
func saysSomething(value string) bool {
	return !isLiteral(value) && value != `""` && value != "{}" && value != "[]"
}

// The helpers below rely on well-formed JSON.

func skipSpace(text string, i int) int {
	for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
		i++
	}
	return i
}

// stringEnd gives the end of the string that starts at i, quotes included.
func stringEnd(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd gives the end of the value that starts at i.
func valueEnd(text string, i int) int {
	open := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = stringEnd(text, i) - 1
		case '{', '[':
			open++
		case '}', ']':
			open--
		default: // a number or literal, or blanks and commas inside a container
			if open > 0 {
				break
			}
			for i < len(text) && strings.IndexByte(",]} \t\r\n", text[i]) < 0 {
				i++
			}
			return i
		}
		if i++; open == 0 {
			return i
		}
	}
	return i
}

func unquote(quoted string) string {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var content string
	_ = json.Unmarshal([]byte(quoted), &content) // checked before
	return content
}
