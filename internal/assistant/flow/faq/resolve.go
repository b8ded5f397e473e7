package faq

import (
	"cmp"
	"slices"
)

// link says that a word of the query may stand for a term of the index.
type link struct {
	term int32
	sim  float64 // in (0,1], 1 for the same word
	part bool    // the term is a part of the word or the other way round
}

// token is one word of a query with what the index knows about it.
type token struct {
	word
	class  class
	links  []link  // best first
	known  bool    // the index has the word itself or another form of it
	weight float64 // what a match of it is worth, in (0,1]
}

const (
	simStem     = 0.97 // another form of the word
	simTranslit = 0.9  // the same word in Latin letters
	likely      = 0.4  // at least, of 1, fits a language a query may be in
	maxLinks    = 12   // terms a word may stand for
	maxFuzzy    = 48   // words of a query are looked up with typos and compounds
)

// resolve finds the terms each word of a query may stand for.
func (v *vocabulary) resolve(words []word, fit []float64) []token {
	out := make([]token, len(words))
	fuzzy := 0
	counts := make([]uint16, len(v.forms))
	for i, w := range words {
		t := &out[i]
		t.word, t.class = w, v.classify(w, fit)
		v.lookUp(t, fit)
		if t.class == content && len(t.folded) >= 3 && fuzzy < maxFuzzy {
			fuzzy++
			v.lookAround(t, fit, counts)
		}
		t.links = bestLinks(t.links)
		v.weigh(t)
	}
	return out
}

// classify returns the class of a word of the query: what it is in the most
// likely of the languages that have it in a list.
func (v *vocabulary) classify(w word, fit []float64) class {
	if isNumber(w.folded) {
		return number
	}
	best, cl := 0.0, content
	for i := range v.langs {
		if c := v.langs[i].class(w); c != content && fit[i] > best && fit[i] >= likely {
			best, cl = fit[i], c
		}
	}
	return cl
}

// lookUp adds links to the terms with the same spelling or stem.
func (v *vocabulary) lookUp(t *token, fit []float64) {
	for _, id := range v.exact[t.folded] {
		t.links = append(t.links, link{id, 1, false})
	}
	for lang := range v.langs {
		a, b := stems(v.langs[lang].code, t.word)
		for _, k := range []string{a, b} {
			if id, ok := v.keys[lang][k]; ok {
				t.links = append(t.links, link{id, simStem, false})
			}
		}
	}
	for _, l := range t.links {
		t.known = t.known || fit[v.terms[l.term].lang] >= likely
	}
	if len(t.links) > 0 {
		return
	}
	if latin := transliterate(t.folded); latin != "" {
		for _, id := range v.exact[latin] {
			t.links = append(t.links, link{id, simTranslit, false})
		}
		t.known = len(t.links) > 0
	}
}

// bestLinks sorts links, best first, keeps one a term and at most maxLinks.
func bestLinks(links []link) []link {
	slices.SortFunc(links, func(a, b link) int {
		return cmp.Or(cmp.Compare(b.sim, a.sim), cmp.Compare(a.term, b.term))
	})
	out := links[:0]
	for _, l := range links {
		if len(out) < maxLinks && !slices.ContainsFunc(out, func(o link) bool { return o.term == l.term }) {
			out = append(out, l)
		}
	}
	return out
}

// weigh sets the weight of a word. An unknown word counts as the rarest: it
// may be the very subject of the question.
func (v *vocabulary) weigh(t *token) {
	rarity := 1.0
	if len(t.links) > 0 {
		l := t.links[0]
		for _, o := range t.links[1:] {
			if o.sim == l.sim && v.terms[o.term].rarity > v.terms[l.term].rarity {
				l = o
			}
		}
		rarity = l.sim*v.terms[l.term].rarity + (1 - l.sim)
		if t.class != number && !t.known && v.terms[l.term].class != content && l.sim > 0.6 {
			t.class = v.terms[l.term].class
		}
	} else if t.class != content {
		rarity = 0.5 // a small word no entry uses says nothing against any
	}
	t.weight = rarity * classWeight[t.class]
}
