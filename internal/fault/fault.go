// Package fault gives errors two faces: a kind and a safe message for the
// outside, and a wrapped cause for the log.
//
// Code that knows what went wrong in terms of the caller makes a fault with
// [New] or [Wrap]. Everything else stays an ordinary error, which [KindOf]
// reports as [Internal] and [Message] hides behind a fixed sentence, so that
// the text of an unexpected error never leaves the process.
//
// Return a fault or log it, never both.
package fault

import (
	"errors"
	"fmt"
)

// Kind is the closed set of reasons an operation can be refused. It doubles as
// a metric label and decides the status code of an HTTP answer.
type Kind string

const (
	// Internal is everything unexpected; its text stays inside.
	Internal Kind = "internal"
	// Invalid is input that breaks a rule; the message names field and mend.
	Invalid Kind = "invalid"
	// Unauthenticated is a missing, expired or wrong credential.
	Unauthenticated Kind = "unauthenticated"
	// Forbidden is a known caller who may not do this.
	Forbidden Kind = "forbidden"
	// NotFound is a name or id that does not exist.
	NotFound Kind = "not_found"
	// Conflict is a state that does not allow the operation now.
	Conflict Kind = "conflict"
	// TooLarge is input above a limit; the message gives the limit.
	TooLarge Kind = "too_large"
	// TooMany is a caller who must slow down.
	TooMany Kind = "too_many"
	// Unavailable is a passing condition (database gone, disk full): the same
	// request may succeed later.
	Unavailable Kind = "unavailable"
)

// Error is a refusal with a kind, a message that is safe to show to whoever
// asked, and the cause for the log.
type Error struct {
	Kind Kind
	// Field is the path of the offending field, or empty.
	Field string
	// Safe is shown outside. It must not hold secrets or internal names.
	Safe string
	// Cause is logged and never shown. It may be nil.
	Cause error
}

// New returns a fault without a cause.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Safe: fmt.Sprintf(format, args...)}
}

// Field returns an [Invalid] fault about one field of the input.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Safe: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault that keeps cause for the log.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Safe: fmt.Sprintf(format, args...), Cause: cause}
}

// Error gives the text for the log: safe message and cause.
func (e *Error) Error() string {
	text := e.Safe
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first fault in err's chain, [Internal] when
// there is none, and the empty kind for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Message returns the text that may be shown outside: field and safe message
// of the first fault in the chain, or a fixed sentence for any other error.
func Message(err error) string {
	var f *Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &f) || f.Safe == "":
		return "something went wrong on our side"
	case f.Field != "":
		return f.Field + ": " + f.Safe
	default:
		return f.Safe
	}
}

// HTTPStatus maps a kind to the status code of an HTTP answer. Protocols with
// their own rules (RTM never answers 429 on grant and start) map for
// themselves.
func HTTPStatus(kind Kind) int {
	switch kind {
	case "":
		return 200
	case Invalid:
		return 400
	case Unauthenticated:
		return 401
	case Forbidden:
		return 403
	case NotFound:
		return 404
	case Conflict:
		return 409
	case TooLarge:
		return 413
	case TooMany:
		return 429
	case Unavailable:
		return 503
	default:
		return 500
	}
}
