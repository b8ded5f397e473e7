package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"parley/internal/chat"
	"parley/internal/store"
	"parley/internal/store/postgres"
	"parley/internal/testkit/wait"
)

// TestNodesDoNotDeadlock has two nodes write the same two conversations at once,
// of which each remembers another one. What they load is locked before what they
// remember: with both in a batch they would wait for each other.
func TestNodesDoNotDeadlock(t *testing.T) {
	url := pg.Database(t)
	nodes := []*postgres.Store{open(t, url), open(t, url)}
	say := func(s store.Store, c chat.Conversation) {
		step := message(c, "")
		step.Dedupe, step.OwesTurn = nil, false
		if _, err := store.Do(t.Context(), s, step); err != nil {
			t.Error(err)
		}
	}
	begin := func(name string) chat.Conversation {
		opened, err := store.Do(t.Context(), nodes[0], place(name))
		if err != nil {
			t.Fatal(err)
		}
		return opened.Conversation
	}
	own := [2]chat.Conversation{begin("own 0"), begin("own 1")}
	for round := range 30 {
		var pair [2]chat.Conversation
		for i := range pair {
			pair[i] = begin(fmt.Sprint(round, "/", i))
			// After the last round a node is careful for a while.
			for range 20 {
				say(nodes[i], own[i])
			}
			say(nodes[i], pair[i])
		}
		var all sync.WaitGroup
		for _, s := range nodes {
			for _, c := range pair {
				all.Go(func() { say(s, c) })
			}
		}
		all.Wait()
	}
	for _, s := range nodes {
		if err := s.Close(); err != nil { // its connections tell their figures when they end
			t.Error(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	wait.Succeed(t, time.Minute, func() error {
		var others int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&others)
		if err == nil && others > 0 {
			err = errors.New("connections are open")
		}
		return err
	}, "the nodes to end")
	var deadlocks int
	if err := conn.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks); err != nil || deadlocks > 0 {
		t.Errorf("%d deadlocks, %v", deadlocks, err)
	}
}
