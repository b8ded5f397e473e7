package faq

import (
	"math"
	"slices"
)

// term is one word stem of one language, as the entries use it.
type term struct {
	lang     int
	class    class
	rarity   float64   // in (0,1], 1 for a word of a single entry
	weight   float64   // rarity times the weight of the class
	postings []posting // by entry, ascending
}

// posting says how often an entry uses a term or a trigram, those in the
// answer counting answerWeight.
type posting struct {
	entry int32
	n     float32
}

// form is one spelling seen in the index. Its term is noTerm for a
// closed-class word which no entry uses.
type form struct {
	runes []rune
	term  int32
	lang  int
	class class
}

const noTerm = -1

// vocabulary knows the words of all entries and finds the ones a word of a
// query may stand for.
type vocabulary struct {
	langs []language
	terms []term
	keys  []map[string]int32 // for each language: stem to term
	exact map[string][]int32 // folded spelling to terms, of any language
	forms []form
	grams map[uint64][]int32 // letter pair to forms, ascending
}

func newVocabulary(entries []Entry) *vocabulary {
	v := &vocabulary{exact: map[string][]int32{}, grams: map[uint64][]int32{}}
	for _, e := range entries {
		code := baseLang(e.Lang)
		n := v.language(code)
		if n < 0 {
			n = len(v.langs)
			v.langs = append(v.langs, newLanguage(code))
			v.keys = append(v.keys, map[string]int32{})
		}
		for _, p := range append(slices.Clone(e.Phrasings), e.Answer) {
			if v.langs[n].script == nil {
				v.langs[n].script = scriptOf(p)
			}
		}
	}
	return v
}

// language returns the number of a language, -1 for one of no entry.
func (v *vocabulary) language(tag string) int {
	code := baseLang(tag)
	return slices.IndexFunc(v.langs, func(l language) bool { return l.code == code })
}

// add returns the term for w in language lang, which it creates if need be.
func (v *vocabulary) add(lang int, w word) int32 {
	a, b := stems(v.langs[lang].code, w)
	id, ok := v.keys[lang][a]
	if !ok {
		id, ok = v.keys[lang][b]
	}
	if !ok {
		id = int32(len(v.terms))
		v.terms = append(v.terms, term{lang: lang, class: v.langs[lang].class(w)})
	}
	for _, k := range []string{a, b} {
		if _, taken := v.keys[lang][k]; !taken {
			v.keys[lang][k] = id
		}
	}
	if ids := v.exact[w.folded]; !slices.Contains(ids, id) {
		v.exact[w.folded] = append(ids, id)
		for _, s := range variants(w, a) {
			v.addForm(s, id, lang, v.terms[id].class)
		}
	}
	return id
}

// variants returns the spellings by which w, with the given stem, is compared
// letter by letter.
func variants(w word, stem string) []string {
	out := []string{w.folded}
	if w.bare != w.folded {
		out = append(out, w.bare)
	}
	if !slices.Contains(out, stem) {
		out = append(out, stem)
	}
	return out
}

func (v *vocabulary) addForm(spelling string, id int32, lang int, cl class) {
	n := int32(len(v.forms))
	r := []rune(spelling)
	v.forms = append(v.forms, form{runes: r, term: id, lang: lang, class: cl})
	for _, g := range letterPairs(r) {
		v.grams[g] = append(v.grams[g], n)
	}
}

// addClosed adds the closed-class words of all languages as spellings, so that
// a misspelt small word is not taken for an unknown subject.
func (v *vocabulary) addClosed() {
	for n, l := range v.langs {
		words := make([]string, 0, len(l.closed))
		for w := range l.closed {
			if _, known := v.exact[w]; !known && len(w) >= 4 {
				words = append(words, w)
			}
		}
		slices.Sort(words) // the order of forms must not depend on the map
		for _, w := range words {
			v.addForm(w, noTerm, n, l.closed[w])
		}
	}
}

// setRarity computes the rarity of all terms from their document frequency
// among n entries. A small index is treated as one of smallIndex entries, in
// which a word of two entries out of three is still a rare word.
func (v *vocabulary) setRarity(n int) {
	const smallIndex = 20
	total := float64(max(n, smallIndex))
	idf := func(df float64) float64 { return math.Log(1 + (total-df+0.5)/(df+0.5)) }
	for i := range v.terms {
		t := &v.terms[i]
		df := 0.0
		for _, p := range t.postings {
			df += math.Min(1, float64(p.n))
		}
		t.rarity = math.Min(1, idf(math.Min(df, total))/idf(1))
		t.weight = t.rarity * classWeight[t.class]
	}
}

// letterPairs returns the pairs of neighbouring letters of r with its two
// ends marked, each pair once.
func letterPairs(r []rune) []uint64 {
	out := make([]uint64, 0, len(r)+1)
	prev := rune(0)
	for i := 0; i <= len(r); i++ {
		next := rune(0)
		if i < len(r) {
			next = r[i]
		}
		g := uint64(prev)<<21 | uint64(next)
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
		prev = next
	}
	return out
}
