package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"parley/internal/app/cli"
	"parley/internal/catalog"
	"parley/internal/config"
	"parley/internal/secret"
	"parley/internal/telemetry"
)

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, version string, args []string) int {
	p := cli.Program{
		Backend: backend{version},
		Stdout:  os.Stdout, Stderr: os.Stderr,
		Host: catalog.OS{}, Environ: os.Environ(),
	}
	return p.Run(ctx, args)
}

// backend is what the command line needs of the rest.
type backend struct{ version string }

func (b backend) Version() string { return b.version }

func logger(s config.Settings) *slog.Logger {
	return telemetry.NewLogger(os.Stderr, s.Log.SlogLevel(), s.Log.Format, secret.RedactField)
}

// Serve runs a server until ctx ends.
func (b backend) Serve(ctx context.Context, s config.Settings) error {
	log := logger(s)
	a, err := Start(ctx, Options{Settings: s, Version: b.version, Logger: log})
	if err != nil {
		return err
	}
	log.Info("parley serves", "version", b.version, "address", a.Addr().String(), "data", s.Data, "engine", build(b.version, s).Engine)
	a.greet()
	return a.Run(ctx)
}

// greet tells a person who has just started Parley where to go on.
func (a *App) greet() {
	if a.demo.Load() == nil {
		return
	}
	fmt.Printf("\n  Parley is running. Chat with the demo assistant: %s/\n  An SDK finds all it needs in %s\n\n", a.BaseURL(), a.demoPath())
}

func (b backend) Open(ctx context.Context, s config.Settings) (http.Handler, func() error, error) {
	return Offline(ctx, Options{Settings: s, Version: b.version, Logger: logger(s)})
}

func (b backend) Restore(ctx context.Context, s config.Settings, backup string) error {
	return Restore(ctx, s, backup)
}
