// Package mmtest runs a real Mattermost server for tests, with a PostgreSQL of
// its own, on 127.0.0.1, and is a small client of its REST API that owes
// nothing to the product's.
//
//	func TestAnswer(t *testing.T) {
//		mm := mmtest.Start(t)
//		id := mm.Alice.Post(t, mm.Lobby.ID, "hello @helperbot", "")
//		...
//		posts := mm.Alice.WaitPosts(t, mm.Lobby.ID, 10*time.Second, func(posts []mmtest.Post) bool {
//			return slices.ContainsFunc(posts, func(p mmtest.Post) bool { return p.RootID == id })
//		}, "an answer")
//
// A start takes about two seconds, so tests that can should share a server:
// [Run] needs no test and suits TestMain and benchmarks. The program itself is
// built once per machine, see [Build].
//
// What every server has: the team "support"; in it the public channel "lobby"
// and the private channel "secret"; the people alice and bob, and the bot
// helperbot, all members of both; a system administrator; an incoming webhook
// into the lobby. Allowed are bots, access tokens, webhooks, display names and
// icons of webhooks, and calls back to loopback addresses. Off are the rate
// limit, link previews, plug-ins, e-mail, push, jobs and whatever else would
// leave the machine. There is no web client: its pages answer 500, the API,
// hooks and WebSockets are whole.
//
// Everything fails with an error, or the test, that quotes the server's answer;
// nothing is skipped when the server cannot be built or started. When a test
// fails, the end of the server's log is printed with it.
package mmtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/testkit/pgtest"
)

const (
	teamName    = "support"
	lobbyName   = "lobby"
	secretName  = "secret"
	botName     = "helperbot"
	password    = "Parley-test-1"
	buildWithin = 15 * time.Minute
	// shownLog bounds what a failed test prints of the server's log.
	shownLog = 16 << 10
)

// T is what the methods that fail a test need of it. Every testing.TB is one;
// a benchmark's main may bring its own, whose Fatalf must not return. As with
// testing.T, such methods belong to the goroutine that runs the test; others
// use [User.Do].
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Team is a team of the server.
type Team struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Server is a Mattermost server with its database. Its fields do not change
// after the start.
type Server struct {
	// URL is the base address, "http://127.0.0.1:port", and the SiteURL.
	URL string
	// Team is the team "support", Lobby its public and Secret its private
	// channel.
	Team   Team
	Lobby  Channel
	Secret Channel
	// Admin is the system administrator, and member of team and channels.
	Admin *User
	// Alice and Bob are ordinary people. Their tokens are login sessions.
	Alice, Bob *User
	// Bot is the bot account "helperbot"; it has no password.
	Bot *User
	// IncomingHook is the URL of an incoming webhook into the lobby.
	IncomingHook string

	api *api
	process
}

// Option changes how a server is started.
type Option func(*options)

type options struct {
	config map[string]any
	env    []string
}

// WithConfig changes settings before the first start, in the form of
// [Server.PatchConfig], for those that the server reads only then.
func WithConfig(settings map[string]any) Option {
	return func(o *options) { merge(o.config, settings) }
}

// WithEnv adds "NAME=value" to the server's environment. A setting given as
// MM_SECTION_KEY cannot be changed later: PatchConfig is answered with 200 and
// the value stays (seen with server 11.1).
func WithEnv(pairs ...string) Option {
	return func(o *options) { o.env = append(o.env, pairs...) }
}

// Start starts a server for one test and stops it when the test ends.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := Run(t.TempDir(), opts...)
	if err != nil {
		t.Fatalf("start Mattermost: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop Mattermost: %v", err)
		}
		if t.Failed() {
			t.Logf("the end of Mattermost's log:\n%s", s.logTail(shownLog))
		}
	})
	return s
}

// Run starts a server that keeps its files in dir, which must exist and be
// empty; the database is a temporary folder elsewhere. The caller ends it with
// [Server.Stop] and then removes dir.
func Run(dir string, opts ...Option) (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	program, err := Build(ctx)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	o := options{config: initialConfig()}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{process: process{
		program: program, dir: dir, log: filepath.Join(dir, "mattermost.log"), options: o,
		pg: pgtest.New(pgtest.Options{}),
	}}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// begin brings everything up in a fresh folder.
func (s *Server) begin() error {
	if err := s.pg.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.layOut(); err != nil {
		return err
	}
	if err := s.firstStart(); err != nil {
		return err
	}
	s.URL = s.url()
	s.api = newAPI(s.URL)
	if err := s.setUp(); err != nil {
		return fmt.Errorf("set up people and channels: %w", err)
	}
	return nil
}

// Stop ends the server and its database for good, and deletes the database.
// Stopping twice does nothing.
func (s *Server) Stop() error {
	if s.api != nil {
		s.api.close()
	}
	return errors.Join(s.StopServer(), s.pg.Close())
}

// PatchConfig changes settings of the running server, for example
// {"RateLimitSettings": {"Enable": true}}; what is not named stays. Most take
// effect at once, and all outlive a restart.
func (s *Server) PatchConfig(t T, settings map[string]any) {
	t.Helper()
	s.Admin.must(t, "PUT", "/config/patch", settings, nil)
}

// Log is the path of the server's log, one JSON object a line, over all its
// starts.
func (s *Server) Log() string { return s.log }

func (s *Server) logTail(most int) string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = append([]byte("[...]"), text[len(text)-most:]...)
	}
	return string(text)
}
