package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"parley/internal/adminapi"
	"parley/internal/config"
	"parley/internal/fault"
	"parley/internal/secret"
)

// client talks to the admin API: through the socket, to handlers in this
// process, or over the network.
type client struct {
	http *http.Client
	// base is the address of the server, without a path of the API.
	base string
	// remote is base for a server elsewhere, else empty.
	remote string
	// token is shown to a server elsewhere.
	token secret.Text
	// online is set when a server answers.
	online bool
	close  func() error
}

// localBase stands for a server that has no address.
const localBase = "http://parley"

// connect reaches the data: at the server that --url names, through the server
// of the data folder if one runs, else directly. The settings are this machine's
// and empty with --url.
func (r *run) connect() (*client, config.Settings, error) {
	if address, err := r.remote(); err != nil || address != "" {
		if err != nil {
			return nil, config.Settings{}, err
		}
		return r.reach(address)
	}
	s, err := r.settings()
	if err != nil {
		return nil, s, err
	}
	conn, err := adminapi.Dial(s.Data)
	switch {
	case err == nil:
		_ = conn.Close()
		return overSocket(s.Data), s, nil
	case errors.Is(err, os.ErrPermission):
		return nil, s, fault.Wrap(err, fault.Unavailable,
			"the server of %s belongs to another user; run this command as that user", s.Data)
	case !adminapi.NoServer(err):
		return nil, s, fault.Wrap(err, fault.Unavailable, "the server of %s cannot be reached", s.Data)
	}
	handler, closer, err := r.Backend.Open(r.ctx, s)
	if err != nil {
		return nil, s, err
	}
	return &client{base: localBase, http: &http.Client{Transport: inProcess{handler}}, close: closer}, s, nil
}

func overSocket(dir string) *client {
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return adminapi.Dial(dir) },
	}
	return &client{base: localBase, http: &http.Client{Transport: transport}, online: true, close: func() error {
		transport.CloseIdleConnections()
		return nil
	}}
}

// inProcess hands requests to a handler without a connection.
type inProcess struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper]. The answer is complete when it
// returns, so it does not suit answers that never end.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, r)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.wrote = true
	return w.body.Write(b)
}

// maxAnswer bounds an answer in bytes.
const maxAnswer = 256 << 20

// call sends a request and decodes the answer into an O.
func call[O any](ctx context.Context, c *client, method, path string, query url.Values, body any) (O, error) {
	var out O
	resp, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return out, fault.Wrap(err, fault.Unavailable, "the server's answer was cut off; see whether the command took effect before you repeat it")
	}
	return out, nil
}

// send returns an answer that is a success; every other is an error.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		content = bytes.NewReader(b)
	}
	address := c.base + adminapi.Prefix + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if c.remote != "" {
			return nil, fault.Wrap(err, fault.Unavailable, "the server at %s could not be asked, or went away; see whether the command took effect before you repeat it", c.remote)
		}
		return nil, fault.Wrap(err, fault.Unavailable, "the server went away; see whether the command took effect before you repeat it")
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, failureOf(resp)
}

func failureOf(resp *http.Response) error {
	var f adminapi.Failure
	const most = 16 << 20
	if err := json.NewDecoder(io.LimitReader(resp.Body, most)).Decode(&f); err != nil || f.Detail == "" {
		if to := resp.Header.Get("Location"); to != "" && resp.StatusCode < http.StatusBadRequest {
			return fault.New(fault.Invalid, "the server answered %s and points to %s; is the address right?", resp.Status, clean(to))
		}
		return fault.New(fault.Internal, "the server answered %s; is it another version?", resp.Status)
	}
	return &f
}

func pathOf(parts ...string) string {
	path := ""
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}
