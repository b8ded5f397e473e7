package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"parley/internal/fault"
)

// Manifest is what an owner wants to be in place. It is complete in itself:
// files are read and secrets are filled in. Items it does not name are left
// alone.
type Manifest struct {
	Assistants map[string]AssistantSpec `json:"assistants,omitempty"`
	Channels   map[string]ChannelSpec   `json:"channels,omitempty"`
}

// AssistantSpec describes one assistant.
type AssistantSpec struct {
	// Kind is the assistant's kind, such as "flow".
	Kind string `json:"kind"`
	// File is the definition's file as the owner wrote it, empty for text that
	// stands in the catalog itself. It is kept for people to read.
	File string `json:"file,omitempty"`
	// Path is the same file as seen from where the command ran, for errors
	// that an editor can follow. It is not stored.
	Path string `json:"path,omitempty"`
	// Definition is the text to compile.
	Definition string `json:"definition"`
}

// ChannelSpec describes one channel.
type ChannelSpec struct {
	// Type is the channel's type, such as "rtm".
	Type string `json:"type"`
	// Assistant is the name of what answers.
	Assistant string `json:"assistant"`
	// Disabled keeps the channel but refuses everybody.
	Disabled bool `json:"disabled,omitempty"`
	// Settings are the keys that belong to the type, secrets included.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// Position is a place in a file; line and column count from 1.
type Position struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// String gives "file:line:col".
func (p Position) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
}

// Problem is one thing that is wrong with a manifest. It never holds a value
// that came from ${env:...} or ${file:...}.
type Problem struct {
	Position
	// Path names the field, such as channels.website.apps[0].secret.
	Path string `json:"path,omitempty"`
	// Text says what is wrong and how to mend it.
	Text string `json:"text"`
}

// String gives position, path and text on one line.
func (p Problem) String() string {
	var b strings.Builder
	if at := p.Position.String(); at != "" {
		b.WriteString(at + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	return b.String() + p.Text
}

// Problems is everything that is wrong with a manifest, all in one go. As an
// error it is a fault of kind [fault.Invalid].
type Problems []Problem

// Error lists the problems, one a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// As makes the problems a fault for callers who only look at its kind.
func (ps Problems) As(target any) bool {
	f, ok := target.(**fault.Error)
	if !ok || len(ps) == 0 {
		return false
	}
	text := ps[0].Text
	if len(ps) > 1 {
		text = fmt.Sprintf("%s (and %d more)", text, len(ps)-1)
	}
	*f = &fault.Error{Kind: fault.Invalid, Field: ps[0].Path, Safe: text}
	return true
}

// asError avoids the error that is not nil but holds no problem.
func (ps Problems) asError() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// problemsOf takes what a driver or a kind found apart: one problem for each
// invalid fault in the tree of errors. ok is false when err holds anything
// else, which is then not the owner's mistake.
func problemsOf(err error, prefix string) (found Problems, ok bool) {
	if many, is := err.(interface{ Unwrap() []error }); is {
		for _, one := range many.Unwrap() {
			some, ok := problemsOf(one, prefix)
			if !ok {
				return nil, false
			}
			found = append(found, some...)
		}
		return found, len(found) > 0
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid {
		return nil, false
	}
	return Problems{{Path: joinPath(prefix, f.Field), Text: f.Safe}}, true
}

// inFile takes the texts of a compiler apart: one problem a line, and the
// "file:line:col: " in front of a line becomes its position. For text that
// stands in the catalog itself the position has no file: it counts inside the
// text.
func inFile(found Problems, file string, inline bool) Problems {
	var all Problems
	for _, p := range found {
		for line := range strings.Lines(p.Text) {
			one := Problem{Path: p.Path, Text: strings.TrimRight(line, "\r\n")}
			if at, text, ok := cutPosition(one.Text, file); ok {
				one.Position, one.Text = at, text
				if inline {
					one.File = ""
				}
			}
			all = append(all, one)
		}
	}
	return all
}

// cutPosition takes "file:line:col: " off the front of a text.
func cutPosition(text, file string) (Position, string, bool) {
	rest, ok := strings.CutPrefix(text, file+":")
	if !ok {
		return Position{}, text, false
	}
	numbers, text, ok := strings.Cut(rest, ": ")
	if !ok {
		return Position{}, text, false
	}
	line, col, _ := strings.Cut(numbers, ":")
	at := Position{File: file}
	var err error
	if at.Line, err = strconv.Atoi(line); err != nil {
		return Position{}, text, false
	}
	// A column is a courtesy; a compiler may leave it out.
	at.Col, _ = strconv.Atoi(col)
	return at, text, true
}

// joinPath joins a path and a field below it; fields such as [0] need no dot.
func joinPath(prefix, field string) string {
	switch {
	case field == "":
		return prefix
	case prefix == "" || strings.HasPrefix(field, "["):
		return prefix + field
	default:
		return prefix + "." + field
	}
}
