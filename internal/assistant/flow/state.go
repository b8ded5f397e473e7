package flow

import (
	"encoding/json"
	"slices"
	"strings"
)

// state is what the assistant remembers within an episode. It is stored as
// JSON between turns; whatever comes back is only believed as far as it fits
// the definition of today.
type state struct {
	// Lang is the language of the talk, one of the flow's, or empty.
	Lang string `json:"lang,omitempty"`
	// Missed counts the misunderstandings in a row.
	Missed int `json:"missed,omitempty"`
	// Suggested is set while a "did you mean" waits for its answer.
	Suggested bool `json:"suggested,omitempty"`
	// Offered are the values of the options under the last message, so that
	// their number can be typed where a client shows them as plain text.
	Offered []string `json:"offered,omitempty"`
}

// maxState is the largest state that is read, in bytes. What Instant writes
// stays far below it.
const maxState = 32 << 10

// readState reads a stored state; one that cannot be read is a new one.
func readState(b []byte) state {
	var s state
	if len(b) == 0 || len(b) > maxState || json.Unmarshal(b, &s) != nil {
		return state{}
	}
	s.Missed = min(max(s.Missed, 0), maxAfter)
	if len(s.Offered) > maxOptions+1 {
		s.Offered = nil
	}
	return s
}

func (s state) bytes() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return nil // strings, an int and a bool always marshal
	}
	return b
}

func (s state) equal(o state) bool {
	return s.Lang == o.Lang && s.Missed == o.Missed && s.Suggested == o.Suggested && slices.Equal(s.Offered, o.Offered)
}

// language returns the language to speak: the one of the talk, else the one
// the client reports, else the default.
func (d *definition) language(s state, hint string) int {
	if i := slices.Index(d.languages, s.Lang); i >= 0 {
		return i
	}
	return max(d.languageOf(hint), 0)
}

// languageOf finds a client's language among those of the flow: the tag
// itself, else any with the same base ("de-DE" finds de). -1 is none. Of a list
// as browsers send it the first counts.
func (d *definition) languageOf(hint string) int {
	if i := strings.IndexAny(hint, ",;"); i >= 0 {
		hint = hint[:i]
	}
	hint = strings.ReplaceAll(strings.TrimSpace(hint), "_", "-")
	if hint == "" {
		return -1
	}
	if i := slices.IndexFunc(d.languages, func(l string) bool { return strings.EqualFold(l, hint) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(d.languages, func(l string) bool { return strings.EqualFold(baseOf(l), baseOf(hint)) })
}
