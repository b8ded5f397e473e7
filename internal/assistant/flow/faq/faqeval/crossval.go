package faqeval

import (
	"math/rand"
	"slices"

	"parley/internal/assistant/flow/faq"
)

// examples returns one example for each query.
func (d *Data) examples() []example {
	index := map[string]*faq.Index{}
	for set, entries := range d.Entries {
		index[set] = faq.New(entries)
	}
	out := make([]example, len(d.Queries))
	for i := range d.Queries {
		q := &d.Queries[i]
		x, ok := index[q.Set]
		if !ok {
			x = faq.New(nil)
		}
		out[i] = example{q, x.Analyse(q.Text)}
	}
	return out
}

// folds deals n queries at random into k folds.
func folds(n, k int, seed int64) []int {
	out := make([]int, n)
	for i, j := range rand.New(rand.NewSource(seed)).Perm(n) {
		out[j] = i % k
	}
	return out
}

// bySet makes each set a fold.
func (d *Data) bySet() []int {
	number := map[string]int{}
	out := make([]int, len(d.Queries))
	for i, q := range d.Queries {
		if _, ok := number[q.Set]; !ok {
			number[q.Set] = len(number)
		}
		out[i] = number[q.Set]
	}
	return out
}

// crossValidate returns for each query the result of numbers fitted on the
// queries of the other folds.
func crossValidate(examples []example, fold []int) []result {
	results := make([]result, len(examples))
	for f := range slices.Max(fold) + 1 {
		var train []example
		for i, e := range examples {
			if fold[i] != f {
				train = append(train, e)
			}
		}
		m := fit(train)
		for i, e := range examples {
			if fold[i] == f {
				results[i] = judge(&m, e.query, e.analysis)
			}
		}
	}
	return results
}

// judge returns the result of one query under the model m.
func judge(m *faq.Model, q *Query, a *faq.Analysis) result {
	var r result
	a.Rank(m)
	for i, c := range a.Candidates {
		if i == 0 {
			r.confidence = a.Confidences(m, 1)[0]
			r.top1 = q.right(c.ID)
		}
		r.top3 = r.top3 || i < 3 && q.right(c.ID)
	}
	return r
}
