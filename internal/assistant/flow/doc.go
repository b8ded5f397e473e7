// Package flow is the assistant kind "flow": an assistant that its owner
// writes down in one YAML file, without a model and without a program. It
// greets, answers questions from an FAQ by ranked retrieval, asks "did you
// mean" when it is nearly sure, and asks for a person when the owner said so or
// when it has not understood several times.
//
// A definition becomes an [Assistant] in three steps that each stand in files
// of their own: YAML to nodes, where mistakes of YAML are explained
// (source.go, syntax.go), nodes to a checked definition (reader.go, parse.go),
// and definition to what answers (engine.go, find.go, say.go). All mistakes of a file are
// reported together, each with line and column. [Schema] describes the same
// syntax to editors.
//
// Answering is pure: it depends on the definition, the state and the entries,
// does no I/O and keeps nothing between calls. Contact text and stored state
// are not trusted: a state that cannot be read counts as none.
package flow

import (
	_ "embed"
	"slices"

	"parley/internal/assistant"
)

// Name is what the catalog calls assistants of this kind.
const Name = "flow"

// Kind makes flow assistants from their definitions.
type Kind struct{}

var _ assistant.Kind = Kind{}

// Name returns [Name].
func (Kind) Name() string { return Name }

// Compile is [Compile].
func (Kind) Compile(file string, definition []byte) (assistant.Assistant, error) {
	a, err := Compile(file, definition)
	if err != nil {
		return nil, err
	}
	return a, nil
}

//go:embed flow-1.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of a definition, for editors.
// It knows the form of a file; what takes more than one look, such as an id
// given twice, only [Check] finds.
func Schema() []byte { return slices.Clone(schema) }
