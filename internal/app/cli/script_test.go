package cli_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"parley/internal/app/cli"
	"parley/internal/catalog"
	"parley/internal/config"
)

// TestMain makes this binary the command parley of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"parley": parley})
}

func parley() {
	d, err := newData()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(100)
	}
	p := cli.Program{
		Backend: backend{data: d, served: func(s config.Settings) {
			fmt.Printf("serving %s with data %s, public %s\n", s.Listen, s.Data, s.PublicURL)
		}},
		Stdout: os.Stdout, Stderr: os.Stderr, Host: catalog.OS{}, Environ: os.Environ(),
	}
	code := p.Run(context.Background(), os.Args[1:])
	// Scripts compare codes through what is printed.
	if code != 0 {
		fmt.Fprintf(os.Stderr, "exit code %d\n", code)
	}
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/scripts",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			return nil
		},
	})
}
