package secret

import "strings"

// Redact blanks secrets in text that was written by someone else (a foreign
// answer, an error of a library, a header) before it goes to a log:
//
//   - the value after a telling name: `"botToken":"..."` in JSON, also in JSON
//     inside a JSON string, `access_token=...` in a query, `Authorization: ...`
//   - `Bearer ...` anywhere
//   - anything shaped like a JWT (`eyJ...`) or one of our API tokens (`pat_...`)
//   - the password in `://user:password@host`
//   - the id in `/hooks/<id>`, which is all it takes to post to Mattermost
//
// It rather blanks too much than too little, gives well-formed JSON for
// well-formed JSON, and leaves a text it has treated as it is. Text without
// secrets is returned without a copy.
func Redact(text string) string {
	if clean, ok := redactJSON(text); ok {
		return clean
	}
	r := redactor{text: text}
	for r.pos < len(text) {
		if !r.step() {
			r.pos++
		}
	}
	if r.done == 0 {
		return text
	}
	r.out.WriteString(text[r.done:])
	return r.out.String()
}

// RedactField is [Redact] for the value of a field called name, which is
// blanked as a whole when the name tells that it is a secret. An empty name
// says nothing.
func RedactField(name, text string) string {
	if text != "" && sensitiveName(name) {
		return Redacted
	}
	return Redact(text)
}

// redactor walks over a text and copies it with blanks. done is how much of
// the text has been copied or blanked.
type redactor struct {
	text      string
	pos, done int
	out       strings.Builder

	// The word (text without blanks or quotes) that userinfo looked at last
	// ends at wordEnd, and its last "@" is at wordAt or nowhere (-1). Kept so
	// that a hostile text takes no more than linear time.
	wordEnd, wordAt int
}

// step looks for a secret at pos, blanks it and moves past it. It reports
// whether it did.
func (r *redactor) step() bool {
	switch c := r.text[r.pos]; c {
	case ':', '=':
		return r.userinfo() || r.named(c)
	case 'e':
		return r.jwt()
	case 'p':
		return r.apiToken()
	case 'B', 'b':
		return r.bearer()
	case '/':
		return r.hook()
	}
	return false
}

// blank replaces text[from:to] and continues after it. What was blanked
// before stays.
func (r *redactor) blank(from, to int, with string) bool {
	if from < r.done || to <= from {
		return false
	}
	if end := from + len(Redacted); strings.HasPrefix(r.text[from:], Redacted) && (end == len(r.text) || r.ends(end) || strings.IndexByte(closers+"@/", r.text[end]) >= 0) {
		r.pos = end
		return true
	}
	if r.text[from:to] != with {
		r.out.WriteString(r.text[r.done:from])
		r.out.WriteString(with)
		r.done = to
	}
	r.pos = to
	return true
}

// startsWord reports whether no word runs into position i. The letter of an
// escaped line break is no part of the next word.
func (r *redactor) startsWord(i int) bool {
	return i == 0 || !isWord(r.text[i-1]) || i > 1 && isEscape(r.text[i-2:i])
}

// jwt blanks a JWT or the beginning of one: base64 of `{"`.
func (r *redactor) jwt() bool {
	if !strings.HasPrefix(r.text[r.pos:], "eyJ") {
		return false
	}
	end := r.pos
	for end < len(r.text) && (isWord(r.text[end]) || strings.IndexByte(".-+/=", r.text[end]) >= 0) {
		end++
	}
	for r.text[end-1] == '.' { // the end of a sentence
		end--
	}
	shortest := 10
	if !r.startsWord(r.pos) {
		shortest = 20 // "eyJ" in the middle of something else
	}
	return end-r.pos >= shortest && r.blank(r.pos, end, Redacted)
}

// apiToken blanks an API token of the admin API, or the beginning of one.
func (r *redactor) apiToken() bool {
	const prefix, shortest = "pat_", 16
	if !strings.HasPrefix(r.text[r.pos:], prefix) || !r.startsWord(r.pos) {
		return false
	}
	end := r.pos + len(prefix)
	for end < len(r.text) && isAlnum(r.text[end]) {
		end++
	}
	return end-r.pos >= len(prefix)+shortest && r.blank(r.pos, end, Redacted)
}

