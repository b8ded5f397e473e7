package mattermost_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/secret"
	"parley/internal/testkit/mmtest"
)

// within bounds everything a test waits for. A part of a test takes seconds, and
// on a machine that is busy with other things a minute.
const within = 3 * time.Minute

// soon is a context for one part of a test.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, o mattermost.Options) *mattermost.Client {
	t.Helper()
	c, err := mattermost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := c.Close(ctx); err != nil && !mattermost.Temporary(err) {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// as makes a client with a user's token.
func as(t *testing.T, mm *mmtest.Server, u *mmtest.User) *mattermost.Client {
	t.Helper()
	return client(t, mattermost.Options{Server: mm.URL, Token: secret.NewText(u.Token),
		PingEvery: 200 * time.Millisecond, PingWait: within})
}

func login(user, password string) *mattermost.Login {
	return &mattermost.Login{User: user, Password: secret.NewText(password)}
}

// must is for calls that have to succeed.
func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks an error's status, id and what may be shown of it.
func refused(t *testing.T, what string, err error, status int, id, shown string) {
	t.Helper()
	if mattermost.StatusOf(err) != status || mattermost.IDOf(err) != id {
		t.Errorf("%s: got %v, want status %d %s", what, err, status, id)
		return
	}
	if text := fault.Message(err); !strings.Contains(text, shown) {
		t.Errorf("%s: shown is %q, want %q in it", what, text, shown)
	}
}

func connect(t *testing.T, c *mattermost.Client, resume mattermost.Resume) *mattermost.Stream {
	t.Helper()
	s, err := c.Connect(soon(t), resume)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// next waits for the next event with one of the names.
func next(t *testing.T, s *mattermost.Stream, names ...string) mattermost.Event {
	t.Helper()
	ctx := soon(t)
	for {
		e, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %v: %v", names, err)
		}
		for _, name := range names {
			if e.Name == name {
				if e.Malformed != nil {
					t.Errorf("%s: %v in %s", e.Name, e.Malformed, e.Data)
				}
				return e
			}
		}
	}
}

// ends waits until the stream ends and returns why.
func ends(t *testing.T, s *mattermost.Stream) error {
	t.Helper()
	ctx := soon(t)
	for {
		if _, err := s.Next(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
				t.Fatal("the stream did not end")
			}
			return err
		}
	}
}
