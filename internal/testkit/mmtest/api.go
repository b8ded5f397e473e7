package mmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"
)

const (
	apiPath = "/api/v4"
	// callWithin bounds a call of the methods that take no context.
	callWithin = 2 * time.Minute
	answerMost = 64 << 20
)

// APIError is an answer of the server that is not 2xx.
type APIError struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// ID names the reason, "api.context.permissions.app_error"; empty when
	// the answer was not the API's JSON.
	ID string `json:"id"`
	// Message is the server's sentence, or the whole body when it was not
	// JSON.
	Message string `json:"message"`
}

func (e *APIError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Status, e.ID, e.Message))
}

// Try runs work with a [T] of its own, for callers without a test: what would
// have failed the test ends work and is the error.
//
//	err := mmtest.Try(func(t mmtest.T) { id = mm.Alice.Post(t, channel, "hi", "") })
func Try(work func(T)) error {
	f := &failure{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(f)
	}()
	<-done
	return f.err
}

// failure is a failed Try: the sentence, and the first error among what it was
// made of.
type failure struct{ err error }

type sentence struct {
	text  string
	cause error
}

func (s *sentence) Error() string { return s.text }
func (s *sentence) Unwrap() error { return s.cause }

func (f *failure) Helper() {}

func (f *failure) Fatalf(format string, args ...any) {
	said := &sentence{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			said.cause = cause
			break
		}
	}
	f.err = said
	runtime.Goexit()
}

// api is one server's REST API.
type api struct {
	base   string
	client *http.Client
}

// newAPI makes a client that uses no proxy, whatever the machine has set.
func newAPI(base string) *api {
	return &api{base: base, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// send makes one call. body and into may be nil; the header is the answer's.
func (a *api) send(ctx context.Context, token, method, path string, body, into any) (http.Header, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+apiPath+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, apiError(resp.StatusCode, text)
	}
	if into == nil {
		return resp.Header, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fmt.Errorf("the answer %.200q: %w", text, err)
	}
	return resp.Header, nil
}

func apiError(status int, text []byte) *APIError {
	e := &APIError{}
	if err := json.Unmarshal(text, e); err != nil || e.ID == "" {
		e = &APIError{Message: strings.TrimSpace(string(text))}
	}
	e.Status = status
	return e
}

// User is somebody at the API: a person or a bot with a token. The methods that
// take a [T] fail it when the server refuses.
type User struct {
	ID       string
	Username string
	// Password is empty for a bot.
	Password string
	// Token is the login session of a person, or an access token.
	Token string

	// tokenID is what an access token is revoked by; a session has none.
	tokenID string
	api     *api
}

// Do calls the API: path is what follows /api/v4, body is sent as JSON unless
// nil, the answer is decoded into into unless nil. An answer that is not 2xx is
// an *[APIError]. Do may be called from any goroutine.
func (u *User) Do(ctx context.Context, method, path string, body, into any) error {
	_, err := u.api.send(ctx, u.Token, method, path, body, into)
	return err
}

// must is Do for the methods that fail a test.
func (u *User) must(t T, method, path string, body, into any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	if err := u.Do(ctx, method, path, body, into); err != nil {
		t.Fatalf("Mattermost, %s %s as %s: %v", method, path, u.Username, err)
	}
}

// Status returns the HTTP status in an error of [User.Do], or 0 when there was
// no answer.
func Status(err error) int {
	if e := new(APIError); errors.As(err, &e) {
		return e.Status
	}
	return 0
}
