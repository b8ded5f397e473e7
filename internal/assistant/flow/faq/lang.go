package faq

import "unicode"

// language is one language of the index.
type language struct {
	code   string
	closed map[string]class // nil without a list
	stems  map[string]class // of the words in closed that are four letters or longer
	script *unicode.RangeTable
}

func newLanguage(code string) language {
	l := language{code: code}
	l.closed, l.stems = closedWords(code)
	return l
}

// class returns the class of a word in the language.
func (l *language) class(w word) class {
	if isNumber(w.folded) {
		return number
	}
	if c, ok := l.closed[w.folded]; ok {
		return c
	}
	a, _ := stems(l.code, w)
	return l.stems[a] // content is the zero class
}

func isNumber(s string) bool {
	for _, r := range s {
		if unicode.IsDigit(r) {
			return true
		}
	}
	return false
}

// scripts are told apart to guess the language of a query. Others count as
// one more script.
var scripts = []*unicode.RangeTable{
	unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Arabic, unicode.Hebrew, unicode.Han,
	unicode.Hiragana, unicode.Hangul, unicode.Devanagari, unicode.Thai,
}

// scriptOf returns the script of the first letter of s, or nil.
func scriptOf(s string) *unicode.RangeTable {
	for _, r := range s {
		for _, t := range scripts {
			if unicode.Is(t, r) {
				return t
			}
		}
	}
	return nil
}

// guessLanguages returns for each language of the index how well the words
// fit it, 1 for the best one. Small words say most, words only the entries of
// one language use say something, the script says a little; with no evidence
// all languages fit alike.
func (v *vocabulary) guessLanguages(words []word) []float64 {
	fit := make([]float64, len(v.langs))
	for i := range fit {
		fit[i] = 0.5
	}
	for _, w := range words {
		v.addEvidence(fit, w)
	}
	best := 0.0
	for _, f := range fit {
		best = max(best, f)
	}
	for i := range fit {
		fit[i] /= best
	}
	return fit
}

func (v *vocabulary) addEvidence(fit []float64, w word) {
	spread := func(weight float64, has func(lang int) bool) {
		n := 0.0
		for i := range fit {
			if has(i) {
				n++
			}
		}
		for i := range fit {
			if has(i) {
				fit[i] += weight / n
			}
		}
	}
	spread(1, func(i int) bool { _, ok := v.langs[i].closed[w.folded]; return ok })
	spread(0.6, func(i int) bool {
		for _, t := range v.exact[w.folded] {
			if v.terms[t].lang == i {
				return true
			}
		}
		return false
	})
	script := scriptOf(w.folded)
	spread(0.3, func(i int) bool { return script != nil && v.langs[i].script == script })
}
