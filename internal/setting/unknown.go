package setting

import (
	"fmt"
	"strings"

	"parley/internal/fault"
)

// Path is the path of key in the group at path, which is empty for the
// settings themselves: "bot" and "name" make "bot.name".
func Path(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Unknown refuses the key at path, as [fault.Invalid]. known are the keys that
// may stand in its place, sorted.
func Unknown(path, key string, known []string) error {
	return fault.Field(path, "is not a known key%s", Suggest(key, known))
}

// Suggest is the end of a sentence that refuses word: the nearest known word,
// or all of them when none is near.
func Suggest(word string, known []string) string {
	if best := fault.Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(known, ", ")
}
