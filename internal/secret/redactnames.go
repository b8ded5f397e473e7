package secret

import "strings"

// sensitiveName reports whether the value of a field with this name is a
// secret. Case, "_", "-" and a leading path do not matter: `bot_token`,
// `X-Kit-Access-Token` and `session.botToken` all tell.
func sensitiveName(name string) bool {
	if len(name) < 3 || len(name) > 64 {
		return false
	}
	name = strings.TrimRight(name, ".")
	name = name[strings.LastIndexByte(name, '.')+1:]
	var buf [64]byte
	folded := buf[:0]
	for i := 0; i < len(name); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != '_' && c != '-' {
			folded = append(folded, c)
		}
	}
	switch string(folded) {
	case "sid", "sessionid", "pass", "pwd", "auth", "salt", "securitysalt", "signature", "apikey", "privatekey",
		"signingkey", "encryptionkey", "credential", "credentials":
		return true
	}
	for _, end := range [...]string{"token", "secret", "password", "passwd", "passphrase", "authorization", "assertion", "jwt", "cookie"} {
		if len(folded) >= len(end) && string(folded[len(folded)-len(end):]) == end {
			return true
		}
	}
	return strings.HasSuffix(string(folded), "apikey")
}

// takesLine tells names of headers whose value has blanks in it.
func takesLine(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "authorization") || strings.HasSuffix(name, "cookie")
}

// nameBefore gives the name that ends the text, with or without quotes.
func nameBefore(text string) string {
	text = strings.TrimRight(text, " \t")
	for _, quote := range [...]string{`"`, `'`, "`"} {
		if inner, ok := strings.CutSuffix(text, quote); ok {
			text = strings.TrimRight(inner, `\`)
			break
		}
	}
	start := len(text)
	for start > 0 && len(text)-start < 64 && (isWord(text[start-1]) || text[start-1] == '-' || text[start-1] == '.') {
		start--
	}
	if start > 0 && start < len(text) && isEscape(text[start-1:start+1]) {
		start++
	}
	return text[start:]
}

// quotedName gives how many backslashes stand before the quote that ends the
// name at the end of text: fewer before the value mean that it belongs to an
// outer text.
func quotedName(text string) int {
	inner, quoted := strings.CutSuffix(strings.TrimRight(text, " \t"), `"`)
	if !quoted {
		return 0
	}
	return len(inner) - len(strings.TrimRight(inner, `\`))
}

// isLiteral tells values that say only whether there is one.
func isLiteral(value string) bool {
	return value == "null" || value == "true" || value == "false"
}

// isProse tells words that begin an explanation rather than being the secret:
// the fault "app.secret: is empty" and the chains of wrapped errors, "refresh
// token: dial tcp: ...".
func isProse(value string) bool {
	if strings.HasSuffix(value, ":") {
		return true
	}
	switch value {
	case "a", "an", "the", "is", "are", "was", "has", "must", "may", "can", "cannot", "does", "should", "needs",
		"no", "not", "too", "at", "give", "expected", "expired", "missing", "invalid", "unknown", "wrong", "required",
		"dial", "open", "read", "write", "unexpected", "context", "connection", "unable", "failed", "error", "malformed",
		"unsupported", "EOF", "Get", "Post":
		return true
	}
	return false
}

// isEscape tells the escapes of blanks and line breaks, in JSON and in %q.
func isEscape(two string) bool { return two == `\n` || two == `\r` || two == `\t` }

// leading counts how often c stands at the start of text.
func leading(text string, c byte) int {
	n := 0
	for n < len(text) && text[n] == c {
		n++
	}
	return n
}

// leadingAny counts the bytes at the start of text that are in set.
func leadingAny(text, set string) int {
	n := 0
	for n < len(text) && strings.IndexByte(set, text[n]) >= 0 {
		n++
	}
	return n
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isWord(c byte) bool { return isAlnum(c) || c == '_' }

func isPort(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
