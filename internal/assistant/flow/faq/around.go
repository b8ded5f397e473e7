package faq

import "slices"

// lookAround adds links to terms with a similar spelling: compounds and longer
// or shorter forms for any word, typos only for a word the index has not got.
// counts is zero for all forms, before and after.
func (v *vocabulary) lookAround(t *token, fit []float64, counts []uint16) {
	closed, closedSim := content, 0.0 // the most similar closed-class word
	for _, spelling := range v.spellings(t.word, fit) {
		r := []rune(spelling)
		for _, f := range v.similarForms(r, counts) {
			fm := &v.forms[f.form]
			if fit[fm.lang] < likely {
				continue
			}
			l := fm.compare(r, f.shared, !t.known)
			switch {
			case l.sim == 0:
			case l.term != noTerm:
				t.links = append(t.links, l)
			case l.sim > closedSim && l.sim >= 0.7 && r[0] == fm.runes[0]:
				closed, closedSim = fm.class, l.sim
			}
		}
	}
	for _, l := range t.links {
		if l.sim >= closedSim && v.terms[l.term].class == content {
			return
		}
	}
	if closedSim > 0 {
		t.class = closed
	}
}

// compare returns the link from a word with the letters r, which has shared
// letter pairs in common with f; its sim is 0 if they are not similar.
func (f *form) compare(r []rune, shared int, typos bool) link {
	l := link{term: f.term}
	if f.class == content {
		l.sim, l.part = containment(r, f.runes), true
	}
	if typos {
		if s := typoSimilarity(r, f.runes, shared); s > l.sim {
			l.sim, l.part = s, false
		}
	}
	return l
}

// spellings returns w and its stems in the likely languages.
func (v *vocabulary) spellings(w word, fit []float64) []string {
	out := variants(w, w.folded)
	for lang := range v.langs {
		if fit[lang] >= likely {
			if a, _ := stems(v.langs[lang].code, w); !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// formCount is a form with the letter pairs it shares with a word.
type formCount struct {
	form   int32
	shared int
}

// similarForms returns the forms which share half of the letter pairs of r or
// have half of their own in r.
func (v *vocabulary) similarForms(r []rune, counts []uint16) []formCount {
	pairs := letterPairs(r)
	var touched []int32
	for _, g := range pairs {
		for _, f := range v.grams[g] {
			if counts[f] == 0 {
				touched = append(touched, f)
			}
			counts[f]++
		}
	}
	var out []formCount
	for _, f := range touched {
		shared := int(counts[f])
		counts[f] = 0
		if 2*shared >= min(len(pairs), len(v.forms[f].runes)+1) {
			out = append(out, formCount{f, shared})
		}
	}
	return out
}
