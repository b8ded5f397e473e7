package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"parley/internal/fault"
	"parley/internal/safehttp"
)

// Client asks one server as one account. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	log       *slog.Logger
	now       func() time.Time
	pingEvery time.Duration
	pingWait  time.Duration

	gate    gate
	session *session
	self    atomic.Pointer[string]
}

// Server is the address of the server, without a slash at the end.
func (c *Client) Server() string { return c.base.String() }

// PostLink is the address under which a person finds a post, in whatever team.
func (c *Client) PostLink(postID string) string { return c.Server() + "/_redirect/pl/" + postID }

// Close ends the session that a [Login] made, so that it does not stay on the
// server for a month, and lets go of idle connections. Tokens stay valid.
// Streams are the caller's to close. A closed client refuses calls.
func (c *Client) Close(ctx context.Context) error {
	defer c.http.CloseIdleConnections()
	token, err := c.session.close(ctx)
	if err != nil || token == "" {
		return err
	}
	err = c.as(ctx, token, request{op: "log out", method: http.MethodPost, path: "/users/logout"})
	if IsUnauthorized(err) {
		return nil // the session is gone already
	}
	return err
}

// request is one call of the API.
type request struct {
	op     string // for errors: what was tried, in words
	method string
	path   string // below /api/v4, ids checked
	query  url.Values
	body   any // encoded as JSON, or nil
	// hook is a whole address that takes the place of base and path.
	hook string
	// anonymous: sent without credentials.
	anonymous bool
	// reads: changes nothing, although the method is not GET.
	reads bool
}

func (rq request) changes() bool { return rq.method != http.MethodGet && !rq.reads }

// reply is a successful answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the answer as JSON. What does not decode is an answer all the
// same: the request was carried out, or something else than Mattermost spoke.
func (a reply) decode(rq request, out any) error {
	if err := json.Unmarshal(a.body, out); err != nil {
		return foreign(rq, a)
	}
	return nil
}

func foreign(rq request, a reply) *Error {
	return &Error{Op: rq.op, Status: a.status, Written: true, changes: rq.changes(), cause: ErrForeign,
		RequestID: requestID(a.header)}
}

// call does a request and decodes its answer into out, unless that is nil.
func (c *Client) call(ctx context.Context, rq request, out any) error {
	answer, err := c.do(ctx, rq)
	if err != nil {
		return err
	}
	if out == nil {
		out = new(json.RawMessage) // "OK" in one form or another; a proxy's page is none
	}
	if err := answer.decode(rq, out); err != nil {
		return err
	}
	if v, ok := out.(interface{ identity() string }); ok && !ValidID(v.identity()) {
		return foreign(rq, answer)
	}
	return nil
}

// as does a request with the given token, whatever the session's state.
func (c *Client) as(ctx context.Context, token string, rq request) error {
	_, err := c.patient(ctx, rq, token)
	return err
}

// do sends a request with the account's credentials, and once more after
// logging in again when a session made by password has ended.
func (c *Client) do(ctx context.Context, rq request) (reply, error) {
	if rq.anonymous {
		return c.patient(ctx, rq, "")
	}
	for again := false; ; again = true {
		token, err := c.token(ctx)
		if err != nil {
			return reply{}, err
		}
		answer, err := c.patient(ctx, rq, token)
		if err == nil {
			c.session.worked(token)
			return answer, nil
		}
		if IDOf(err) != IDSessionExpired || !c.session.expired(token, err) || again {
			return reply{}, err
		}
		c.log.InfoContext(ctx, "mattermost session ended, logging in again", "server", c.Server())
	}
}

