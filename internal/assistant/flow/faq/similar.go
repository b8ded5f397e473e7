package faq

import "strings"

// containment returns how likely two words share a part: one is the start or
// the end of the other ("etikett" in "rücksendeetikett"). The longer the
// shared part against the whole, the surer. 0 for no such part.
func containment(a, b []rune) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 4 || len(a) == len(b) {
		return 0
	}
	ratio := float64(len(a)) / float64(len(b))
	if equal(a, b[:len(a)]) || equal(a, b[len(b)-len(a):]) {
		return 0.35 + 0.55*ratio
	}
	return 0
}

func equal(a, b []rune) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// typoSimilarity returns how likely a is a misspelt b, 0 for not at all. Short
// words allow one slip, long ones two; words with most of their letter pairs in
// common (shared of them) are taken for forms of one word.
func typoSimilarity(a, b []rune, shared int) float64 {
	n := max(len(a), len(b))
	allowed := 1
	switch {
	case min(len(a), len(b)) < 3 || n < 4:
		return 0
	case min(len(a), len(b)) >= 7:
		allowed = 2
	}
	if d := editDistance(a, b, allowed); d <= allowed {
		sim := 1 - 1.3*float64(d)/float64(n)
		if a[0] != b[0] {
			sim -= 0.1 // the first letter is seldom wrong
		}
		return max(sim, 0.3)
	}
	if dice := 2 * float64(shared) / float64(len(a)+len(b)+2); dice >= 0.7 && n >= 6 {
		return 0.8 * dice
	}
	return 0
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b, or returns limit+1 if there are more than
// limit of them.
func editDistance(a, b []rune, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var rows [3][2*maxWordLen + 1]int
	prev2, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := 0; j <= len(b); j++ {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
			best = min(best, d)
		}
		if best > limit {
			return limit + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// cyrillic spells Cyrillic letters the way product names are spoken.
var cyrillic = strings.NewReplacer("а", "a", "б", "b", "в", "v", "г", "g", "д", "d", "е", "e", "ж", "zh", "з", "z",
	"и", "i", "к", "k", "л", "l", "м", "m", "н", "n", "о", "o", "п", "p", "р", "r", "с", "s", "т", "t", "у", "u",
	"ф", "f", "х", "h", "ц", "c", "ч", "ch", "ш", "sh", "щ", "sch", "ъ", "", "ы", "y", "ь", "", "э", "e", "ю", "u", "я", "ya")

// transliterate returns a Cyrillic word in Latin letters, "" for any other.
func transliterate(folded string) string {
	if latin := cyrillic.Replace(folded); latin != folded && isASCII(latin) {
		return latin
	}
	return ""
}
