// Package faults breaks a running Parley in every way we know and looks at what
// is left. Each test has a short form, which `make test` runs, and some a long
// one for `make soak`.
package faults

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/program"
)

var (
	parley program.Binary
	pg     = pgtest.New(pgtest.Options{})
)

func TestMain(m *testing.M) {
	if ran, code := actAsServer(); ran {
		os.Exit(code)
	}
	code := parley.Main(m)
	for what, end := range map[string]func() error{"Mattermost": stopMattermost, "PostgreSQL": pg.Close} {
		if err := end(); err != nil {
			fmt.Fprintf(os.Stderr, "close %s: %v\n", what, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// soak reports whether the long forms are asked for.
func soak() bool { return os.Getenv("PARLEY_SOAK") != "" }

// either picks the short or the long form of a number.
func either[V any](short, long V) V {
	if soak() {
		return long
	}
	return short
}

const (
	// aWhile bounds what takes milliseconds on a quiet machine, and patience what
	// takes seconds there. They say that something happens, not how soon.
	aWhile   = time.Minute
	patience = 3 * time.Minute
)

// prompt is how long something may take where that is what a test is about. The
// short form runs on machines that are busy with other things, and only tells
// waiting from waiting for a timeout; the long form looks closely.
func prompt(closely time.Duration) time.Duration { return either(4*closely, closely) }

// onEngines runs a test with SQLite and with PostgreSQL. env chooses the
// database and keeps the log short.
func onEngines(t *testing.T, test func(t *testing.T, env []string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, quiet()) })
	t.Run("postgres", func(t *testing.T) { test(t, quiet("PARLEY_DATABASE="+pg.Database(t))) })
}

func quiet(env ...string) []string { return append(env, "PARLEY_LOG_LEVEL=warn") }

// demo reads the demo app of a server that has just begun.
func demo(t *testing.T, server *program.Server) crowd.App {
	t.Helper()
	app, err := crowd.Demo(server.Data)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func adminOf(server *program.Server, env []string) crowd.Admin {
	return crowd.Admin{Binary: &parley, Data: server.Data, Env: env}
}

// within is a context for one exchange with the server.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// login opens a listening socket for somebody new and takes the welcome.
func login(t *testing.T, client *rtmtest.Client) (*rtmtest.Socket, string) {
	t.Helper()
	return crowd.Visit(t, client)
}

// exchange says something, wants its ack and an answer, and returns the time
// both took.
func exchange(t *testing.T, s *rtmtest.Socket, id int64, text string) time.Duration {
	t.Helper()
	_, took := crowd.Exchange(t, s, id, text)
	return took
}

// serve starts a server. When the test ends, what it has logged is searched for
// secrets.
func serve(t *testing.T, o program.Options) *program.Server {
	t.Helper()
	return scanned(t, parley.Serve(t, o))
}

func scanned(t *testing.T, server *program.Server) *program.Server {
	t.Helper()
	secret := slowSecret
	if app, err := crowd.Demo(server.Data); err == nil {
		secret = app.Secret
	}
	t.Cleanup(func() { crowd.NoSecrets(t, server.Logs(), secret) })
	return server
}

// keepsSecrets searches what a server has logged for the tokens of people.
func keepsSecrets(t *testing.T, server *program.Server, people *crowd.Crowd) {
	t.Helper()
	crowd.NoSecrets(t, server.Logs(), people.Tokens()...)
}
