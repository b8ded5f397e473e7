package faq

import (
	"cmp"
	"math"
	"slices"
)

// Evidence that a candidate is right. Weights are sums over the words of the
// query in units of one word that a single entry has; logarithms are of 1+x.
const (
	EvClauseFit   = iota // the feature ClauseFit
	EvTrigramFit         // the feature TrigramFit
	EvWordOrder          // the feature WordOrder
	EvTrigramLead        // TrigramScore less that of the best other candidate
	EvUnknown            // share of the query no entry knows
	EvWords              // logarithm of the number of content words any entry knows
	EvPhrased            // logarithm of the weight the best phrasing has
	EvFound              // logarithm of the weight of content words the entry has
	EvElsewhere          // logarithm of the weight of content words only other entries have
	EvRarest             // weight of the rarest word the entry has
	EvPhraseOdds         // log odds of the feature PhraseShare
	NumEvidence
)

// minRival is the least TrigramScore the best other entry is taken to have:
// any text of the language would have it, and an FAQ of one entry must not be
// sure of everything.
const minRival = 0.1

// Model holds the numbers a search rests on.
type Model struct {
	Rank       [NumFeatures]float64 // weights of the features in the score
	Bias       float64              // log odds without any evidence
	Confidence [NumEvidence]float64 // weights of the evidence in the log odds
}

// Rank scores the candidates by m and sorts them, best first.
func (a *Analysis) Rank(m *Model) {
	for i := range a.Candidates {
		c := &a.Candidates[i]
		c.Score = 0
		for j, w := range m.Rank {
			c.Score += w * c.Features[j]
		}
	}
	slices.SortStableFunc(a.Candidates, func(x, y Candidate) int { return cmp.Compare(y.Score, x.Score) })
}

// Evidence returns the evidence that candidate number i is right.
func (a *Analysis) Evidence(i int) [NumEvidence]float64 {
	c := &a.Candidates[i]
	rival := minRival
	for j := range a.Candidates {
		if j != i {
			rival = max(rival, a.Candidates[j].Features[TrigramScore])
		}
	}
	var all, words, unknown, found, elsewhere, rarest float64
	for j, t := range a.tokens {
		all += t.weight
		if t.class != content {
			continue
		}
		if len(t.links) > 0 {
			words++
		}
		found += t.weight * c.found[j]
		rarest = max(rarest, t.weight*c.found[j])
		if len(t.links) == 0 {
			unknown += t.weight
		} else {
			elsewhere += t.weight * (1 - c.found[j])
		}
	}
	share := c.Features[PhraseShare]
	return [NumEvidence]float64{
		EvClauseFit:   c.Features[ClauseFit],
		EvTrigramFit:  c.Features[TrigramFit],
		EvWordOrder:   c.Features[WordOrder],
		EvTrigramLead: c.Features[TrigramScore] - rival,
		EvUnknown:     unknown / max(all, minWeight),
		EvWords:       math.Log1p(words),
		EvPhrased:     math.Log1p(c.phrased),
		EvFound:       math.Log1p(found),
		EvElsewhere:   math.Log1p(elsewhere),
		EvRarest:      rarest,
		EvPhraseOdds:  math.Log((share + 0.1) / (1.1 - share)),
	}
}

// Confidences returns the confidence in each of the first n candidates after
// Rank, in [0,1] and never rising. It is their probability, but the first one
// gives up to half of it away for a plausible second one in a near tie: asking
// which was meant beats a guess.
func (a *Analysis) Confidences(m *Model, n int) []float64 {
	const tie = 0.3 // difference of scores
	out := make([]float64, max(0, min(n, len(a.Candidates))))
	for i := range out {
		out[i] = m.Probability(a.Evidence(i))
	}
	if len(a.Candidates) > 1 && len(out) > 0 && m.Probability(a.Evidence(1)) >= Suggest {
		lead := a.Candidates[0].Score - a.Candidates[1].Score
		out[0] *= min(1, 0.5+0.5*lead/tie)
	}
	for i := 1; i < len(out); i++ {
		out[i] = min(out[i], out[i-1])
	}
	return out
}

// Probability returns how likely, in [0,1], a candidate with evidence e is
// right.
func (m *Model) Probability(e [NumEvidence]float64) float64 {
	z := m.Bias
	for i, w := range m.Confidence {
		z += w * e[i]
	}
	return 1 / (1 + math.Exp(-z))
}