// patient sends a request when the server's limits allow, and again when the
// server says that it came too early: a 429 is never carried out. It gives up
// when the wait would outlast ctx or [maxWait].
func (c *Client) patient(ctx context.Context, rq request, token string) (reply, error) {
	body, err := encode(rq)
	if err != nil {
		return reply{}, err
	}
	until := c.now().Add(maxWait)
	for {
		if err := c.gate.wait(ctx, until); err != nil {
			if e := asError(err); e != nil {
				e.Op, e.changes = rq.op, rq.changes()
				return reply{}, e
			}
			return reply{}, &Error{Op: rq.op, changes: rq.changes(), cause: err}
		}
		answer, err := c.send(ctx, rq, token, body)
		pause, limited := Limited(err)
		if !limited {
			return answer, err
		}
		if !c.gate.allows(ctx, until, pause) {
			return answer, err
		}
		c.log.DebugContext(ctx, "mattermost asks to slow down", "op", rq.op, "pause", pause)
	}
}

func encode(rq request) ([]byte, error) {
	if rq.body == nil {
		return nil, nil
	}
	body, err := json.Marshal(rq.body)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the content of %q cannot be written as JSON", rq.op)
	}
	return body, nil
}

// send does one HTTP exchange.
func (c *Client) send(ctx context.Context, rq request, token string, body []byte) (reply, error) {
	trace := &tracker{}
	req, err := c.build(httptrace.WithClientTrace(ctx, trace.hooks()), rq, token, body)
	if err != nil {
		return reply{}, err
	}
	fail := func(status int, cause error) (reply, error) {
		return reply{}, &Error{Op: rq.op, Status: status, Written: status != 0 || trace.written(), changes: rq.changes(), cause: plain(cause)}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fail(0, err)
	}
	defer resp.Body.Close()
	c.gate.observe(resp)
	answer := reply{status: resp.StatusCode, header: resp.Header}
	answer.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(answer.body) > maxBody || errors.Is(err, safehttp.ErrTooLarge) {
		return fail(resp.StatusCode, ErrTooLarge)
	}
	if resp.StatusCode/100 != 2 {
		return reply{}, c.refusal(rq, answer)
	}
	if err != nil {
		return fail(0, err)
	}
	return answer, nil
}

func (c *Client) build(ctx context.Context, rq request, token string, body []byte) (*http.Request, error) {
	address := rq.hook
	if address == "" {
		u := *c.base
		u.Path += "/api/v4" + rq.path
		u.RawQuery = rq.query.Encode()
		address = u.String()
	}
	req, err := http.NewRequestWithContext(ctx, rq.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Wrap(plain(err), fault.Invalid, "the address of %q cannot be used", rq.op)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// plain takes the address, which may be a secret, out of an error of net/http.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// tracker finds out whether a request may have reached the server whole.
type tracker struct{ state atomic.Int32 }

const (
	unsent int32 = iota
	under        // a connection is there, bytes may be on their way
	failed       // writing failed, so the server has less than all of it
)

func (t *tracker) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { t.state.Store(under) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err != nil {
				t.state.Store(failed)
			}
		},
	}
}

func (t *tracker) written() bool { return t.state.Load() == under }

// wireError is how the API says no.
type wireError struct {
	ID        string `json:"id"`
	RequestID string `json:"request_id"`
	Status    int    `json:"status_code"`
}

// refusal makes an error of an answer outside 200 to 299.
func (c *Client) refusal(rq request, a reply) *Error {
	e := &Error{Op: rq.op, Status: a.status, Written: true, changes: rq.changes(), RequestID: requestID(a.header)}
	var w wireError
	switch {
	case json.Unmarshal(a.body, &w) == nil && plausibleID(w.ID):
		e.ID = w.ID
	case a.status == http.StatusTooManyRequests: // plain text, always
	case a.status/100 == 3:
		e.cause = redirected(a.header.Get("Location"))
	default:
		e.cause = ErrForeign
	}
	if a.status == http.StatusTooManyRequests {
		e.RetryAfter = retryAfter(a.header, c.now())
	}
	return e
}

// requestID takes the server's request id, when it is one.
func requestID(h http.Header) string {
	if id := h.Get("X-Request-Id"); ValidID(id) {
		return id
	}
	return ""
}

// plausibleID keeps arbitrary text of a stranger out of logs.
func plausibleID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' {
			return false
		}
	}
	return true
}
