package flow

import "strings"

// instead completes "is not a known key": with the key that was probably
// meant, else with all of them.
func instead(word string, allowed []string) string {
	best, at := 3, -1
	for i, k := range allowed {
		if d := distance(strings.ToLower(word), k); d < best && d < len(k) {
			best, at = d, i
		}
	}
	if at >= 0 {
		return "; did you mean " + allowed[at] + "?"
	}
	return "; known here: " + strings.Join(allowed, ", ")
}

// distance counts the letters to change, insert, drop or swap between two
// words; words that differ much in length are simply far.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return len(a) + len(b)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
