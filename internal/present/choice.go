package present

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"parley/internal/chat"
)

// Choice returns the option a person typed instead of pressing it: by its title
// (case, spaces, punctuation and accents do not count), by its number as
// [Options] counts ("2", "2.", "2)"), or by its value. Options that open an
// address say nothing and are never meant, but they keep their number. ok is
// false when nothing fits, or when two options with different values do.
func Choice(options []chat.Option, typed string) (chosen chat.Option, ok bool) {
	if len(typed) > maxTyped || strings.TrimSpace(typed) == "" {
		return chat.Option{}, false
	}
	n := typedNumber(typed)
	exact, loose := titleForm(typed), withoutAccents(titleForm(typed))
	value := strings.TrimSpace(typed)
	var same, alike matches
	for i, o := range options {
		if o.Value == "" {
			continue
		}
		form := titleForm(o.Title)
		switch {
		case n == i+1, value == o.Value, exact != "" && exact == form:
			same = append(same, o)
		case loose != "" && loose == withoutAccents(form):
			alike = append(alike, o)
		}
	}
	if len(same) > 0 {
		return same.one()
	}
	return alike.one()
}

// maxTyped is the longest text, in bytes, that can name an option.
const maxTyped = 1024

type matches []chat.Option

// one returns the only option, or the first of several that say the same.
func (m matches) one() (chat.Option, bool) {
	if len(m) == 0 {
		return chat.Option{}, false
	}
	for _, o := range m[1:] {
		if o.Value != m[0].Value {
			return chat.Option{}, false
		}
	}
	return m[0], true
}

// typedNumber reads "2", "2." and "2)", 0 for anything else. Flows read numbers
// by the same rule.
func typedNumber(s string) int {
	s = strings.TrimRight(strings.TrimSpace(s), ".)")
	if len(s) == 0 || len(s) > 2 {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// titleForm is the form in which a typed title and a shown one are the same:
// case, punctuation and spaces do not count, as in a flow's own search.
func titleForm(s string) string {
	s = strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s, " ")))
	var words []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool {
		return r != '\'' && r != '’' &&
			(unicode.IsSpace(r) || r == '\u200b' || unicode.IsPunct(r) && !strings.ContainsRune("#%&@*/", r))
	}) {
		if w = strings.NewReplacer("'", "", "’", "").Replace(w); w != "" {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return strings.TrimSpace(s)
	}
	return strings.Join(words, " ")
}

// withoutAccents drops marks above and below letters: "Größe" is "grosse".
func withoutAccents(s string) string {
	s = norm.NFKD.String(strings.ReplaceAll(s, "ß", "ss"))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}
