package catalog

import (
	"fmt"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/fault"
)

// maxName bounds the length of a name in bytes.
const maxName = 63

// badName tells what is wrong with a name, or returns the empty string.
func badName(name string) string {
	if name == "" {
		return "a name is missing"
	}
	if len(name) > maxName {
		return fmt.Sprintf("the name has %d characters; at most %d are allowed", len(name), maxName)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return fmt.Sprintf("the name holds %q; use small letters, digits and -", r)
		}
	}
	return ""
}

// notKnown says that a value is none of those there are.
func notKnown(what, given string, there []string) string {
	switch {
	case given == "":
		return "is missing; there is: " + strings.Join(there, ", ")
	case len(there) == 0:
		return fmt.Sprintf("there is no %s %q", what, given)
	}
	text := fmt.Sprintf("there is no %s %q", what, given)
	if near := nearest(given, there); near != "" {
		return text + fmt.Sprintf("; did you mean %q?", near)
	}
	return text + "; there is: " + strings.Join(there, ", ")
}

// unknownName is the fault for a name that does not exist.
func unknownName(what, given string, there []string) error {
	return fault.New(fault.NotFound, "%s", notKnown(what, given, there))
}

// nearest returns the candidate a slip of the keyboard away from given, or the
// empty string.
func nearest(given string, candidates []string) string {
	best, bestAt := "", 3
	for _, c := range candidates {
		if d := distance(given, c); d < bestAt && d*2 <= max(len(c), 2) {
			best, bestAt = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes; inputs are short names.
func distance(a, b string) int {
	if len(a) > maxName {
		a = a[:maxName]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// keys returns the keys of a map, sorted, so that every list comes out the
// same each time.
func keys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func quoteList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, ", ")
}

// usersOf lists the channels an assistant answers on.
func usersOf(channels map[string]storedChannel, assistant string) []string {
	var users []string
	for _, name := range keys(channels) {
		if channels[name].Assistant == assistant {
			users = append(users, name)
		}
	}
	return users
}

func prefixed(id chat.ChannelID, own []string) []string {
	ids := make([]string, len(own))
	for i, o := range own {
		ids[i] = secretID(id, o)
	}
	return ids
}
