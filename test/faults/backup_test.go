package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// TestBackupUnderLoad copies the data while people talk, and serves the copy:
// each conversation in it is the beginning of the one that went on.
func TestBackupUnderLoad(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := serve(t, program.Options{Env: env})
		app := demo(t, server)
		admin := adminOf(server, env)
		people := crowd.Gather(t, crowd.Options{App: app, People: 10, Pause: 3 * time.Millisecond})
		people.Talk()
		people.WaitAcked(either(300, 20_000), 10*time.Minute)
		before := map[string][]string{}
		for _, p := range people.People {
			before[p.Name] = p.Acked()
		}
		copied := filepath.Join(t.TempDir(), "backup")
		got := parley.Run(t, env, "backup", copied, "--data", server.Data)
		if got.Code != 0 {
			t.Fatalf("backup: %s%s", got.Stdout, got.Stderr)
		}
		people.WaitAcked(50, patience)
		people.Settle(patience)
		again := parley.Run(t, env, "backup", copied, "--data", server.Data)
		if again.Code == 0 || !strings.Contains(again.Stderr, copied) {
			t.Errorf("a backup into a folder that holds one ended with %d: %s", again.Code, again.Stderr)
		}

		restored, copyEnv := restore(t, env, copied)
		// The key file is no part of a backup: it is kept apart from the data
		// it opens.
		refused(t, copyEnv, restored, "key file")
		own, err := os.ReadFile(filepath.Join(server.Data, "key"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(restored, "key"), own)
		second := serve(t, program.Options{Data: restored, Env: copyEnv})
		copyAdmin := adminOf(second, copyEnv)
		now, then := admin.Conversations(t), copyAdmin.Conversations(t)
		shorter := 0
		for _, p := range people.People {
			place := app.Place(p.Name)
			whole, part := admin.Entries(t, now[place].ID), copyAdmin.Entries(t, then[place].ID)
			if problem := crowd.Sequence(part); problem != "" {
				t.Errorf("%s in the copy: %s", p.Name, problem)
			}
			if len(part) > len(whole) {
				t.Fatalf("%s has %d entries in the copy and %d in the original", p.Name, len(part), len(whole))
			}
			if len(part) < len(whole) {
				shorter++
			}
			there := map[string]bool{}
			for i, e := range part {
				there[e.Content.Text] = true
				if o := whole[i]; e.ID != o.ID || e.Content.Text != o.Content.Text || !e.At.Equal(o.At) {
					t.Fatalf("entry %d of %s is %q in the copy and %q in the original", e.Seq, p.Name, e.Content.Text, o.Content.Text)
				}
			}
			for _, text := range before[p.Name] {
				if !there[text] {
					t.Errorf("%q was acknowledged before the backup began and is not in it", text)
				}
			}
		}
		if shorter == 0 {
			t.Error("the copy has everything: nobody talked after it, the test proves nothing")
		}
		// The copy is a whole Parley: people go on where they were.
		copyApp := demo(t, second)
		client := copyApp.Client(people.People[0].Name, nil)
		s, granted, err := client.Login(within(t, aWhile))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Drop() })
		exchange(t, s.Listen(), 1, "Hi again")
		items, err := crowd.History(t.Context(), client, granted.Authorization.AccessToken)
		if err != nil || len(items) < len(before[people.People[0].Name]) {
			t.Errorf("the history in the copy has %d items, %v", len(items), err)
		}
	})
}

// restore makes a new data folder, and with PostgreSQL a new database, of a
// backup.
func restore(t *testing.T, env []string, copied string) (data string, with []string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "restored")
	for _, entry := range env {
		if strings.HasPrefix(entry, "PARLEY_DATABASE=") {
			entry = "PARLEY_DATABASE=" + pg.Database(t)
		}
		with = append(with, entry)
	}
	got := parley.Run(t, with, "restore", copied, "--data", data)
	if got.Code != 0 {
		t.Fatalf("restore: %s%s", got.Stdout, got.Stderr)
	}
	again := parley.Run(t, with, "restore", copied, "--data", data)
	if again.Code == 0 {
		t.Error("a second restore over data that is there was not refused")
	}
	return data, with
}
