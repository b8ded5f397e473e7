package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest definition or tests file, in bytes. An FAQ of 5,000
// entries with a few phrasings stays below it; one assistant is one file that a
// person can still read.
const maxFile = 1 << 20

// parseYAML returns the root node of the one document in src. A nil node comes
// with the problem, placed as exactly as can be.
func parseYAML(file string, src []byte) (*yaml.Node, *Problem) {
	at := func(line, column int, format string, args ...any) *Problem {
		return &Problem{File: file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)}
	}
	if len(src) > maxFile {
		return nil, at(1, 1, "the file has %d bytes, the limit is %d; split it into several assistants", len(src), maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, at(1, 1, "the file is empty")
	case err != nil:
		line, column, text := explain(string(src), err)
		return nil, at(line, column, "%s", text)
	}
	if len(doc.Content) == 0 {
		return nil, at(1, 1, "the file is empty")
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		line, column, text := explain(string(src), err)
		return nil, at(line, column, "%s", text)
	default:
		return nil, at(max(more.Line, 1), max(more.Column, 1), "a second document begins here; one file holds one, remove the line ---")
	}
}

// yamlError is what the YAML library says, taken apart.
type yamlError struct {
	line int // as printed; 0 when none was
	text string
}

func splitYAMLError(err error) yamlError {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var e yamlError
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, err := fmt.Sscanf(rest, "%d", &e.line); err == nil && n == 1 {
			_, text, _ = strings.Cut(rest, ": ")
		}
	}
	e.text = text
	return e
}

// sameError reports whether YAML finds the same fault in src.
func sameError(src, text string) bool {
	dec := yaml.NewDecoder(strings.NewReader(src))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return splitYAMLError(err).text == text
		}
	}
}
