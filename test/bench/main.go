// Command bench measures Parley and prints each figure as a ratio to a yardstick
// that ran in the same minutes on the same machine. Absolute numbers are for
// scale only.
//
//	go run ./test/bench [figure ...]
//
// Figures: turns, latency, idle, logins, history, mattermost, catchup, start,
// faq; all without arguments. PARLEY_BIN names the binary; PARLEY_TEST_DATA names the folder with
// faq-dev.jsonl, without which the figure faq is left out.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// bench is one run of the program.
type bench struct {
	ctx    context.Context
	binary string
	table  table
}

type figure struct {
	name    string
	measure func(*bench) error
}

// figures in the order they are measured.
func figures() []figure {
	return []figure{
		{"start", (*bench).start},
		{"faq", (*bench).faq},
		{"turns", (*bench).turns},
		{"latency", (*bench).latency},
		{"logins", (*bench).logins},
		{"idle", (*bench).idle},
		{"history", (*bench).history},
		{"mattermost", (*bench).mattermost},
		{"catchup", (*bench).catchUp},
	}
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "yardstick" {
		fmt.Fprintln(os.Stderr, serveYardstick(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	if len(os.Args) == 2 && os.Args[1] == "barebot" {
		fmt.Fprintln(os.Stderr, serveBareBot())
		os.Exit(1)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(wanted []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{ctx: ctx}
	var names []string
	for _, f := range figures() {
		names = append(names, f.name)
	}
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return fmt.Errorf("no figure %q; there are %s", w, strings.Join(names, ", "))
		}
	}
	if err := b.findBinary(); err != nil {
		return err
	}
	var errs []error
	for _, f := range figures() {
		if len(wanted) > 0 && !slices.Contains(wanted, f.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", f.name)
		if err := f.measure(b); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	b.table.print(os.Stdout)
	return errors.Join(errs...)
}

// findBinary takes PARLEY_BIN or builds the product.
func (b *bench) findBinary() error {
	if b.binary = os.Getenv("PARLEY_BIN"); b.binary != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		return err
	}
	b.binary = filepath.Join(dir, "parley")
	build := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "./cmd/parley")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}
