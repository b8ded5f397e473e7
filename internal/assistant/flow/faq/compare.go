package faq

import "math"

// minWeight is the least weight a share is taken of, so that a text of only
// small words does not count as fully found.
const minWeight = 0.1

// hit says that word number token of the query may stand for a term.
type hit struct {
	token int
	sim   float64
	part  bool
}

// add returns how much of the word is found if this hit counts w and have of
// the word was found before. The parts of a compound add up.
func (h hit) add(have, w float64) float64 {
	if h.part {
		return max(have, min(0.95, have+h.sim*w))
	}
	return max(have, h.sim*w)
}

// comparer compares one query with entries.
type comparer struct {
	index  *Index
	tokens []token
	weight float64 // of all tokens
	hits   map[int32][]hit
	grams  []count
}

func newComparer(x *Index, tokens []token, words []word) *comparer {
	c := &comparer{index: x, tokens: tokens, hits: map[int32][]hit{}, grams: x.grams.count(words, 1)}
	for i, t := range tokens {
		c.weight += t.weight
		for _, l := range t.links {
			c.hits[l.term] = append(c.hits[l.term], hit{i, l.sim, l.part})
		}
	}
	return c
}

// compare fills the features that need a close look at the entry.
func (c *comparer) compare(e *indexed) Candidate {
	out := Candidate{ID: e.id, found: make([]float64, len(c.tokens))}
	f := &out.Features
	for _, t := range e.terms {
		for _, h := range c.hits[t.id] {
			out.found[h.token] = h.add(out.found[h.token], math.Min(1, float64(t.n)))
		}
	}
	f[EntryShare] = c.found(out.found) / max(c.weight, minWeight)
	best := math.Inf(-1)
	for i := range e.phrases {
		p := &e.phrases[i]
		m := c.match(p)
		f[TrigramFit] = max(f[TrigramFit], c.index.grams.cosine(c.grams, p.grams))
		f[ClauseFit] = max(f[ClauseFit], m.clause)
		if fit := m.found/max(c.weight, minWeight) + m.share; fit > best {
			best = fit
			f[PhraseShare], f[WordOrder], out.phrased = m.share, m.order, m.found
		}
	}
	return out
}

// found returns the weight of the query that sims has.
func (c *comparer) found(sims []float64) float64 {
	sum := 0.0
	for i, t := range c.tokens {
		sum += t.weight * sims[i]
	}
	return sum
}

// phraseMatch says how a query and a phrasing agree.
type phraseMatch struct {
	found  float64 // weight of the query the phrasing has
	share  float64 // of the phrasing that the query has
	clause float64 // see bestClause
	order  float64 // see WordOrder
}

func (c *comparer) match(p *phrase) phraseMatch {
	sims := make([]float64, len(c.tokens))
	clauses := make([]float64, c.tokens[len(c.tokens)-1].clause+1) // weight of the phrasing found in each
	have, all, ordered, prev := 0.0, 0.0, 0.0, -1
	for _, id := range p.terms {
		weight := c.index.vocab.terms[id].weight
		best, at := 0.0, -1
		for _, h := range c.hits[id] {
			sims[h.token] = h.add(sims[h.token], 1)
			if h.sim > best {
				best, at = h.sim, h.token
			}
		}
		all += weight
		have += weight * best
		if at >= 0 {
			clauses[c.tokens[at].clause] += weight * best
			if prev >= 0 && at == prev+1 {
				ordered++
			}
		}
		prev = at
	}
	m := phraseMatch{found: c.found(sims)}
	if have > 0 {
		m.share = have / all
		m.order = ordered / math.Max(1, float64(len(p.terms)-1))
		m.clause = c.bestClause(sims, clauses, all)
	}
	return m
}

// bestClause returns the best harmonic mean over the clauses of the query of
// the share of the clause the phrasing has and the share of the phrasing the
// clause has. It finds the question in a story.
func (c *comparer) bestClause(sims, clauses []float64, phrase float64) float64 {
	const minClause = 0.3 // weight; a clause of a small word or two is no question
	best := 0.0
	for i := 0; i < len(c.tokens); {
		n := c.tokens[i].clause
		have, all := 0.0, 0.0
		for ; i < len(c.tokens) && c.tokens[i].clause == n; i++ {
			have += c.tokens[i].weight * sims[i]
			all += c.tokens[i].weight
		}
		if have > 0 && clauses[n] > 0 {
			q, p := have/max(all, minClause), clauses[n]/phrase
			best = max(best, 2*q*p/(q+p))
		}
	}
	return best
}
