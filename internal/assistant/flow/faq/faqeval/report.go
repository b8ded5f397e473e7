package faqeval

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"parley/internal/assistant/flow/faq"
)

// Counts is a tally over queries. Top1, Top3, Right and Wrong count queries in
// scope, Answered those out of scope.
type Counts struct {
	In, Out                            int
	Right, Wrong, Answered, Top1, Top3 int
}

// RightShare is the share of the queries in scope answered with an expected
// entry, in [0,1]; this and the other shares are 0 without such queries.
func (c Counts) RightShare() float64 { return share(c.Right, c.In) }

// WrongShare is the share of the queries in scope answered with another entry.
func (c Counts) WrongShare() float64 { return share(c.Wrong, c.In) }

// AnsweredShare is the share of the queries out of scope that are answered.
func (c Counts) AnsweredShare() float64 { return share(c.Answered, c.Out) }

// Top1Share is the share of the queries in scope with an expected entry first.
func (c Counts) Top1Share() float64 { return share(c.Top1, c.In) }

// Top3Share is the share of the queries in scope with an expected entry among
// the first three.
func (c Counts) Top3Share() float64 { return share(c.Top3, c.In) }

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// String prints the shares in percent.
func (c Counts) String() string {
	return fmt.Sprintf("n %3d+%3d  right %5.1f  wrong %4.1f  answered %4.1f  top1 %5.1f  top3 %5.1f", c.In, c.Out,
		100*c.RightShare(), 100*c.WrongShare(), 100*c.AnsweredShare(), 100*c.Top1Share(), 100*c.Top3Share())
}

// Breakdown is a tally over all queries and over groups of them.
type Breakdown struct {
	All             Counts
	Kind, Lang, Set map[string]Counts
}

// Report has the figures of the package as it is and, to judge how far its
// fitted numbers flatter themselves, of numbers fitted on other queries only.
type Report struct {
	Built     Breakdown // the numbers in the package
	CrossFit  Breakdown // 5-fold cross-validated
	OtherSets Breakdown // each set by numbers fitted on the other sets; empty with one set
}

// result is the outcome of one query.
type result struct {
	confidence float64 // of the first; 0 if nothing was found
	top1, top3 bool
}

func tally(queries []Query, results []result, threshold float64) Breakdown {
	b := Breakdown{Kind: map[string]Counts{}, Lang: map[string]Counts{}, Set: map[string]Counts{}}
	for i, q := range queries {
		r := results[i]
		confident := r.confidence >= threshold
		add := func(c Counts) Counts {
			if !q.InScope() {
				c.Out++
				c.Answered += one(confident)
				return c
			}
			c.In++
			c.Right += one(confident && r.top1)
			c.Wrong += one(confident && !r.top1)
			c.Top1 += one(r.top1)
			c.Top3 += one(r.top3)
			return c
		}
		b.All = add(b.All)
		b.Kind[q.Kind] = add(b.Kind[q.Kind])
		b.Lang[q.Lang] = add(b.Lang[q.Lang])
		b.Set[q.Set] = add(b.Set[q.Set])
	}
	return b
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// String prints one line a group.
func (b Breakdown) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%-14s %v\n", "all", b.All)
	for _, m := range []map[string]Counts{b.Set, b.Lang, b.Kind} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&s, "%-14s %v\n", k, m[k])
		}
	}
	return s.String()
}

// Run measures the package on the file r, see Load. It takes about a second.
func Run(r io.Reader) (Report, error) {
	d, err := Load(r)
	if err != nil {
		return Report{}, err
	}
	var rep Report
	rep.Built = d.search()
	examples := d.examples()
	rep.CrossFit = tally(d.Queries, crossValidate(examples, folds(len(d.Queries), 5, 1)), faq.Confident)
	if len(d.Entries) > 1 {
		rep.OtherSets = tally(d.Queries, crossValidate(examples, d.bySet()), faq.Confident)
	}
	return rep, nil
}

// search measures what Search returns.
func (d *Data) search() Breakdown {
	index := map[string]*faq.Index{}
	for set, entries := range d.Entries {
		index[set] = faq.New(entries)
	}
	results := make([]result, len(d.Queries))
	for i, q := range d.Queries {
		if x := index[q.Set]; x != nil {
			for n, m := range x.Search(q.Text, 3) {
				if n == 0 {
					results[i].confidence = m.Confidence
					results[i].top1 = q.right(m.ID)
				}
				results[i].top3 = results[i].top3 || q.right(m.ID)
			}
		}
	}
	return tally(d.Queries, results, faq.Confident)
}
