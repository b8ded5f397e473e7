package faq

import (
	"cmp"
	"slices"
)

// maxCandidates entries are looked at closely.
const maxCandidates = 24

// Features of a candidate, each in [0,1]. "Share" is by weight: rare words
// count more than frequent ones, small words hardly.
const (
	WordScore    = iota // BM25 of the entry as a share of the best possible
	EntryShare          // of the query that the entry has, its answer counted less
	PhraseShare         // of the best phrasing that the query has
	ClauseFit           // best agreement of one clause of the query with a phrasing
	TrigramScore        // BM25 on trigrams as a share of the best possible
	TrigramFit          // cosine with the best phrasing on trigrams
	SameLanguage        // how well the query fits the language of the entry
	WordOrder           // share of neighbours in the best phrasing that are neighbours in the query
	NumFeatures
)

// Candidate is an entry that may answer a query.
type Candidate struct {
	ID       string
	Score    float64 // set by Analysis.Rank; any number, higher is better
	Features [NumFeatures]float64

	phrased float64   // weight of the query the best phrasing has
	found   []float64 // for each word of the query how surely the entry has it, 0 to 1
}

// Analysis is a query with the entries that may answer it. It is what Search
// builds on, and open for fitting and explaining.
type Analysis struct {
	Candidates []Candidate

	tokens []token
}

// Analyse compares text with the entries. The candidates, at most 24, are in
// no useful order before Rank.
func (x *Index) Analyse(text string) *Analysis {
	words := tokenize(text)
	if len(words) == 0 || len(x.entries) == 0 {
		return &Analysis{}
	}
	fit := x.vocab.guessLanguages(words)
	a := &Analysis{tokens: x.vocab.resolve(words, fit)}
	c := newComparer(x, a.tokens, words)
	byGram := make([]float64, len(x.entries))
	x.grams.score(c.grams, byGram)
	byWord := x.wordScores(a.tokens)
	for _, n := range x.shortlist(byWord, byGram, fit) {
		e := &x.entries[n]
		candidate := c.compare(e)
		candidate.Features[WordScore] = byWord[n]
		candidate.Features[TrigramScore] = byGram[n]
		candidate.Features[SameLanguage] = fit[e.lang]
		a.Candidates = append(a.Candidates, candidate)
	}
	return a
}

// wordScores returns for each entry the BM25 of the query as a share of the
// best possible. A word of the query counts for an entry by the best of its
// links, so two spellings of one word do not count twice.
func (x *Index) wordScores(tokens []token) []float64 {
	const k, b = 1.2, 0.5
	scores := make([]float64, len(x.entries))
	one := make([]float64, len(x.entries)) // scores of one word
	var touched []int32
	total := 0.0
	for _, t := range tokens {
		total += t.weight
		for _, l := range t.links {
			for _, p := range x.vocab.terms[l.term].postings {
				tf := float64(p.n)
				s := l.sim * t.weight * tf / (tf + k*(1-b+b*x.entries[p.entry].length/x.mean))
				if one[p.entry] == 0 {
					touched = append(touched, p.entry)
				}
				one[p.entry] = max(one[p.entry], s)
			}
		}
		for _, n := range touched {
			scores[n] += one[n]
			one[n] = 0
		}
		touched = touched[:0]
	}
	for i := range scores {
		scores[i] /= max(total, minWeight)
	}
	return scores
}

// shortlist returns the numbers of the entries with the best sum of scores,
// best first, those in an unlikely language at half of it.
func (x *Index) shortlist(byWord, byGram, fit []float64) []int {
	var out []int
	sum := make([]float64, len(x.entries))
	for i := range sum {
		sum[i] = (byWord[i] + byGram[i]) * (0.5 + 0.5*fit[x.entries[i].lang])
		if sum[i] > 0 {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b int) int {
		return cmp.Or(cmp.Compare(sum[b], sum[a]), a-b)
	})
	return out[:min(len(out), maxCandidates)]
}
