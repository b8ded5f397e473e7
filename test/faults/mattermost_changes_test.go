package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// twoOnOneAccount gives one account to two channels, by the same token and by
// another one.
func twoOnOneAccount(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 1})
	alice := d.mm.Alice
	d.env = append(d.env, "SECOND_TOKEN="+d.mm.CreateToken(t, d.bot).Token)
	second := func(variable string) {
		d.more = fmt.Sprintf("  second: { type: mattermost, assistant: desk, server: %s, token: \"${env:%s}\" }\n", d.mm.URL, variable)
		d.writeCatalog(t, "answer")
	}
	second("BOT_TOKEN")
	if got := d.run(t, "apply", "-f", d.dir); got.Code == 0 || !strings.Contains(got.Stderr, deskChannel) || !strings.Contains(got.Stderr, "second") {
		t.Errorf("one token for two channels: %d, %s%s", got.Code, got.Stdout, got.Stderr)
	}
	// That another token is for the same account, only Mattermost can tell: if
	// it is not refused at once, it is said, and one of the two answers.
	second("SECOND_TOKEN")
	got := d.run(t, "apply", "-f", d.dir)
	if got.Code != 0 {
		if !strings.Contains(got.Stderr, deskChannel) || !strings.Contains(got.Stderr, "second") {
			t.Errorf("two tokens of one account: %d, %s%s", got.Code, got.Stdout, got.Stderr)
		}
	} else {
		wait.For(t, patience, func() bool {
			return strings.Contains(d.server.Logs(), `channel \"`+deskChannel+`\" uses it already`)
		}, "the log to name the other channel")
	}
	d.ask(t, alice, d.rooms[0], "")
	d.ask(t, alice, d.direct[alice.ID], "")
	d.settle(t)
}

// changesWhileTalking changes what answers and how, while people write.
func changesWhileTalking(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 2})
	alice := d.mm.Alice
	pid := d.server.PID()
	people := d.talk(t, 60*time.Millisecond)
	// now asks in a new conversation; those that are open go on with the
	// version they began with.
	now := func(word string) {
		t.Helper()
		d.waitAsked(t, 5)
		root := d.ask(t, alice, d.rooms[1], "")
		if got := d.saidInThread(t, d.rooms[1], root).Message; !strings.HasPrefix(got, word+" ") {
			t.Errorf("a new conversation gets %q, want %s", got, word)
		}
		d.waitAsked(t, 5)
	}
	now("answer")
	d.writeCatalog(t, "better")
	d.mustRun(t, "apply", "-f", d.dir, "--draft")
	now("answer")
	d.mustRun(t, "assistant", "publish", "desk")
	now("better")
	d.mustRun(t, "assistant", "rollback", "desk")
	now("answer")
	d.apply(t, "follow_thread_days: 3", "max_answer_age: 2h")
	now("answer")
	// A new token is a new connection.
	d.bot = d.mm.CreateToken(t, d.bot)
	d.env = append(d.env, "BOT_TOKEN="+d.bot.Token)
	d.apply(t)
	now("answer")
	people.hush(t)
	d.settle(t, "answer", "better")

	d.apply(t, "answer: mention")
	alice.Post(t, d.rooms[1], "question 1", "")
	n, text := d.question()
	mentioned := alice.Post(t, d.rooms[1], "@"+d.bot.Username+" "+text, "")
	d.expect(spot{d.rooms[1], mentioned}, n)
	d.settle(t, "answer", "better")

	d.apply(t, "answer: mention", "rooms: { \""+d.bot.Username+"-room-*\": { answer: always } }", "replies: { direct: thread }")
	d.ask(t, alice, d.rooms[1], "")
	n, text = d.question()
	d.expect(spot{d.direct[alice.ID], alice.Post(t, d.direct[alice.ID], text, "")}, n)
	d.settle(t, "answer", "better")
	if d.server.PID() != pid {
		t.Error("it was restarted")
	}
}

// twoNodesOneLink has two nodes on one database. One holds the connection; when
// it is killed the other takes it.
func twoNodesOneLink(t *testing.T) {
	d := newDesk(t, deskOptions{rooms: 2, env: []string{"PARLEY_DATABASE=" + pg.Database(t)}})
	one := d.server
	key, err := os.ReadFile(filepath.Join(one.Data, "key"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "two")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "key"), key)
	two := serve(t, program.Options{Env: d.env, Data: data})
	for range either(1, 10) {
		wantMetric(t, two, patience, linkUp, "0")
		wantMetric(t, one, patience, linkUp, "1")
		people := d.talk(t, 200*time.Millisecond)
		d.waitAsked(t, 10)
		one.Kill()
		d.server = two // whom the command line asks
		killed := time.Now()
		wantMetric(t, two, patience, linkUp, "1")
		// The lease of a dead node ends 15 s after it was renewed.
		took := time.Since(killed)
		t.Logf("the other node had the connection %v after the kill", took.Round(100*time.Millisecond))
		if took > prompt(20*time.Second) {
			t.Errorf("it took %v", took)
		}
		d.waitAsked(t, 10)
		one.Start()
		d.waitAsked(t, 10)
		people.hush(t)
		d.settle(t)
		wantMetric(t, one, patience, linkUp, "0")
		one, two = two, one
	}
	// An orderly end hands over at once.
	one.Stop()
	d.server = two
	stopped := time.Now()
	wantMetric(t, two, prompt(10*time.Second), linkUp, "1")
	t.Logf("after an orderly stop it took %v", time.Since(stopped).Round(100*time.Millisecond))
	d.ask(t, d.mm.Alice, d.rooms[0], "")
	d.settle(t)
}
