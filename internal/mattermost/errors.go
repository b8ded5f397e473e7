package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error ids that somebody acts on.
const (
	IDSessionExpired  = "api.context.session_expired.app_error"
	IDPermissions     = "api.context.permissions.app_error"
	IDDuplicate       = "api.post.deduplicate_create_post.pending"
	IDRootGone        = "api.post.create_post.root_id.app_error"
	IDRootElsewhere   = "api.post.create_post.channel_root_id.app_error"
	IDChannelArchived = "api.post.create_post.can_not_post_to_deleted.error"
	IDMessageTooLong  = "model.post.is_valid.message_length.app_error"
	IDEditTimeLimit   = "api.post.update_post.permissions_time_limit.app_error"
	idNotAuthentic    = "api.web_socket_router.not_authenticated.app_error"
)

var (
	// ErrGap ends a [Stream] that missed an event.
	ErrGap = errors.New("events are missing")
	// ErrSilent ends a [Stream] whose server stopped answering.
	ErrSilent = errors.New("the server does not answer on the WebSocket")
	// ErrCut ends a [Stream] whose connection was lost or closed by the server.
	ErrCut = errors.New("the WebSocket was cut")
	// ErrForeign is wrapped by errors about answers that do not come from
	// Mattermost's API: a wrong address, or a proxy that answers itself.
	ErrForeign = errors.New("not an answer of Mattermost's API")
	// ErrTooLarge is wrapped by errors about answers and frames above their
	// limit (64 MB and 8 MB).
	ErrTooLarge = errors.New("answer is too large")
)

// Error is a refusal by the server, or a request that got no answer.
type Error struct {
	// Op says what was tried, in words: "create post".
	Op string
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// ID is the server's error id, empty when the answer had none (plain
	// text, a proxy's page).
	ID string
	// RequestID finds the request in the server's log.
	RequestID string
	// RetryAfter is how long the server asked to wait (status 429).
	RetryAfter time.Duration
	// Written is true when the server may have seen the whole request.
	Written bool
	// changes: the request was no mere question.
	changes bool
	// cause is why there was no usable answer; it holds no secrets.
	cause error
}

// Error gives the text for the log.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mattermost: %s:", e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, " status %d", e.Status)
	}
	if e.ID != "" {
		fmt.Fprintf(&b, " %s", e.ID)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, " %v", e.cause)
	}
	return b.String()
}

// Unwrap gives the fault that may be shown, and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{explain(e)}
	}
	return []error{explain(e), e.cause}
}

// IDOf is the server's error id in err, or empty.
func IDOf(err error) string {
	if e := asError(err); e != nil {
		return e.ID
	}
	return ""
}

// StatusOf is the HTTP status in err, or 0.
func StatusOf(err error) int {
	if e := asError(err); e != nil {
		return e.Status
	}
	return 0
}

// IsUnauthorized reports whether the credentials are refused: revoked, wrong,
// disabled, locked. Trying again does not help, and with a password it does
// harm: ten tries lock the account.
func IsUnauthorized(err error) bool { return StatusOf(err) == http.StatusUnauthorized }

// IsNotFound reports whether the thing asked for does not exist, or is hidden
// from this account.
func IsNotFound(err error) bool { return StatusOf(err) == http.StatusNotFound }

// Limited reports whether the server wants fewer requests, and how long it
// wants us to wait.
func Limited(err error) (time.Duration, bool) {
	if e := asError(err); e != nil && e.Status == http.StatusTooManyRequests {
		return e.RetryAfter, true
	}
	return 0, false
}

// Uncertain reports whether a request that changes something may or may not
// have been carried out: it was written, and the answer is lost or came from
// something between us and the server.
func Uncertain(err error) bool {
	e := asError(err)
	if e == nil || !e.Written || !e.changes {
		return false
	}
	switch e.Status {
	case 0, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusInternalServerError:
		return e.ID == ""
	}
	return e.Status < 300
}

// Temporary reports whether the same request may succeed later without anybody
// doing anything: the network, a restart, a limit, a lost connection. An
// [Uncertain] error is temporary too; look first, then try again.
func Temporary(err error) bool {
	if errors.Is(err, ErrGap) || errors.Is(err, ErrSilent) || errors.Is(err, ErrCut) {
		return !IsUnauthorized(err)
	}
	e := asError(err)
	if e == nil {
		return errors.Is(err, context.DeadlineExceeded)
	}
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return !errors.Is(err, ErrTooLarge)
	case http.StatusNotImplemented:
		return false
	case http.StatusInternalServerError:
		// Seen for a post type of 27 characters, which never becomes valid.
		return e.ID != "app.post.save.app_error"
	}
	return e.Status > 500 || Uncertain(err)
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
