package fault

import "strings"

// nearestMost bounds the names compared, in bytes; nobody misspells a longer
// one for a key.
const nearestMost = 128

// Nearest returns the known name a slip or two of the keyboard away from given,
// for a "did you mean", or the empty string. Case does not count.
func Nearest(given string, known []string) string {
	given = strings.ToLower(given[:min(len(given), nearestMost)])
	best, distance := "", 3
	for _, k := range known {
		if d := slips(given, strings.ToLower(k)); d < distance && d*2 <= max(len(k), 2) {
			best, distance = k, d
		}
	}
	return best
}

// slips counts the bytes to change, insert, drop or swap with their neighbour
// between two names; names that differ much in length are simply far.
func slips(a, b string) int {
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
