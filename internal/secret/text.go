package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	"parley/internal/fault"
)

// Redacted is what stands in for a secret wherever one would be printed.
const Redacted = "[redacted]"

// Text is a secret in memory. Formatting, logging and encoding it give
// [Redacted] (the zero value gives an empty text); only [Text.Reveal] gives
// the secret.
//
// It is a struct around a pointer rather than a string type, because package
// fmt cannot call methods on unexported fields: a string type inside one would
// be printed in clear. It does not compare with ==, which would not take
// constant time; see [Text.Equal]. It is no driver.Valuer either, so that a
// database refuses a secret that was not sealed.
type Text struct {
	_     [0]func()
	value *string
}

// NewText wraps a secret.
func NewText(value string) Text {
	if value == "" {
		return Text{}
	}
	return Text{value: &value}
}

// Reveal gives the secret itself.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero reports whether there is no secret; `omitzero` in JSON and
// `omitempty` in YAML ask for it.
func (t Text) IsZero() bool { return t.value == nil }

// Equal compares two secrets in constant time.
func (t Text) Equal(other Text) bool { return t.Matches(other.Reveal()) }

// Matches compares the secret with what a caller presented, in a time that
// depends on neither content nor length of the secret. An empty secret matches
// only an empty value: callers that must not accept "no secret set" check
// [Text.IsZero] first.
func (t Text) Matches(presented string) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String implements [fmt.Stringer].
func (t Text) String() string {
	if t.IsZero() {
		return ""
	}
	return Redacted
}

// GoString implements [fmt.GoStringer].
func (t Text) GoString() string { return t.String() }

// Format implements [fmt.Formatter]: every verb and flag gives the marker.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue implements [slog.LogValuer].
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalJSON implements [json.Marshaler].
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// MarshalYAML implements yaml.Marshaler.
func (t Text) MarshalYAML() (any, error) { return t.String(), nil }

// UnmarshalText implements [encoding.TextUnmarshaler], which JSON and YAML use
// as well. It refuses the marker: an exported document that is read back must
// not replace a working secret by the word "[redacted]".
func (t *Text) UnmarshalText(text []byte) error {
	if string(text) == Redacted {
		return fault.New(fault.Invalid, "%q stands for a secret that was not shown; give the secret itself or leave the field out", Redacted)
	}
	*t = NewText(string(text))
	return nil
}
