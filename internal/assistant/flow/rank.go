package flow

import (
	"cmp"
	"slices"

	"parley/internal/assistant/flow/faq"
)

// ranker ranks the entries of a flow for a text, all languages together.
type ranker struct {
	// all indexes each entry once for each language it can be asked in.
	all *faq.Index
	// own holds an index for each language, nil when no entry has two.
	own []*faq.Index
	ids map[string]asked
	// languages is the number of languages, so of matches of one entry.
	languages int
	// size is the number of entries times the languages they can be asked in.
	size int
}

// asked is an entry in one of its languages.
type asked struct{ entry, lang int }

// candidate is an entry with the confidence, in [0,1], that a text asks for
// it.
type candidate struct {
	asked
	confidence float64
}

func newRanker(d *definition) *ranker {
	r := &ranker{ids: map[string]asked{}, languages: len(d.languages)}
	byLang := make([][]faq.Entry, len(d.languages))
	var all []faq.Entry
	translated := false
	for i, e := range d.entries {
		n := 0
		for lang, tag := range d.languages {
			if len(e.ask[lang]) == 0 {
				continue
			}
			in := faq.Entry{ID: tag + " " + e.id, Lang: tag}
			for _, p := range e.ask[lang] {
				in.Phrasings = append(in.Phrasings, p.text)
			}
			if lang < len(e.say.by) {
				in.Answer = e.say.by[lang]
			}
			r.ids[in.ID] = asked{i, lang}
			all = append(all, in)
			byLang[lang] = append(byLang[lang], in)
			n++
		}
		translated = translated || n > 1
	}
	r.all, r.size = faq.New(all), len(all)
	if translated {
		for _, entries := range byLang {
			r.own = append(r.own, faq.New(entries))
		}
	}
	return r
}

// rank returns the entries worth suggesting, best first, each in the language
// that fits the text, where lang, the language of the talk, wins a tie.
func (r *ranker) rank(text string, lang int) []candidate {
	matches := r.all.Search(text, (maxSuggestions+1)*r.languages)
	var out []candidate
	for _, m := range matches {
		a := r.ids[m.ID]
		i := slices.IndexFunc(out, func(c candidate) bool { return c.entry == a.entry })
		switch {
		case i < 0:
			out = append(out, candidate{a, m.Confidence})
		case a.lang == lang && m.Confidence >= nearlySame*out[i].confidence:
			out[i].lang = lang
		}
	}
	if len(out) > 0 && len(matches) > 1 && r.ids[matches[1].ID].entry == out[0].entry {
		out[0].confidence = max(out[0].confidence, r.alone(text, out[0].asked))
	}
	foreign := func(c candidate) int {
		if c.lang == lang {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.confidence, a.confidence), foreign(a)-foreign(b))
	})
	return slices.DeleteFunc(out, func(c candidate) bool { return c.confidence < faq.Suggest })
}

// sure reports whether the first of best answers the text by itself: it is
// confident, and the others do not outweigh it. A word that several entries
// share, such as "delivery" alone, makes each of them likely.
func sure(best []candidate) bool {
	if len(best) == 0 || best[0].confidence < faq.Confident {
		return false
	}
	rivals := 0.0
	for _, c := range best[1:min(len(best), maxSuggestions+1)] {
		rivals += c.confidence
	}
	return rivals < outweighed*best[0].confidence
}

// outweighed is how many times as likely as the best entry the next ones must
// be together to ask instead of answering. Of real questions that costs one in
// 250 its answer at once.
const outweighed = 1.5

// nearlySame is the part of the best confidence at which a match in the
// language of the talk is preferred.
const nearlySame = 0.9

// alone returns the confidence of an entry among those of its language only.
// A search of all languages is less sure of an entry the closer the second
// one comes, which means nothing when the second is its own translation.
func (r *ranker) alone(text string, a asked) float64 {
	if r.own == nil {
		return 0
	}
	for _, m := range r.own[a.lang].Search(text, 1) {
		if r.ids[m.ID] == a {
			return m.Confidence
		}
	}
	return 0
}
