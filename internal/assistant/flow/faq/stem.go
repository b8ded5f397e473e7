package faq

import (
	"strings"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
)

// stemmers has the Snowball stemmer of each language that has one here; words
// of other languages are compared as they are.
var stemmers = map[string]func(*snowballstem.Env) bool{
	"de": german.Stem, "en": english.Stem, "es": spanish.Stem, "fr": french.Stem,
	"it": italian.Stem, "nl": dutch.Stem, "pt": portuguese.Stem, "ru": russian.Stem,
}

// baseLang is the first part of a language tag: "pt" of "pt-BR".
func baseLang(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if i := strings.IndexAny(tag, "-_"); i > 0 {
		return tag[:i]
	}
	return tag
}

// stems returns the folded stem of w in lang and, where it differs, the stem
// of the folded word: stemmers know endings by their accents, people leave the
// accents out.
func stems(lang string, w word) (a, b string) {
	stem, ok := stemmers[lang]
	if !ok {
		return w.folded, w.folded
	}
	env := snowballstem.NewEnv(strings.ReplaceAll(w.lower, "ё", "е"))
	stem(env)
	a = fold(env.Current())
	if isASCII(w.lower) && a == env.Current() && w.folded == w.lower {
		return a, a
	}
	env.SetCurrent(w.folded)
	stem(env)
	return a, fold(env.Current())
}
