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
	if near := fault.Nearest(given, there); near != "" {
		return text + fmt.Sprintf("; did you mean %q?", near)
	}
	return text + "; there is: " + strings.Join(there, ", ")
}

// unknownName is the fault for a name that does not exist.
func unknownName(what, given string, there []string) error {
	return fault.New(fault.NotFound, "%s", notKnown(what, given, there))
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

// unique sorts names and drops repeats.
func unique[T ~string](names []T) []T {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
