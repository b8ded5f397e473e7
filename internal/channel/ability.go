package channel

import "context"

// A [Kind] may offer more than the contract asks. Each ability is an interface
// of its own; the catalog looks for them, and does without those it does not
// find.
type (
	// Exporter turns a stored channel back into what its owner would write.
	Exporter interface {
		// Export returns the settings from which Settle makes c.Body again: the
		// type's own keys, made of map[string]any, []any, string, bool, numbers
		// and, where an owner writes a secret, a [SecretRef]. It opens no
		// secret itself. What Settle completes by itself (ids, defaults) is
		// written out when leaving it out could make something else of it.
		Export(c Configured) (map[string]any, error)
	}
	// Tester tries a channel against what it connects to.
	Tester interface {
		// Test says what it found, in the order in which an owner would mend
		// things; something is found also when all is well. It changes nothing
		// on the far side that a person would notice, gives up when ctx ends,
		// and returns no secret. c need not be stored yet.
		Test(ctx context.Context, c Configured) []Finding
	}
	// Together refuses channels that cannot be in force beside each other.
	Together interface {
		// Together is given all channels of the type as they would be. A
		// fault.Conflict names the channels and what to do; nothing is stored.
		Together(all []Configured) error
	}
	// Asker names what an owner has to say to make a channel of this type.
	Asker interface {
		// Questions are asked in this order.
		Questions() []Question
	}
)

// SecretRef stands for a secret in exported settings: the id under which
// Settle hands it out in [Settled.Secrets].
type SecretRef string

// Level is how bad a finding is.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelFail Level = "fail"
)

// Finding is what one check of a channel found.
type Finding struct {
	Level Level `json:"level" enum:"ok,warn,fail" doc:"How bad it is."`
	// Name is short and stable, such as "token".
	Name string `json:"name" doc:"Short and stable, for scripts."`
	// Text says what was found; Mend what to do about it, in the words of who
	// has to do it. Both hold no secret.
	Text string `json:"text" doc:"What was found."`
	Mend string `json:"mend,omitempty" doc:"What to do about it."`
}

// Question asks for one setting of a new channel.
type Question struct {
	// Key is where the answer goes: keys joined by dots, and [N] for a place
	// in a list, such as "server" or "apps[0].origins".
	Key string `json:"key" doc:"Where the answer goes, such as bot.name."`
	// Prompt is a few words, such as "address of the Mattermost server".
	Prompt string `json:"prompt"`
	// Help is one line on where to find it, or empty.
	Help string `json:"help,omitempty"`
	// Default is taken when nothing is answered.
	Default string `json:"default,omitempty"`
	// Secret keeps the answer off the screen.
	Secret bool `json:"secret,omitempty"`
	// Optional lets the answer be empty; the key is then left out.
	Optional bool `json:"optional,omitempty"`
	// List makes the answer a list of texts, written with commas between.
	List bool `json:"list,omitempty"`
	// Unless names the key of an earlier question; this one is asked only when
	// that one has no answer.
	Unless string `json:"unless,omitempty"`
}
