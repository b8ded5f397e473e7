package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley/internal/testkit/wait"
)

const (
	maintenance  = "postgres"
	template     = "parley_template"
	queryWithin  = 2 * time.Minute
	dialWithin   = 30 * time.Second
	prepareLimit = time.Minute
)

// Database makes a database for one test, starting the server first when it
// does not run, and returns its URL. The database is a copy of what
// [Options.Prepare] made, and is dropped with all its connections when the test
// ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name, err := s.createDatabase()
	if err != nil {
		t.Fatalf("make a PostgreSQL database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.dropDatabase(name); err != nil {
			t.Errorf("drop the PostgreSQL database %s: %v", name, err)
		}
	})
	return s.URL(name)
}

// URL returns the URL of a database by name, by TCP when the server listens
// there.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database}
	query := url.Values{"sslmode": {"disable"}}
	if s.opts.TCP {
		u.Host = "127.0.0.1:" + strconv.Itoa(s.port)
	} else {
		query.Set("host", s.dir)
		query.Set("port", strconv.Itoa(s.port))
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func (s *Server) createDatabase() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(); err != nil {
		return "", err
	}
	if !s.ready {
		if err := s.prepare(); err != nil {
			s.broken = err
			return "", err
		}
		s.ready = true
	}
	s.made++
	name := fmt.Sprintf("parley_%d", s.made)
	return name, s.exec("CREATE DATABASE " + name + " TEMPLATE " + template)
}

// dropDatabase leaves the database alone when the server does not run: then
// the whole folder is about to go.
func (s *Server) dropDatabase(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || !s.proc.Running() {
		return nil
	}
	return s.exec("DROP DATABASE " + name + " WITH (FORCE)")
}

func (s *Server) prepare() error {
	if err := s.exec("CREATE DATABASE " + template); err != nil {
		return err
	}
	if s.opts.Prepare == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), prepareLimit)
	defer cancel()
	if err := s.opts.Prepare(ctx, s.URL(template)); err != nil {
		return fmt.Errorf("prepare the template: %w", err)
	}
	// Connections closed a moment ago may still be leaving, and a database
	// with connections cannot be copied.
	ctx, cancel = context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	return wait.Poll(ctx, func() error {
		open := 0
		err := s.query(func(ctx context.Context, c *pgx.Conn) error {
			return c.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", template).Scan(&open)
		})
		if err == nil && open > 0 {
			err = fmt.Errorf("prepare left %d connections to the template open", open)
		}
		return err
	})
}

// answers waits until the server takes a query; it gives up early when the
// process ends.
func (s *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	proc := s.proc
	go func() {
		select {
		case <-proc.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return wait.Poll(ctx, func() error { return s.exec("SELECT 1") })
}

func (s *Server) exec(sql string) error {
	return s.query(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, sql)
		return err
	})
}

// query runs one piece of work on a connection of its own to the maintenance
// database.
func (s *Server) query(work func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), queryWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(maintenance))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return work(ctx, conn)
}