func (r *redactor) bearer() bool {
	const word = "bearer"
	rest := r.text[r.pos:]
	if len(rest) < len(word)+2 || !strings.EqualFold(rest[:len(word)], word) || !r.startsWord(r.pos) {
		return false
	}
	from := r.pos + len(word)
	for from < len(r.text) && (isBlank(r.text[from]) || r.text[from] == '+') { // "+" in a query
		from++
	}
	if strings.HasPrefix(r.text[from:], "%20") {
		from += len("%20")
	}
	return from > r.pos+len(word) && r.blank(from, r.bareEnd(from), Redacted)
}

// hook blanks the id of a Mattermost incoming webhook: 26 letters and digits, and
// the key of our own callback address for its outgoing ones.
func (r *redactor) hook() bool {
	const path, size = "/hooks/", 26
	if !strings.HasPrefix(r.text[r.pos:], path) {
		return false
	}
	from := r.pos + len(path)
	end := from
	if key, ours := strings.CutPrefix(r.text[from:], "mattermost/"); ours {
		from = len(r.text) - len(key)
		end = from
		for end < len(r.text) && (isWord(r.text[end]) || r.text[end] == '-') {
			end++
		}
		return end-from >= shortestKey && r.blank(from, end, Redacted)
	}
	for end < len(r.text) && isAlnum(r.text[end]) {
		end++
	}
	return end-from == size && r.blank(from, end, Redacted)
}

// shortestKey is the least length of a key in our callback addresses; the words
// in their place are shorter.
const shortestKey = 16

// userinfo blanks what stands between "://" and "@": the password, or all of
// it when it is one long word, as access tokens are.
func (r *redactor) userinfo() bool {
	if !strings.HasPrefix(r.text[r.pos:], "://") {
		return false
	}
	from := r.pos + len("://")
	if from > r.wordEnd {
		r.findWord(from)
	}
	address := r.text[from:max(from, r.wordEnd)]
	host := address
	if i := strings.IndexAny(address, "/?#"); i >= 0 {
		host = address[:i]
	}
	colon := strings.IndexByte(host, ':')
	at := strings.LastIndexByte(host, '@')
	if at < 0 && colon >= 0 && host[0] != '[' && !isPort(host[colon+1:]) && r.wordAt > from {
		// Somebody forgot to escape a "/" or "?" in a password.
		at = r.wordAt - from
	}
	switch {
	case at < 0:
		return false
	case colon >= 0 && colon < at:
		return r.blank(from+colon+1, from+at, Redacted)
	case at >= 20:
		return r.blank(from, from+at, Redacted)
	}
	return false
}

// findWord sets wordEnd and wordAt for the word that starts at from.
func (r *redactor) findWord(from int) {
	r.wordEnd, r.wordAt = from, -1
	for ; r.wordEnd < len(r.text) && !isBlank(r.text[r.wordEnd]) && strings.IndexByte("\r\n\"'`<>", r.text[r.wordEnd]) < 0; r.wordEnd++ {
		if r.text[r.wordEnd] == '@' {
			r.wordAt = r.wordEnd
		}
	}
}

// named blanks the value after "name:" or "name=" when the name is telling.
func (r *redactor) named(separator byte) bool {
	name := nameBefore(r.text[r.done:r.pos])
	if !sensitiveName(name) {
		return false
	}
	from := r.pos + 1
	for from < len(r.text) && (isBlank(r.text[from]) || r.text[from] == '\n' || r.text[from] == '>') {
		from++
	}
	if from == len(r.text) {
		return false
	}
	switch {
	case r.text[from] == '{' || r.text[from] == '[':
		return r.nested(from)
	case r.quoteAt(from) >= 0:
		return r.quoteAt(from) >= quotedName(r.text[r.done:r.pos]) && r.quoted(from)
	}
	end := r.bareEnd(from)
	if separator == ':' {
		if isLiteral(r.text[from:end]) || isProse(r.text[from:end]) {
			return false
		}
		if takesLine(name) {
			end = r.lineEnd(from)
		}
	}
	for _, scheme := range []string{"bearer", "basic", "token", "digest", "negotiate"} {
		if strings.EqualFold(r.text[from:end], scheme) && end+1 < len(r.text) && isBlank(r.text[end]) {
			end = r.bareEnd(end + 1)
			break
		}
	}
	return r.blank(from, end, r.bareMark(from))
}

