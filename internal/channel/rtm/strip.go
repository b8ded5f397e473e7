package rtm

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// bearerKeys are fields in which mobile clients send their access token inside
// a message. Nothing behind this package ever sees them.
var bearerKeys = []string{"botToken", "kmToken"}

func isBearerKey(key string) bool {
	for _, k := range bearerKeys {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

// stripTokens returns a frame without its bearer tokens, wherever they are,
// and without what cannot be stored everywhere: NUL characters and bytes that
// are not UTF-8 (a binary frame may hold them). A clean frame is returned as
// it is.
func stripTokens(p []byte) ([]byte, error) {
	if !utf8.Valid(p) {
		p = bytes.ToValidUTF8(p, []byte("\uFFFD"))
	}
	if !suspicious(p) {
		return p, nil
	}
	dec := json.NewDecoder(bytes.NewReader(p))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errNotObject
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(strip(tree)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// suspicious is a quick look that never misses: a key holds "token" in any
// case, or hides its letters behind an escape, as a NUL does too.
func suspicious(p []byte) bool {
	if bytes.Contains(p, []byte(`\u`)) {
		return true
	}
	for rest := p; ; {
		i := bytes.IndexAny(rest, "kK")
		if i < 0 {
			return false
		}
		if i >= 2 && i+3 <= len(rest) && bytes.EqualFold(rest[i-2:i+3], []byte("token")) {
			return true
		}
		rest = rest[i+1:]
	}
}

// strip removes bearer keys and NUL characters from a decoded value, in place
// where it can. JSON text inside strings is looked at too.
func strip(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for key, inner := range t {
			clean := cleanText(key)
			if clean != key {
				delete(t, key)
			}
			if isBearerKey(clean) {
				delete(t, key)
				delete(t, clean)
				continue
			}
			t[clean] = strip(inner)
		}
		return t
	case []any:
		for i := range t {
			t[i] = strip(t[i])
		}
		return t
	case string:
		return stripText(cleanText(t))
	default:
		return v
	}
}

// stripText strips a string that is itself a JSON object naming a token.
func stripText(s string) string {
	if len(s) == 0 || s[0] != '{' || !suspicious([]byte(s)) {
		return s
	}
	inner, err := stripTokens([]byte(s))
	if err != nil {
		return s
	}
	return string(inner)
}
