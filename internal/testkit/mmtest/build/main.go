// Command build builds the Mattermost server that tests start, unless that was
// done before, and prints the folder it is kept in. The Makefile runs it before
// the tests, whose time limits are too short for it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"parley/internal/testkit/mmtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := mmtest.Build(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
