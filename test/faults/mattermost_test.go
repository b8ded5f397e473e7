package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/mmtest"
	"parley/internal/testkit/wait"
)

// TestMattermost has the tests with a real Mattermost. Each has a Parley, an
// account and rooms of its own, so that they run beside each other: most of
// their time is spent waiting.
func TestMattermost(t *testing.T) {
	mm := mattermost(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what went wrong in Mattermost:\n%s", errorsOf(t, mm.Log()))
		}
	})
	engines := func(test func(t *testing.T, env []string)) func(t *testing.T) {
		return func(t *testing.T) {
			t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, nil) })
			t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, []string{"PARLEY_DATABASE=" + pg.Database(t)}) })
		}
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T)
	}{
		// The longest ones first.
		{"silent socket", silentSocket},
		{"token revoked", tokenRevoked},
		{"two nodes", twoNodesOneLink},
		{"Mattermost stopped", mattermostStopped},
		{"killed during a burst", engines(killedDuringBurst)},
		{"many missed posts", engines(manyMissed)},
		{"refused and lost requests", refusedAndLost},
		{"killed with an answer in doubt", killedInDoubt},
		{"lost resume buffer", lostResumeBuffer},
		{"messages lost on a socket", lostMessages},
		{"room archived under us", archivedUnderUs},
		{"removed and added again", removedAndAdded},
		{"root deleted before the answer", rootDeleted},
		{"forged props", forgedProps},
		{"nobody is called", nobodyIsCalled},
		{"two channels on one account", twoOnOneAccount},
		{"changes while people talk", changesWhileTalking},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

// errorsOf are the last errors in Mattermost's log.
func errorsOf(t *testing.T, log string) string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	const most = 20
	var found []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"error"`) {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-most):], "")
}

// killedDuringBurst kills Parley again and again while people ask.
func killedDuringBurst(t *testing.T, env []string) {
	d := newDesk(t, deskOptions{rooms: 2, env: env})
	for range either(5, 50) {
		people := d.talk(t, 60*time.Millisecond)
		d.waitAsked(t, 5+rand.IntN(15))
		d.server.Kill()
		// Some write while it is down.
		d.waitAsked(t, 3)
		d.server.Start()
		d.waitAsked(t, 5)
		people.hush(t)
	}
	d.settle(t)
	d.oneTurnEach(t)
}

// manyMissed lets people write while Parley is down, more than the server keeps
// for a socket.
func manyMissed(t *testing.T, env []string) {
	d := newDesk(t, deskOptions{rooms: 2, env: env})
	alice, bob := d.mm.Alice, d.mm.Bob
	thread := d.ask(t, alice, d.rooms[0], "")
	d.settle(t)
	d.server.Kill()
	total := either(300, 1000)
	for range total * 2 / 5 {
		d.ask(t, alice, d.direct[alice.ID], "")
		d.ask(t, bob, d.rooms[0], thread)
	}
	for range total - total*4/5 {
		d.ask(t, bob, d.rooms[1], "")
	}
	began := time.Now()
	d.server.Start()
	d.settle(t)
	t.Logf("%d posts were settled %v after the start", total, time.Since(began).Round(time.Millisecond))
	d.oneTurnEach(t)
	wantMetric(t, d.server, patience, `parley_mattermost_recovered_posts_total{channel="`+deskChannel+`"}`, fmt.Sprint(total))
}

// refusedAndLost has requests refused and lost in every way on the path to
// Mattermost, while people write.
func refusedAndLost(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 2, url: proxy.URL})
	alice := d.mm.Alice
	posts := faultproxy.To(http.MethodPost, "/api/v4/posts")
	plain := http.Header{"Content-Type": {"text/plain"}, "Retry-After": {"1"}}
	for _, fault := range []struct {
		name  string
		match faultproxy.Match
		fault faultproxy.Fault
	}{
		{"429 in plain text", posts, faultproxy.Answer(429, plain, "limit exceeded")},
		{"429 to everything", faultproxy.Any, faultproxy.Answer(429, plain, "limit exceeded")},
		{"500", posts, faultproxy.Answer(500, nil, `{"id":"api.post.create_post.app_error","message":"no","status_code":500}`)},
		{"502 of a proxy", posts, faultproxy.Answer(502, http.Header{"Content-Type": {"text/html"}}, "<html>Bad Gateway</html>")},
		{"503", posts, faultproxy.Answer(503, http.Header{"Retry-After": {"1"}}, "")},
		{"200 with nothing", posts, faultproxy.Answer(200, nil, "")},
		{"lost request", posts, faultproxy.LoseRequest()},
		{"lost answer", posts, faultproxy.LoseAnswer()},
		{"late answer", posts, faultproxy.DelayAnswer(300 * time.Millisecond)},
	} {
		rule := proxy.Next(2, fault.match, fault.fault)
		for range 3 {
			d.ask(t, alice, d.direct[alice.ID], "")
			d.ask(t, alice, d.rooms[0], "")
		}
		wait.For(t, patience, func() bool { return rule.Hits() == 2 }, "two requests to meet "+fault.name)
		d.settle(t)
		rule.Lift()
	}
	d.nothingGivenUp(t)
}

// killedInDoubt kills Parley after an answer was posted and before it knew. In
// the long form it stays down for longer than Mattermost remembers the id under
// which the post was made, so that only Parley's own mark can tell.
func killedInDoubt(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 1, url: proxy.URL})
	alice := d.mm.Alice
	for _, room := range []string{d.direct[alice.ID], d.rooms[0]} {
		rule := proxy.Next(1, faultproxy.To(http.MethodPost, "/api/v4/posts"), faultproxy.HoldAnswer())
		d.ask(t, alice, room, "")
		wait.Succeed(t, settleWithin, func() error { return d.complete() }, "the answer to be posted")
		if rule.Hits() != 1 {
			t.Fatal("the answer did not come through the proxy")
		}
		d.server.Kill()
		rule.Lift()
		if soak() {
			time.Sleep(40 * time.Second) // the fault's length
		}
		d.server.Start()
		d.waitLink(t)
		d.settle(t)
	}
	d.oneTurnEach(t)
}

// lostResumeBuffer cuts the socket, and lets the server forget what was sent.
func lostResumeBuffer(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 2, url: proxy.URL})
	// Nothing is lost by a cut into which little falls, once the server has
	// noticed it; before, it begins anew as well.
	wait.Succeed(t, patience, func() error {
		again := proxy.Watch(faultproxy.Upgrades)
		proxy.CutSockets()
		d.ask(t, d.mm.Alice, d.rooms[0], "")
		wait.For(t, patience, func() bool { return again.Hits() > 0 }, "another socket")
		wantMetric(t, d.server, patience, linkUp, "1")
		return d.connected("resumed")
	}, "a socket to be resumed")
	for _, strip := range [][]string{nil, {"connection_id", "sequence_number"}} {
		proxy.StripQuery(strip...)
		people := d.talk(t, 50*time.Millisecond)
		for range either(2, 20) {
			d.waitAsked(t, 10)
			proxy.Down()
			d.waitAsked(t, 20)
			if err := proxy.Up(); err != nil {
				t.Fatal(err)
			}
			wantMetric(t, d.server, patience, linkUp, "1")
		}
		people.hush(t)
		d.settle(t)
	}
	if err := d.connected("anew"); err != nil {
		t.Error(err)
	}
}

// connected says whether there were connections of a kind.
func (d *desk) connected(how string) error {
	got, err := metricLine(d.server, `parley_mattermost_connections_total{channel="`+deskChannel+`",how="`+how+`"}`)
	if err == nil && (got == "" || got == "0") {
		err = fmt.Errorf("%q connections were %s", got, how)
	}
	return err
}

// lostMessages swallows messages of an open socket: the numbers tell.
func lostMessages(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 2, url: proxy.URL})
	people := d.talk(t, 50*time.Millisecond)
	for range either(3, 30) {
		d.waitAsked(t, 10)
		proxy.Drop(faultproxy.ToClient, 1+rand.IntN(5))
	}
	d.waitAsked(t, 10)
	people.hush(t)
	d.settle(t)
	if proxy.Swallowed(faultproxy.ToClient) == 0 {
		t.Error("nothing was swallowed")
	}
}

// silentSocket has a socket that is open and says nothing any more.
func silentSocket(t *testing.T) {
	proxy := faultproxy.New(t, mattermost(t).URL)
	d := newDesk(t, deskOptions{rooms: 2, url: proxy.URL})
	alice := d.mm.Alice
	d.ask(t, alice, d.direct[alice.ID], "")
	d.settle(t)
	again := proxy.Watch(faultproxy.Upgrades)
	proxy.Silence(faultproxy.ToClient)
	began := time.Now()
	thread := d.ask(t, alice, d.rooms[0], "")
	d.ask(t, alice, d.direct[alice.ID], "")
	d.ask(t, d.mm.Bob, d.rooms[0], thread)
	wait.For(t, patience, func() bool { return again.Hits() > 0 }, "another socket")
	proxy.Silence(0)
	t.Logf("the silence was noticed after %v", time.Since(began).Round(time.Second))
	d.settle(t)
}

// mattermostStopped takes the server away, gently and not, while people write.
func mattermostStopped(t *testing.T) {
	mm := mmtest.Start(t)
	proxy := faultproxy.New(t, mm.URL)
	d := newDesk(t, deskOptions{rooms: 2, mm: mm, url: proxy.URL})
	for name, down := range map[string]func() error{"stopped": mm.StopServer, "killed": mm.Kill} {
		people := d.talk(t, 100*time.Millisecond)
		d.waitAsked(t, 20)
		if err := down(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wantMetric(t, d.server, patience, linkUp, "0")
		if soak() {
			time.Sleep(20 * time.Second) // the fault's length
		}
		if err := mm.StartServer(); err != nil {
			t.Fatal(err)
		}
		d.waitAsked(t, 20)
		people.hush(t)
		d.settle(t)
	}
	// An answer in doubt, and a server that has forgotten the id it was made
	// under.
	rule := proxy.Next(1, faultproxy.To(http.MethodPost, "/api/v4/posts"), faultproxy.HoldAnswer())
	d.ask(t, mm.Alice, d.direct[mm.Alice.ID], "")
	wait.Succeed(t, settleWithin, func() error { return d.complete() }, "the answer to be posted")
	proxy.Down()
	if err := mm.Restart(); err != nil {
		t.Fatal(err)
	}
	rule.Lift()
	if err := proxy.Up(); err != nil {
		t.Fatal(err)
	}
	d.ask(t, mm.Alice, d.direct[mm.Alice.ID], "")
	d.settle(t)
	d.oneTurnEach(t)
	d.nothingGivenUp(t)
}
