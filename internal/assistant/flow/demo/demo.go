// Package demo holds the assistant of a fresh installation: a flow that shows
// text, buttons and quick replies, and explains Parley. It disappears with the
// first real app, and is a model for writing one's own.
package demo

import (
	_ "embed"
	"slices"
)

// File is the name of the definition in errors.
const File = "demo.flow.yaml"

//go:embed demo.flow.yaml
var definition []byte

//go:embed demo.test.yaml
var tests []byte

// Definition returns the definition of the demo assistant, for assistants of
// kind flow.
func Definition() []byte { return slices.Clone(definition) }

// Tests returns the conversations that the demo assistant is tested with.
func Tests() []byte { return slices.Clone(tests) }
