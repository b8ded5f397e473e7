package mattermost_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/secret"
)

// fake answers in place of a network, for the fake clock.
type fake func(*http.Request) *http.Response

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func answerWith(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestRateLimits(t *testing.T) {
	for _, test := range []struct {
		what   string
		header []string
		want   time.Duration // the second request goes out after
	}{
		{"seconds", []string{"Retry-After", "3"}, 3 * time.Second},
		{"nothing", nil, time.Second},
		{"reset", []string{"X-Ratelimit-Reset", "7"}, 7 * time.Second},
		{"nonsense", []string{"Retry-After", "-5"}, time.Second},
		{"date", []string{"Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT"}, 20 * time.Second},
		{"date gone by", []string{"Retry-After", "Sat, 01 Jan 1999 00:00:20 GMT"}, 100 * time.Millisecond},
	} {
		t.Run(test.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts at 2000-01-01
				var count atomic.Int32
				c := client(t, mattermost.Options{Server: "http://mm.example", Token: secret.NewText("t"), HTTP: &http.Client{
					Transport: fake(func(*http.Request) *http.Response {
						if count.Add(1) == 1 {
							return answerWith(429, "limit exceeded\n", test.header...)
						}
						return answerWith(200, `{"id":"`+idA+`"}`)
					})}})
				began := time.Now()
				if _, err := c.Me(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != test.want || count.Load() != 2 {
					t.Errorf("took %v and %d requests, want %v and 2", took, count.Load(), test.want)
				}
			})
		})
	}
}

// A wait longer than the caller has is told at once, and others wait as well.
func TestRateLimitBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count atomic.Int32
		c := client(t, mattermost.Options{Server: "http://mm.example", Token: secret.NewText("t"), HTTP: &http.Client{
			Transport: fake(func(*http.Request) *http.Response {
				if count.Add(1) == 1 {
					return answerWith(429, "limit exceeded", "Retry-After", "10")
				}
				return answerWith(200, `{"id":"`+idA+`"}`)
			})}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		for range 2 { // the second is not even sent
			_, err := c.CreatePost(ctx, mattermost.NewPost{ChannelID: idA})
			pause, limited := mattermost.Limited(err)
			if !limited || pause != 10*time.Second || mattermost.Uncertain(err) || !mattermost.Temporary(err) || !fault.Is(err, fault.TooMany) {
				t.Errorf("limited: %v, %v", pause, err)
			}
		}
		if time.Since(began) != 0 || count.Load() != 1 {
			t.Errorf("waited %v, %d requests", time.Since(began), count.Load())
		}
		if _, err := c.Me(t.Context()); err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("another call after %v: %v", time.Since(began), err)
		}
		// An hour is more than any call waits.
		count.Store(0)
		c = client(t, mattermost.Options{Server: "http://mm.example", Token: secret.NewText("t"), HTTP: &http.Client{
			Transport: fake(func(*http.Request) *http.Response { return answerWith(429, "", "Retry-After", "99999999") })}})
		if pause, limited := mattermost.Limited(func() error { _, err := c.Me(t.Context()); return err }()); !limited || pause != time.Hour {
			t.Errorf("a day: %v %v", pause, limited)
		}
	})
}

// A context that ends while waiting for the limit ends the wait.
func TestRateLimitCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, mattermost.Options{Server: "http://mm.example", Token: secret.NewText("t"), HTTP: &http.Client{
			Transport: fake(func(*http.Request) *http.Response { return answerWith(429, "", "Retry-After", "20") })}})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := c.Me(ctx); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestLoginNeverLoops(t *testing.T) {
	var logins, calls atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/users/login") {
			w.Header().Set("Token", fmt.Sprintf("t%d", logins.Add(1)))
			_, _ = io.WriteString(w, `{}`)
			return
		}
		calls.Add(1)
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"id":"api.context.session_expired.app_error"}`)
	})
	c := client(t, mattermost.Options{Server: url, Login: login("relay", "pw")})
	for range 5 {
		if _, err := c.Me(soon(t)); !mattermost.IsUnauthorized(err) || mattermost.Temporary(err) {
			t.Fatal(err)
		}
	}
	if logins.Load() != 1 || calls.Load() != 1 {
		t.Errorf("%d logins and %d calls, want 1 and 1", logins.Load(), calls.Load())
	}
}

// Trouble of the server while logging in is no refusal.
func TestLoginComesBack(t *testing.T) {
	var logins atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "/users/login"):
			fmt.Fprintf(w, `{"id":%q}`, idA)
		case logins.Add(1) == 1:
			w.WriteHeader(503)
		case logins.Load() == 2:
			_, _ = io.WriteString(w, `{}`) // no token: a proxy dropped it
		default:
			w.Header().Set("Token", "t")
			_, _ = io.WriteString(w, `{}`)
		}
	})
	c := client(t, mattermost.Options{Server: url, Login: login("relay", "pw")})
	if _, err := c.Me(soon(t)); !mattermost.Temporary(err) {
		t.Errorf("503: %v", err)
	}
	if _, err := c.Me(soon(t)); !errors.Is(err, mattermost.ErrForeign) {
		t.Errorf("no token: %v", err)
	}
	if _, err := c.Me(soon(t)); err != nil {
		t.Error(err)
	}
}
