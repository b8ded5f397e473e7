// Command parley is a self-hosted conversational gateway. `parley --help` lists
// what it can be asked.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"parley/internal/app"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Main(ctx, version, os.Args[1:])
	stop()
	os.Exit(code)
}