// bareMark keeps JSON well-formed where the blanked value was a number.
func (r *redactor) bareMark(from int) string {
	before := strings.TrimRight(r.text[:from], " \t\n:")
	slashes, ok := strings.CutSuffix(before, `"`)
	if !ok {
		return Redacted
	}
	quote := slashes[len(strings.TrimRight(slashes, `\`)):] + `"`
	return quote + Redacted + quote
}

// quoteAt gives how many backslashes stand before the quote at from, and -1
// when there is none. A value in JSON has none, one in JSON inside a string
// of JSON has one, then three.
func (r *redactor) quoteAt(from int) int {
	i := from + leading(r.text[from:], '\\')
	if i == len(r.text) || strings.IndexByte("\"'`", r.text[i]) < 0 {
		return -1
	}
	return i - from
}

// quoted blanks what is between the quotes.
func (r *redactor) quoted(from int) bool {
	depth := r.quoteAt(from)
	inner := from + depth + 1
	end := r.quoteEnd(inner, depth, r.text[inner-1])
	if end == inner {
		return false // an empty text is no secret
	}
	return r.blank(inner, end, Redacted)
}

// quoteEnd finds where the text in quotes ends that starts at inner: before
// the closing quote and its backslashes.
func (r *redactor) quoteEnd(inner, depth int, quote byte) int {
	slashes := 0
	for i := inner; i < len(r.text); i++ {
		switch r.text[i] {
		case '\\':
			slashes++
			continue
		case quote:
			if closesQuote(slashes, depth) {
				return i - min(slashes, depth)
			}
		}
		slashes = 0
	}
	return len(r.text)
}

// closesQuote tells whether a quote after that many backslashes ends a text
// whose opening quote had depth of them. Each level of quoting doubles the
// backslashes and adds one for the quote.
func closesQuote(slashes, depth int) bool {
	for ; depth > 0; depth = (depth - 1) / 2 {
		if slashes%2 == 0 {
			return true // the quote ends an outer text, and ours with it
		}
		slashes = (slashes - 1) / 2
	}
	return slashes%2 == 0
}

// nested blanks an object or list as a whole, to its closing bracket or, when
// it is cut off, to the end of the text.
func (r *redactor) nested(from int) bool {
	open, end := 0, len(r.text)
scan:
	for i := from; i < len(r.text); i++ {
		switch r.text[i] {
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				end = i + 1
				break scan
			}
		case '"', '\\':
			depth := r.quoteAt(i)
			if depth < 0 {
				i += leading(r.text[i:], '\\') - 1
				continue
			}
			i += depth + 1
			i = r.quoteEnd(i, depth, r.text[i-1]) + depth
		}
	}
	if end-from == 2 {
		return false // W10 sends an empty object, which is worth seeing
	}
	return r.blank(from, end, r.bareMark(from))
}

// bareEnd finds the end of a value without quotes: a blank, a quote, "&", or
// closing punctuation that is itself followed by an end.
func (r *redactor) bareEnd(from int) int {
	for i := from; i < len(r.text); i++ {
		if r.ends(i) {
			return i
		}
		if closing := leadingAny(r.text[i:], closers); closing > 0 {
			if after := i + closing; after == len(r.text) || r.ends(after) || strings.IndexByte("{[", r.text[after]) >= 0 {
				return i
			}
			i += closing - 1
		}
	}
	return len(r.text)
}

// closers may be part of a password, but not at its end.
const closers = ",;)]}"

// ends reports whether no value goes past position i, whatever follows.
func (r *redactor) ends(i int) bool {
	return isBlank(r.text[i]) || strings.IndexByte("\r\n&\"'`<>\\", r.text[i]) >= 0
}

func (r *redactor) lineEnd(from int) int {
	if i := strings.IndexAny(r.text[from:], "\r\n\"'`\\]}"); i >= 0 {
		return from + i
	}
	return len(r.text)
}
