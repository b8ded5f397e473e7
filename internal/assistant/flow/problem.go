package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"parley/internal/fault"
)

// Problem is one mistake in a file, or one thing worth a look.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; columns count characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path names the place in the file's own words, such as "faq[2].say".
	Path string `json:"path,omitempty"`
	// Text says what is wrong and how to mend it.
	Text string `json:"text"`
}

// String renders the problem as editors and terminals understand it:
// file:line:column: path: text.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.about())
}

func (p Problem) about() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// maxProblems is how many problems one error spells out. A file with more is
// broken in a way that mending the first ones will show.
const maxProblems = 50

// problems are what is wrong with one file.
type problems []Problem

// sorted returns the problems in the order of the file.
func (ps problems) sorted() problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// fault joins the problems into one error, one problem a line; nil when there
// is none.
func (ps problems) fault() error {
	if len(ps) == 0 {
		return nil
	}
	var b strings.Builder
	for i, p := range ps.sorted() {
		if i == maxProblems {
			fmt.Fprintf(&b, "\n... and %d more", len(ps)-maxProblems)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return fault.New(fault.Invalid, "%s", b.String())
}
