package flow

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"parley/internal/chat"
)

// finder knows which entry a text asks for. It never changes after newFinder.
type finder struct {
	byID map[string]int
	// exact holds the normal form of every phrasing, by language.
	exact []map[string]int
	// titles holds the titles of options that lead to an entry by their value,
	// for people who type what they see.
	titles map[string]int
	// none holds the ways to decline a "did you mean".
	none   map[string]bool
	ranker *ranker
}

// maxSuggestions is how many entries a "did you mean" shows.
const maxSuggestions = 3

// found is what a text asks for.
type found struct {
	entry int // -1 when it is not sure
	// near are entries to suggest, best first.
	near []int
	lang int
}

func newFinder(d *definition) *finder {
	f := &finder{byID: map[string]int{}, titles: map[string]int{}, none: map[string]bool{}, ranker: newRanker(d)}
	for lang := range d.languages {
		exact := map[string]int{}
		f.exact = append(f.exact, exact)
		for i, e := range d.entries {
			f.byID[e.id] = i
			for _, p := range e.ask[lang] {
				if _, taken := exact[normal(p.text)]; !taken {
					exact[normal(p.text)] = i
				}
			}
		}
	}
	for _, s := range d.suggestNone.by {
		f.none[normal(s)] = true
	}
	for m := range d.messages() {
		f.addTitles(m.options())
	}
	return f
}

func (f *finder) addTitles(options []option) {
	for _, o := range options {
		if o.value == "" {
			continue
		}
		e, _, ok := f.literal(o.value, 0, true)
		if !ok {
			continue
		}
		for _, title := range o.title.by {
			if _, taken := f.titles[normal(title)]; !taken && title != "" {
				f.titles[normal(title)] = e
			}
		}
	}
}

// maxLiteral is the longest text, in bytes, that may be a phrasing, an id or a
// title as it stands.
const maxLiteral = 4 * maxPhrasing

// literal finds the entry a text names as it stands: by phrasing, id or title,
// or, for the value of something pressed, by id first. lang is the language of
// the talk; the answer's language is that one unless only another one has the
// phrasing.
func (f *finder) literal(text string, lang int, pressed bool) (e, in int, ok bool) {
	if len(text) > maxLiteral {
		return 0, lang, false
	}
	id := strings.TrimSpace(text)
	if e, ok := f.byID[id]; ok && pressed {
		return e, lang, true
	}
	key := normal(text)
	if key == "" {
		return 0, lang, false
	}
	if e, ok := f.exact[lang][key]; ok {
		return e, lang, true
	}
	for other, exact := range f.exact {
		if e, ok := exact[key]; ok {
			return e, other, true
		}
	}
	if e, ok := f.byID[id]; ok {
		return e, lang, true
	}
	e, ok = f.titles[key]
	return e, lang, ok
}

// find tells what a contact's content asks for.
func (f *finder) find(c chat.Content, offered []string, lang int) found {
	text := c.Input()
	if value, ok := byNumber(text, offered); ok {
		c = chat.ClickContent(value, text)
		text = value
	}
	pressed := c.Click != nil
	e, in, ok := f.literal(text, lang, pressed)
	if !ok && pressed {
		e, in, ok = f.literal(c.Click.Display, lang, false)
	}
	switch {
	case ok && pressed:
		// A press says nothing about the language a person writes.
		return found{entry: e, lang: lang}
	case ok:
		return found{entry: e, lang: f.keep(e, text, lang, in)}
	case f.none[normal(clip(text))]:
		return found{entry: -1, lang: lang}
	default:
		return f.search(text, lang)
	}
}

// byNumber returns the offered value that a typed number names.
func byNumber(text string, offered []string) (string, bool) {
	text = strings.TrimRight(strings.TrimSpace(text), ".)")
	if len(text) == 0 || len(text) > 2 {
		return "", false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > len(offered) || offered[n-1] == "" {
		return "", false
	}
	return offered[n-1], true
}

// keep stays with the language of the talk when a phrasing of another language
// would be understood in this one too ("Parley", "OK").
func (f *finder) keep(e int, text string, lang, in int) int {
	if in == lang {
		return lang
	}
	if best := f.ranker.rank(text, lang); len(best) > 0 && best[0].entry == e {
		return best[0].lang
	}
	return in
}

// search finds the entry that answers a text, or those that may.
func (f *finder) search(text string, lang int) found {
	best := f.ranker.rank(text, lang)
	if len(best) == 0 {
		return found{entry: -1, lang: lang}
	}
	if sure(best) {
		return found{entry: best[0].entry, lang: best[0].lang}
	}
	out := found{entry: -1, lang: best[0].lang}
	for _, c := range best[:min(len(best), maxSuggestions)] {
		out.near = append(out.near, c.entry)
	}
	return out
}

// normal returns the form in which two texts are the same to a reader: case,
// punctuation and spaces do not count. What is nothing but punctuation stands
// for itself.
func normal(s string) string {
	s = strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s, " ")))
	var b strings.Builder
	b.Grow(len(s))
	gap := false
	for _, r := range s {
		switch {
		case r == '\'' || r == '’':
		case unicode.IsSpace(r) || unicode.IsPunct(r) && !strings.ContainsRune("#%&@*/", r):
			gap = true
		default:
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return strings.TrimSpace(s)
	}
	return b.String()
}

// clip shortens a text that is too long to be anything by itself.
func clip(s string) string {
	if len(s) > maxLiteral {
		return ""
	}
	return s
}
