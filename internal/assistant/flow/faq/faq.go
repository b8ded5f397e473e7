package faq

import "slices"

// Entry is one FAQ entry as its author wrote it.
type Entry struct {
	ID        string   // any unique name; Search returns it
	Lang      string   // language tag such as "de" or "pt-BR"; may be empty
	Phrasings []string // ways to ask the question, one at least
	Answer    string   // searched too, at a lower weight
}

// Match is one ranked entry.
type Match struct {
	ID         string
	Confidence float64 // in [0,1]: how likely the entry is the one asked for; see Confident, Suggest
}

// Thresholds of Match.Confidence, the same for all FAQs and languages. In
// cross-validation a search that is Confident named the right entry for 73 % of
// the questions the FAQ answers and a wrong one for 1 %, and answered 7 % of the
// questions, most of them near misses, that the FAQ does not answer.
const (
	Confident = 0.7  // at or above: answer with the entry
	Suggest   = 0.25 // at or above: worth a "did you mean" button
)

// answerWeight is what a word of the answer counts against one of a phrasing.
const answerWeight = 0.45

// phrase is one phrasing of an entry.
type phrase struct {
	terms []int32 // distinct, in the order of the text
	grams []count
}

// indexed is one entry as the index keeps it.
type indexed struct {
	id      string
	lang    int // number in vocabulary.langs
	phrases []phrase
	terms   []count // of phrasings and answer, by id
	length  float64 // sum of the counts
}

// Index is an immutable index of FAQ entries. Any number of goroutines may
// search it at once. It keeps some 10 KB an entry.
type Index struct {
	entries []indexed
	vocab   *vocabulary
	grams   *trigrams
	mean    float64 // length of an entry
}

// New indexes entries. Entries without a phrasing are found by their answer;
// no entries make an index which finds nothing. The order of entries decides
// between equal matches only.
func New(entries []Entry) *Index {
	x := &Index{vocab: newVocabulary(entries), grams: &trigrams{ids: map[uint64]int32{}}}
	for _, e := range entries {
		x.add(e)
	}
	x.vocab.addClosed()
	x.vocab.setRarity(len(entries))
	x.grams.finish()
	for _, e := range x.entries {
		x.mean += e.length / float64(len(x.entries))
	}
	x.mean = max(x.mean, 1)
	return x
}

func (x *Index) add(e Entry) {
	in := indexed{id: e.ID, lang: x.vocab.language(e.Lang)}
	var grams []count
	for _, p := range e.Phrasings {
		words := tokenize(p)
		x.grams.learn(words)
		ph := phrase{grams: x.grams.count(words, 1)}
		for _, w := range words {
			id := x.vocab.add(in.lang, w)
			in.terms = append(in.terms, count{id, 1})
			if !slices.Contains(ph.terms, id) {
				ph.terms = append(ph.terms, id)
			}
		}
		grams = append(grams, ph.grams...)
		in.phrases = append(in.phrases, ph)
	}
	answer := tokenize(e.Answer)
	x.grams.learn(answer)
	grams = append(grams, x.grams.count(answer, answerWeight)...)
	for _, w := range answer {
		in.terms = append(in.terms, count{x.vocab.add(in.lang, w), answerWeight})
	}
	in.terms = mergeCounts(in.terms)
	for _, t := range in.terms {
		in.length += float64(t.n)
		term := &x.vocab.terms[t.id]
		term.postings = append(term.postings, posting{int32(len(x.entries)), t.n})
	}
	x.grams.addEntry(mergeCounts(grams))
	x.entries = append(x.entries, in)
}

// Search ranks the entries for text and returns the best limit of them, best
// first, at most 24; confidences never rise down the list. Only the first 4 KB
// and 256 words of text count. It returns nothing for a text that shares no
// three letters with any entry.
func (x *Index) Search(text string, limit int) []Match {
	a := x.Analyse(text)
	a.Rank(&fitted)
	confidences := a.Confidences(&fitted, limit)
	out := make([]Match, len(confidences))
	for i, c := range confidences {
		out[i] = Match{ID: a.Candidates[i].ID, Confidence: c}
	}
	return out
}
