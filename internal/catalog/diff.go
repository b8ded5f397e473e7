package catalog

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"go.yaml.in/yaml/v3"
)

// describe writes an assistant the way an owner would, for diffs.
func (a storedAssistant) describe() string {
	view := map[string]any{"kind": a.Kind}
	if a.File != "" {
		view["file"] = a.File
	}
	head := asYAML(view)
	var b strings.Builder
	b.WriteString(head + "definition: |\n")
	// A YAML writer folds some texts and escapes others; here each line of the
	// definition stays the line its author knows.
	for line := range strings.Lines(a.Definition) {
		b.WriteString("  " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return b.String()
}

// describe writes a channel the way an owner would, without secrets.
func (c storedChannel) describe() string {
	view := map[string]any{}
	// Settings are our own driver's JSON; if they are unreadable, the rest of
	// the description is still worth showing.
	_ = json.Unmarshal(c.Settings, &view)
	view["type"], view["assistant"] = c.Type, c.Assistant
	if c.AssistantVersion > 0 {
		view["assistant_version"] = c.AssistantVersion
	}
	if c.Disabled {
		view["disabled"] = true
	}
	return asYAML(view)
}

// asYAML writes a value with sorted keys and an indent of two.
func asYAML(v any) string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return "(cannot be shown)\n"
	}
	return b.String()
}

// diffText compares two texts: lines with "+", "-" or a space in front, and an
// "@@" line where something was left out.
func diffText(old, new string) []string {
	text := string(diff.Diff("stored", []byte(old), "wanted", []byte(new)))
	var lines []string
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		// The first three lines only name the two sides.
		if i > 2 {
			lines = append(lines, line)
		}
	}
	return lines
}
