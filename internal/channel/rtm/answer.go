package rtm

import (
	"context"
	"encoding/json"
	"net/http"

	"parley/internal/fault"
)

// wireError is one entry of an error body. W10.27 stays dead on an error body
// without the array.
type wireError struct {
	Msg  string `json:"msg"`
	Code int    `json:"code"`
	// HTTPStatus is the code as text, which uploads look at.
	HTTPStatus string `json:"httpStatus,omitempty"`
}

type errorBody struct {
	Errors []wireError `json:"errors"`
}

// writeJSON answers with v. Success is 200 and nothing else: the web SDK takes
// 201 for an error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"errors":[{"msg":"something went wrong on our side","code":500}]}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
}

func writeError(w http.ResponseWriter, status int, msg string) {
	e := wireError{Msg: msg, Code: status}
	if status == http.StatusUnauthorized {
		e.HTTPStatus = "401"
	}
	writeJSON(w, status, errorBody{Errors: []wireError{e}})
}

// statusOf maps a refusal to a status. 429 is never answered, because all web
// versions throw on it and never recover.
func statusOf(kind fault.Kind) int {
	if kind == fault.TooMany {
		return http.StatusServiceUnavailable
	}
	return fault.HTTPStatus(kind)
}

// handler is a handler that returns its refusal.
type handler func(w http.ResponseWriter, r *http.Request) error

// try turns a panic into a refusal: clients need JSON whatever happens.
func (d *Driver) try(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	err = fault.New(fault.Internal, "")
	d.guard("a request", func() { err = h(w, r) })
	return err
}

// serve answers a refusal in the protocol's form, counts it, and logs what was
// unexpected.
func (d *Driver) serve(name string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "rtm " + name // what a mux would have set, for whoever counts requests
		err := d.try(h, w, r)
		if err == nil {
			return
		}
		kind := fault.KindOf(err)
		if r.Context().Err() != nil && kind == fault.Internal {
			// The client has gone, or our own deadline for the request passed.
			kind, err = fault.Unavailable, fault.Wrap(err, fault.Unavailable, "this took too long; try again")
		}
		d.metrics.refused.WithLabelValues(name, string(kind)).Inc()
		if kind == fault.Internal || kind == fault.Unavailable {
			d.Logger.LogAttrs(context.WithoutCancel(r.Context()), levelOf(kind), "rtm request refused",
				attr("endpoint", name), attr("error", err.Error()))
		}
		writeError(w, statusOf(kind), fault.Message(err))
	})
}
