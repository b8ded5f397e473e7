package flow_test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"parley/internal/assistant/flow"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(flow.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("flow.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("flow.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAgrees sends every document of the parser's tests through the
// schema: what one refuses the other must refuse, but for what a schema cannot
// see.
func TestSchemaAgrees(t *testing.T) {
	s := compileSchema(t)
	for _, d := range documents() {
		t.Run(d.name, func(t *testing.T) {
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(d.text), &n); err != nil {
				t.Fatal(err)
			}
			err := s.Validate(asJSON(t, n.Content[0]))
			if wantOK := len(d.wrong) == 0 || d.unseen; (err == nil) != wantOK {
				t.Errorf("the schema says %v; the parser finds %d errors, unseen %v", err, len(d.wrong), d.unseen)
			}
		})
	}
}

// asJSON turns YAML into the JSON value an editor would check: as YAML 1.2
// reads it, dates being text.
func asJSON(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.AliasNode:
		return asJSON(t, n.Alias)
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, asJSON(t, c))
		}
		return out
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Kind == yaml.ScalarNode {
				out[n.Content[i].Value] = asJSON(t, n.Content[i+1])
			}
		}
		return out
	}
	var v any
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		if err := n.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if n.Tag == "!important" {
		return "important"
	}
	return n.Value
}

// TestSchemaIsNotLax makes sure that the schema refuses something in every
// part, so that an empty one would not pass.
func TestSchemaIsNotLax(t *testing.T) {
	s := compileSchema(t)
	seen := 0
	for _, d := range documents() {
		if len(d.wrong) > 0 && !d.unseen {
			seen++
		}
	}
	if seen < 40 {
		t.Errorf("only %d documents test the schema", seen)
	}
	if s.Validate(map[string]any{}) == nil {
		t.Error("an empty document passes")
	}
}

func TestSchemaIsACopy(t *testing.T) {
	clear(flow.Schema())
	if !bytes.HasPrefix(flow.Schema(), []byte("{")) {
		t.Error("the caller can change the schema")
	}
}
