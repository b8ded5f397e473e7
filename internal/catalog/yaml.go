package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// valueKind is what a YAML value is, in an owner's words.
type valueKind string

const (
	isNull   valueKind = "nothing"
	isText   valueKind = "text"
	isNumber valueKind = "a number"
	isTruth  valueKind = "true or false"
	isList   valueKind = "a list"
	isMap    valueKind = "a block of keys"
)

// value is a YAML value with its position.
type value struct {
	at   Position
	kind valueKind
	// scalar is a string, bool, int64, uint64 or float64.
	scalar any
	// block is set on text after "|", whose lines are lines of the file.
	block  bool
	items  []*value
	fields []field
}

// field is a key with its value; at is where the key stands.
type field struct {
	key   string
	at    Position
	value *value
}

func (v *value) get(key string) *field {
	for i := range v.fields {
		if v.fields[i].key == key {
			return &v.fields[i]
		}
	}
	return nil
}

const (
	// maxValues bounds the values of one file after aliases are followed, so
	// that a few nested aliases cannot fill the memory.
	maxValues = 200_000
	maxDepth  = 64
)

// parseYAML reads one document.
func parseYAML(file string, text []byte) (*value, Problems) {
	c := &converter{file: file}
	if !utf8.Valid(text) {
		return nil, Problems{{Position: Position{File: file}, Text: "is not UTF-8 text"}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &value{at: Position{File: file, Line: 1, Col: 1}, kind: isNull}, nil
	}
	if err != nil {
		return nil, Problems{syntaxProblem(file, text, err)}
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		c.refuse(&second, "holds a second document; put it into a file of its own")
	case !errors.Is(err, io.EOF):
		return nil, Problems{syntaxProblem(file, text, err)}
	}
	v := c.convert(&doc, 0)
	return v, c.problems
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxProblem gives a YAML error a position and, for the usual traps, a mend.
func syntaxProblem(file string, text []byte, err error) Problem {
	p := Problem{Position: Position{File: file}, Text: "is not valid YAML"}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return p
	}
	p.Text += ": " + m[2]
	p.Line, _ = strconv.Atoi(m[1])
	if p.Line == 0 {
		return p
	}
	p.Col = 1
	lines := strings.Split(string(text), "\n")
	// The parser often names the line before the one that is wrong.
	for i := p.Line; i <= min(p.Line+2, len(lines)); i++ {
		if mend := yamlTrap(lines[i-1], m[2]); mend != "" {
			p.Line, p.Text = i, p.Text+"; "+mend
			break
		}
	}
	return p
}

// yamlTrap tells which of the usual traps a line fell into.
func yamlTrap(line, complaint string) string {
	switch {
	case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
		return "indent with spaces, not tabs"
	case strings.Contains(complaint, "mapping values") && strings.Count(line, ": ") > 1:
		return `put text that holds ": " in "quotes"`
	case strings.Contains(complaint, "did not find") && strings.ContainsAny(line, "[{") && strings.ContainsAny(line, "?:#!&*%@`"):
		return `inside [ ] and { } put text that holds ? : # ! & * % or @ in "quotes"`
	default:
		return ""
	}
}

// converter turns nodes into values.
type converter struct {
	file     string
	count    int
	problems Problems
}

func (c *converter) position(n *yaml.Node) Position {
	return Position{File: c.file, Line: n.Line, Col: n.Column}
}

func (c *converter) refuse(n *yaml.Node, format string, args ...any) {
	c.problems = append(c.problems, Problem{Position: c.position(n), Text: fmt.Sprintf(format, args...)})
}

func (c *converter) convert(n *yaml.Node, depth int) *value {
	c.count++
	v := &value{at: c.position(n), kind: isNull}
	switch {
	case c.count > maxValues:
		if c.count == maxValues+1 {
			c.refuse(n, "the file holds too many values")
		}
		return v
	case depth > maxDepth:
		c.refuse(n, "is nested too deep")
		return v
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 1 {
			return c.convert(n.Content[0], depth)
		}
	case yaml.AliasNode:
		return c.convert(n.Alias, depth+1)
	case yaml.SequenceNode:
		v.kind = isList
		for _, item := range n.Content {
			v.items = append(v.items, c.convert(item, depth+1))
		}
	case yaml.MappingNode:
		c.mapping(n, v, depth)
	case yaml.ScalarNode:
		c.scalar(n, v)
	}
	return v
}

func (c *converter) mapping(n *yaml.Node, v *value, depth int) {
	v.kind = isMap
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
			c.refuse(k, "a key must be plain text")
			continue
		}
		if first, twice := lines[k.Value]; twice {
			c.refuse(k, "%q is given twice; the first stands in line %d", k.Value, first)
			continue
		}
		lines[k.Value] = k.Line
		v.fields = append(v.fields, field{key: k.Value, at: c.position(k), value: c.convert(n.Content[i+1], depth+1)})
	}
}

func (c *converter) scalar(n *yaml.Node, v *value) {
	switch n.ShortTag() {
	case "!!null":
	case "!!bool":
		var b bool
		v.kind = isTruth
		if n.Decode(&b) != nil {
			c.refuse(n, "is neither true nor false")
		}
		v.scalar = b
	case "!!int", "!!float":
		v.kind, v.scalar = isNumber, c.number(n)
	case "!!str", "!!timestamp":
		v.kind, v.scalar, v.block = isText, n.Value, n.Style&yaml.LiteralStyle != 0
	default:
		c.refuse(n, "the tag %s is not supported", n.ShortTag())
	}
}

// number keeps whole numbers whole; others are as precise as JSON allows.
func (c *converter) number(n *yaml.Node) any {
	var whole int64
	if n.Decode(&whole) == nil && n.ShortTag() == "!!int" {
		return whole
	}
	var f float64
	if n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		c.refuse(n, "is not a number that can be sent")
		return 0
	}
	return f
}
