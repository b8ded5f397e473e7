package telemetry

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Redactor blanks secrets in the text of a field called name; an empty name
// says nothing about the text. secret.RedactField is one.
type Redactor func(name, text string) string

// Log formats.
const (
	// FormatText is logfmt: one line of key=value pairs.
	FormatText = "text"
	// FormatJSON is one JSON object a line.
	FormatJSON = "json"
)

// NewLogger returns a logger that writes records of level and above to w as
// [FormatJSON] or, for every other format, as [FormatText]. Each record is one
// Write.
//
// Message and attributes pass through redact with the name of the attribute
// and of each group around it: texts as they are, errors and other values as
// they would be printed (JSON is redacted as JSON). A value that panics when
// asked for its text is replaced by a note.
func NewLogger(w io.Writer, level slog.Leveler, format string, redact Redactor) *slog.Logger {
	r := redaction{redact: redact, json: format == FormatJSON}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: r.attr}
	if r.json {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

type redaction struct {
	redact Redactor
	json   bool
}

// attr is called by package slog for every attribute that is not a group,
// with LogValuers resolved, and for the message.
func (r redaction) attr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	for _, group := range groups {
		if r.tells(group) {
			a.Value = slog.StringValue(r.redact(group, "x"))
			return a
		}
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.redact(a.Key, a.Value.String()))
	case slog.KindAny:
		a.Value = r.any(a.Key, a.Value.Any())
	default: // numbers, times, switches: only the name can tell
		if r.tells(a.Key) {
			a.Value = slog.StringValue(r.redact(a.Key, "x"))
		}
	}
	return a
}

// tells reports whether a name alone makes its value a secret.
func (r redaction) tells(name string) bool { return r.redact(name, "x") != "x" }

// any redacts what the handlers would print for a value: its own text when it
// has one, else its JSON, or its fields in the text format.
func (r redaction) any(name string, value any) (result slog.Value) {
	defer func() {
		if recover() != nil { // a nil pointer inside an interface, mostly
			result = slog.StringValue(fmt.Sprintf("(%T that cannot be printed)", value))
		}
	}()
	switch v := value.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(r.redact(name, v.Error()))
	case []byte:
		return slog.StringValue(r.redact(name, string(v)))
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return slog.StringValue(r.redact(name, "!ERROR: "+err.Error()))
		}
		return slog.StringValue(r.redact(name, string(text)))
	}
	if !r.json {
		return slog.StringValue(r.redact(name, fmt.Sprintf("%+v", value)))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return slog.StringValue(r.redact(name, fmt.Sprintf("%+v", value)))
	}
	clean := []byte(r.redact(name, string(text)))
	if !json.Valid(clean) { // blanked as a whole
		return slog.StringValue(string(clean))
	}
	return slog.AnyValue(json.RawMessage(clean))
}
