package flow

import (
	"strings"

	"parley/internal/fault"
)

// instead completes "is not a known key": with the key that was probably
// meant, else with all of them.
func instead(word string, allowed []string) string {
	if best := fault.Nearest(word, allowed); best != "" {
		return "; did you mean " + best + "?"
	}
	return "; known here: " + strings.Join(allowed, ", ")
}
