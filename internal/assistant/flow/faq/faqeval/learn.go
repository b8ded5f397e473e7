package faqeval

import (
	"math"

	"parley/internal/assistant/flow/faq"
)

// Strengths of the pull towards the start, in units of one query.
const (
	rankPenalty = 0.3
	confPenalty = 1.0
)

// example is one query to learn from.
type example struct {
	query    *Query
	analysis *faq.Analysis
}

// Fit returns the numbers that fit all queries of d best.
func Fit(d *Data) faq.Model { return fit(d.examples()) }

// fit fits the ranking to the examples in scope, so that an expected entry
// comes first, and then the confidence to all of them, so that it is the
// probability that the first entry is right.
func fit(examples []example) faq.Model {
	var m faq.Model
	fitRank(&m, examples)
	fitConfidence(&m, examples)
	return m
}

// fitRank minimises the cross-entropy of the softmax over the candidates. All
// weights start, and are pulled to, 1.
func fitRank(m *faq.Model, examples []example) {
	w := make([]float64, faq.NumFeatures)
	for i := range w {
		w[i] = 1
	}
	minimise(w, 300, 0.1, func(w, grad []float64) {
		for j := range w {
			grad[j] = rankPenalty * (w[j] - 1)
		}
		for _, e := range examples {
			if e.query.InScope() {
				rankGradient(w, grad, e.query, e.analysis)
			}
		}
	})
	copy(m.Rank[:], w)
}

// rankGradient adds the gradient of one query.
func rankGradient(w, grad []float64, q *Query, a *faq.Analysis) {
	p := make([]float64, len(a.Candidates))
	sum, sumRight := 0.0, 0.0
	for i, c := range a.Candidates {
		z := 0.0
		for j := range w {
			z += w[j] * c.Features[j]
		}
		p[i] = math.Exp(z)
		sum += p[i]
		if q.right(c.ID) {
			sumRight += p[i]
		}
	}
	if sumRight == 0 {
		return
	}
	for i, c := range a.Candidates {
		g := p[i] / sum
		if q.right(c.ID) {
			g -= p[i] / sumRight
		}
		for j := range w {
			grad[j] += g * c.Features[j]
		}
	}
}

// row is the evidence for the first candidate of an example.
type row struct {
	x     [faq.NumEvidence]float64
	label float64 // 1 if the candidate is right, else 0
}

// fitConfidence is a logistic regression on standardised evidence.
func fitConfidence(m *faq.Model, examples []example) {
	var rows []row
	for _, e := range examples {
		e.analysis.Rank(m)
		if len(e.analysis.Candidates) > 0 {
			label := float64(one(e.query.right(e.analysis.Candidates[0].ID)))
			rows = append(rows, row{e.analysis.Evidence(0), label})
		}
	}
	mean, dev := standardise(rows)
	w := make([]float64, faq.NumEvidence+1)
	minimise(w, 300, 0.1, func(w, grad []float64) {
		for j := range w[1:] {
			grad[j+1] = confPenalty * w[j+1]
		}
		grad[0] = 0
		for i := range rows {
			r := &rows[i]
			z := w[0]
			for j, v := range r.x {
				z += w[j+1] * v
			}
			e := 1/(1+math.Exp(-z)) - r.label
			grad[0] += e
			for j, v := range r.x {
				grad[j+1] += e * v
			}
		}
	})
	m.Bias = w[0]
	for j := range m.Confidence {
		m.Confidence[j] = w[j+1] / dev[j]
		m.Bias -= w[j+1] * mean[j] / dev[j]
	}
}

// standardise shifts and scales the evidence to mean 0 and deviation 1 and
// returns what they were.
func standardise(rows []row) (mean, dev [faq.NumEvidence]float64) {
	n := float64(max(len(rows), 1))
	for _, r := range rows {
		for j, v := range r.x {
			mean[j] += v / n
		}
	}
	for _, r := range rows {
		for j, v := range r.x {
			dev[j] += (v - mean[j]) * (v - mean[j]) / n
		}
	}
	for j := range dev {
		dev[j] = max(math.Sqrt(dev[j]), 1e-6)
	}
	for i := range rows {
		for j := range rows[i].x {
			rows[i].x[j] = (rows[i].x[j] - mean[j]) / dev[j]
		}
	}
	return mean, dev
}

// minimise runs Adam with a falling rate on w; gradient fills grad for w.
func minimise(w []float64, steps int, rate float64, gradient func(w, grad []float64)) {
	n := len(w)
	g, m, v := make([]float64, n), make([]float64, n), make([]float64, n)
	b1, b2 := 1.0, 1.0
	for s := range steps {
		gradient(w, g)
		b1, b2 = b1*0.9, b2*0.999
		r := rate * (1 - float64(s)/float64(steps))
		for j := range w {
			m[j] = 0.9*m[j] + 0.1*g[j]
			v[j] = 0.999*v[j] + 0.001*g[j]*g[j]
			w[j] -= r * (m[j] / (1 - b1)) / (math.Sqrt(v[j]/(1-b2)) + 1e-9)
		}
	}
}
