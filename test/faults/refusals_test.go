package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"parley/internal/testkit/freeport"
	"parley/internal/testkit/program"
)

// refused starts a server that must not start, and wants words in what it says.
func refused(t *testing.T, env []string, data string, words ...string) {
	t.Helper()
	began := time.Now()
	got := parley.Run(t, env, "serve", "--listen", freeport.Addr(t), "--data", data)
	isRefusal(t, got.Code, got.Stdout+got.Stderr, words...)
	if took := time.Since(began); took > prompt(20*time.Second) {
		t.Errorf("the refusal took %v", took)
	}
}

// isRefusal judges how a program ended and what it said.
func isRefusal(t *testing.T, code int, said string, words ...string) {
	t.Helper()
	if code <= 0 {
		t.Errorf("the exit code is %d, want a failure; it said %s", code, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("the refusal does not say %q:\n%s", word, said)
		}
	}
	for _, noise := range []string{"panic:", "goroutine ", ".go:"} {
		if strings.Contains(said, noise) {
			t.Errorf("the refusal shows %q:\n%s", noise, said)
		}
	}
}

// used is a data folder with data in it and no server.
func used(t *testing.T, env []string) *program.Server {
	t.Helper()
	server := serve(t, program.Options{Env: env})
	s, _ := login(t, demo(t, server).Client("before", nil))
	exchange(t, s, 1, "Hi")
	server.Stop()
	return server
}

// worksAgain starts the server and looks for what was said before.
func worksAgain(t *testing.T, server *program.Server, env []string) {
	t.Helper()
	server.Start()
	app := demo(t, server)
	for user, c := range adminOf(server, env).Conversations(t) {
		if user == app.Place("before") && c.Messages >= 3 {
			return
		}
	}
	t.Error("what was said before is gone")
}

func TestSecondProcessIsRefused(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	refused(t, quiet(), server.Data, server.Data, fmt.Sprint(server.PID()), "in use")
	s, _ := login(t, demo(t, server).Client("first", nil))
	exchange(t, s, 1, "Hi")
	// A killed process holds nothing.
	server.Kill()
	server.Start()
}

func TestKeyFileOfOthersIsRefused(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := used(t, env)
		file := filepath.Join(server.Data, "key")
		own, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("missing", func(t *testing.T) {
			remove(t, file)
			refused(t, env, server.Data, file, "missing")
			if _, err := os.Stat(file); err == nil {
				t.Error("a new key file was made, which opens nothing that is there")
			}
		})
		t.Run("foreign", func(t *testing.T) {
			other := serve(t, program.Options{Env: quiet()})
			other.Stop()
			foreign, err := os.ReadFile(filepath.Join(other.Data, "key"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, foreign)
			refused(t, env, server.Data, "key file")
		})
		t.Run("damaged", func(t *testing.T) {
			write(t, file, own[:len(own)/2])
			refused(t, env, server.Data, file)
		})
		write(t, file, own)
		worksAgain(t, server, env)
	})
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestForeignSchemaIsRefused edits what the database says about its schema.
func TestForeignSchemaIsRefused(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := used(t, env)
		change := func(text string) {
			t.Helper()
			if err := changeDatabase(t.Context(), server.Data, env, text); err != nil {
				t.Fatal(err)
			}
		}
		change("UPDATE migration SET checksum = 'x' || checksum WHERE version = 1")
		refused(t, env, server.Data, "migration 1", "another build")
		change("UPDATE migration SET checksum = substr(checksum, 2) WHERE version = 1")
		worksAgain(t, server, env)
		server.Stop()

		change("INSERT INTO migration (version, name, checksum, serves) VALUES (900, '00900_later.sql', 'x', 900)")
		refused(t, env, server.Data, "schema version 900", "start a newer one")
		// A newer schema that this binary can work with is no obstacle: an
		// upgrade may be taken back.
		change("UPDATE migration SET serves = 1 WHERE version = 900")
		worksAgain(t, server, env)
	})
}

// changeDatabase runs a statement on the data of a stopped server.
func changeDatabase(ctx context.Context, data string, env []string, text string) error {
	for _, entry := range env {
		if url, ok := strings.CutPrefix(entry, "PARLEY_DATABASE="); ok {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			_, err = conn.Exec(ctx, text)
			return errors.Join(err, conn.Close(ctx))
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "parley.db"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, text)
	return errors.Join(err, db.Close())
}

// TestUnreachableDatabase is refused without a word of the password.
func TestUnreachableDatabase(t *testing.T) {
	const password = "a-password-nobody-should-see"
	for name, host := range map[string]string{"nobody listens": freeport.Addr(t), "no such host": "database.invalid:5432"} {
		t.Run(name, func(t *testing.T) {
			env := quiet("PARLEY_DATABASE=postgres://parley:" + password + "@" + host + "/parley?connect_timeout=2")
			got := parley.Run(t, env, "serve", "--listen", freeport.Addr(t), "--data", t.TempDir())
			said := got.Stdout + got.Stderr
			if got.Code <= 0 {
				t.Errorf("the exit code is %d, want a failure", got.Code)
			}
			host, _, _ := strings.Cut(host, ":")
			if !strings.Contains(said, host) || !strings.Contains(strings.ToLower(said), "database") {
				t.Errorf("the refusal names neither database nor host:\n%s", said)
			}
			if strings.Contains(said, password) {
				t.Errorf("the refusal shows the password:\n%s", said)
			}
		})
	}
}
