package faults

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/internal/app"
	"parley/internal/assistant"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// The flow assistant answers at once, in the commit of the question. What
// happens to turns that take time is tested with a server of our own: this test
// binary, with one more kind of assistant.

// slowServer is set in the environment of the test binary when it is to be a
// server.
const slowServer = "PARLEY_TEST_SLOW_ASSISTANT"

// actAsServer serves when the environment says so.
func actAsServer() (ran bool, code int) {
	if os.Getenv(slowServer) == "" {
		return false, 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serveSlow(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		return true, 1
	}
	return true, 0
}

// serveSlow understands "serve --listen ADDR --data DIR".
func serveSlow(ctx context.Context, args []string) error {
	flags := map[string]string{}
	for i := 1; i+1 < len(args); i += 2 {
		flags[strings.TrimPrefix(args[i], "--")] = args[i+1]
	}
	settings, _, err := config.Load(config.Sources{Env: os.Environ(), Flags: flags})
	if err != nil {
		return err
	}
	a, err := app.Start(ctx, app.Options{
		Settings: settings, Version: "test", Kinds: []assistant.Kind{slowKind{}},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: settings.Log.SlogLevel()})),
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// slowSecret is the secret of the app that the slow assistant answers.
const slowSecret = "0123456789abcdef0123456789abcdef"

var (
	slowBinary program.Binary
	slowOnce   sync.Once
)

// startSlowly starts a server that knows the slow assistant, without a channel
// that uses it.
func startSlowly(t *testing.T, o program.Options) *program.Server {
	t.Helper()
	slowOnce.Do(func() {
		// The kit takes the binary's name from the environment, once.
		ordinary := parley.Path(t)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{
			func() error { return os.Setenv("PARLEY_BIN", self) },
			func() error { slowBinary.Path(t); return nil },
			func() error { return os.Setenv("PARLEY_BIN", ordinary) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
	})
	o.Env = append(slices.Clone(o.Env), slowServer+"=1")
	return scanned(t, slowBinary.Serve(t, o))
}

// serveSlowly starts a server whose only app is answered by the slow assistant,
// after delay.
func serveSlowly(t *testing.T, delay time.Duration, o program.Options) (*program.Server, crowd.App) {
	t.Helper()
	server := startSlowly(t, o)
	a := crowd.App{
		BaseURL: server.URL, ClientID: "cs-slow", Secret: slowSecret,
		BotName: "Slow", BotID: "st-slow",
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "slow.txt"), []byte(delay.String()))
	write(t, filepath.Join(dir, "catalog.yaml"), fmt.Appendf(nil, `assistants:
  slow: { kind: slow, definition: slow.txt }
channels:
  slow:
    type: rtm
    assistant: slow
    bot: { id: %s, name: %s }
    apps: [{ id: %s, secret: %s }]
`, a.BotID, a.BotName, a.ClientID, a.Secret))
	applied := parley.Run(t, o.Env, "apply", "-f", filepath.Join(dir, "catalog.yaml"), "--data", server.Data)
	if applied.Code != 0 {
		t.Fatalf("apply: %s%s", applied.Stdout, applied.Stderr)
	}
	return server, a
}

// slowKind makes assistants that take their time.
type slowKind struct{}

func (slowKind) Name() string { return "slow" }

// Compile takes a definition that is the time an answer takes.
func (slowKind) Compile(_ string, definition []byte) (assistant.Assistant, error) {
	delay, err := time.ParseDuration(strings.TrimSpace(string(definition)))
	return slow{delay}, err
}

type slow struct{ delay time.Duration }

func (slow) Collects() bool { return false }

func (s slow) Answer(ctx context.Context, turn assistant.Turn) (assistant.Reply, error) {
	var reply assistant.Reply
	for _, e := range turn.Entries {
		if e.Content.Type == chat.TypeText {
			reply.Messages = append(reply.Messages, chat.TextContent(answerTo(e.Content.Text)))
		}
	}
	if len(reply.Messages) == 0 {
		return reply, nil
	}
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return reply, nil
	case <-ctx.Done():
		return reply, ctx.Err()
	}
}

func answerTo(text string) string { return "You said: " + text }
