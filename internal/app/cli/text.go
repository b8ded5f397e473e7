package cli

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// table writes aligned columns; without a head only the rows.
func (r *run) table(head []string, rows [][]string) {
	if len(rows) == 0 && head != nil {
		r.note("there is none")
		return
	}
	w := tabwriter.NewWriter(r.Stdout, 0, 0, 2, ' ', 0)
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	for _, row := range rows {
		// Trailing empty cells would leave blanks at the end of the line.
		for len(row) > 1 && row[len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	// Standard output may be closed (| head); there is nobody left to tell.
	_ = w.Flush()
}

// clean makes text of strangers safe for a terminal: one line, and no control
// characters that could move the cursor or change what was printed before.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t' || c == '\r':
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c):
			return '\uFFFD'
		default:
			return c
		}
	}, text)
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func when(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
