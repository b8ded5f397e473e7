package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"parley/internal/catalog"
	"parley/internal/fault"
)

// Failure is the body of every answer that is not a success: problem details
// (RFC 9457) with the fault's kind. It never repeats what was sent.
type Failure struct {
	Title  string `json:"title" doc:"The status in words."`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"What is wrong and how to mend it."`
	// Kind is for programs.
	Kind fault.Kind `json:"kind" doc:"The reason, for programs." enum:"internal,invalid,unauthenticated,forbidden,not_found,conflict,too_large,too_many,unavailable"`
	// Problems is everything that is wrong with the input.
	Problems []catalog.Problem `json:"problems,omitempty" doc:"Everything that is wrong with what was sent, in one go."`
}

var (
	_ huma.StatusError       = (*Failure)(nil)
	_ huma.ContentTypeFilter = (*Failure)(nil)
)

// Error is the detail.
func (f *Failure) Error() string { return f.Detail }

// GetStatus implements [huma.StatusError].
func (f *Failure) GetStatus() int { return f.Status }

// ContentType implements [huma.ContentTypeFilter].
func (f *Failure) ContentType(string) string { return "application/problem+json" }

// Unwrap makes the failure a fault again on the client's side.
func (f *Failure) Unwrap() error {
	if len(f.Problems) > 0 {
		return catalog.Problems(f.Problems)
	}
	return &fault.Error{Kind: f.Kind, Safe: f.Detail}
}

func newFailure(kind fault.Kind, status int, detail string) *Failure {
	return &Failure{Title: http.StatusText(status), Status: status, Detail: detail, Kind: kind}
}

// fail maps an error to an answer: a fault keeps its text, anything else is
// logged here and hidden.
func (a *api) fail(ctx context.Context, err error) error {
	kind := fault.KindOf(err)
	f := newFailure(kind, fault.HTTPStatus(kind), fault.Message(err))
	var found catalog.Problems
	if errors.As(err, &found) {
		f.Problems = found
	}
	if kind == fault.Internal || kind == fault.Unavailable {
		if ctx.Err() == nil {
			a.Log.Error("admin operation failed", "err", err)
		}
	}
	return f
}

var replaceOnce sync.Once

// replaceErrors makes the HTTP library build our failures. Its own repeat the
// rejected value, which may be a secret in the wrong field. The library offers
// only a package variable for this.
func replaceErrors() {
	replaceOnce.Do(func() {
		huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
			if status == http.StatusUnprocessableEntity {
				status = http.StatusBadRequest
			}
			f := newFailure(kindOf(status), status, detail)
			for _, err := range errs {
				if err == nil {
					continue
				}
				p := catalog.Problem{Text: "is not valid"}
				var d huma.ErrorDetailer
				if errors.As(err, &d) {
					detail := d.ErrorDetail()
					// The location begins with body, query or path, which an
					// owner does not know.
					_, field, _ := strings.Cut(detail.Location, ".")
					p = catalog.Problem{Path: field, Text: detail.Message}
				}
				f.Problems = append(f.Problems, p)
			}
			return f
		}
	})
}

func kindOf(status int) fault.Kind {
	for _, k := range []fault.Kind{
		fault.Invalid, fault.Unauthenticated, fault.Forbidden, fault.NotFound, fault.Conflict,
		fault.TooLarge, fault.TooMany, fault.Unavailable,
	} {
		if fault.HTTPStatus(k) == status {
			return k
		}
	}
	if status < http.StatusInternalServerError {
		return fault.Invalid
	}
	return fault.Internal
}

// guarded answers unknown paths in our form, and a panic with a failure
// instead of a torn connection.
func (a *api) guarded(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			if what == http.ErrAbortHandler {
				panic(what)
			}
			a.Log.Error("admin operation panicked", "panic", what, "stack", string(debug.Stack()))
			writeFailure(w, newFailure(fault.Internal, http.StatusInternalServerError, fault.Message(errPanic)))
		}()
		if _, pattern := mux.Handler(r); pattern == "" {
			writeFailure(w, newFailure(fault.NotFound, http.StatusNotFound, "there is no such operation; see "+Prefix+"/openapi.json"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

var errPanic = errors.New("panic")

func writeFailure(w http.ResponseWriter, f *Failure) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(f.Status)
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(f)
}

func indentJSON(b []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
