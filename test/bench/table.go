package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// table collects what was measured.
type table struct{ rows []row }

type row struct {
	figure, measured, yardstick, ratio, must, verdict string
}

// goal is a bound on a ratio or on an absolute figure.
type goal struct {
	bound float64
	// atMost says that less is better.
	atMost bool
}

func atLeast(x float64) goal { return goal{bound: x} }
func atMost(x float64) goal  { return goal{bound: x, atMost: true} }

func (g goal) met(x float64) bool {
	if g.atMost {
		return x <= g.bound
	}
	return x >= g.bound
}

func (g goal) String() string {
	if g.atMost {
		return fmt.Sprintf("<= %.4g", g.bound)
	}
	return fmt.Sprintf(">= %.4g", g.bound)
}

// add records a figure; value is what the goals judge.
func (t *table) add(figure, measured, yardstick string, value float64, must, moonshot goal) {
	verdict := "MISSED"
	switch {
	case moonshot.met(value):
		verdict = "moonshot"
	case must.met(value):
		verdict = "must"
	}
	t.rows = append(t.rows, row{figure, measured, yardstick, fmt.Sprintf("%.3g", value), fmt.Sprintf("%s, %s", must, moonshot), verdict})
}

// note records a figure without a goal.
func (t *table) note(figure, measured, yardstick string, ratio string) {
	t.rows = append(t.rows, row{figure, measured, yardstick, ratio, "", ""})
}

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 2, 2, 2, ' ', 0)
	fmt.Fprintln(tw, "figure\tmeasured\tyardstick\tvalue\tmust, moonshot\treached")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.figure, r.measured, r.yardstick, r.ratio, r.must, r.verdict)
	}
	tw.Flush()
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
