package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/pgtest"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// deliveryTime is how long an ack may be under way whose commit came before a
// fault, once the server has noticed the fault.
const deliveryTime = time.Second

// TestDatabaseGone takes PostgreSQL away for a while, under load: nothing is
// acknowledged, nobody is told a lie, and when it is back all goes on.
func TestDatabaseGone(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*pgtest.Server) error
		away time.Duration
	}{
		{"stopped", (*pgtest.Server).Stop, either(3*time.Second, 30*time.Second)},
		{"crashed", (*pgtest.Server).Crash, either(time.Second, 10*time.Second)},
	} {
		t.Run(test.name, func(t *testing.T) {
			database := pgtest.Start(t, pgtest.Options{TCP: true})
			env := quiet("PARLEY_DATABASE=" + database.Database(t))
			server := serve(t, program.Options{Env: env})
			app := demo(t, server)
			// With more than one message open, the one refused while the
			// database was on its way out could be stored after its follower.
			people := crowd.Gather(t, crowd.Options{App: app, People: 20, Window: 1, Patience: time.Second})
			people.Talk()
			people.WaitAcked(200, patience)
			pid := server.PID()
			if err := test.end(database); err != nil {
				t.Fatal(err)
			}
			gone := time.Now()
			withoutDatabase(t, server, app)
			silent := time.Now().Add(deliveryTime)
			time.Sleep(max(time.Until(gone.Add(test.away)), 2*deliveryTime)) // the fault's length
			back := time.Now()
			if err := database.Start(); err != nil {
				t.Fatal(err)
			}
			if n := people.AckedBetween(silent, back); n > 0 {
				t.Errorf("%d messages were acknowledged without a database", n)
			}
			people.WaitAcked(100, patience)
			t.Logf("the first acks came again %v after the database", time.Since(back))
			people.Settle(patience)
			onlyHonest(t, people)
			crowd.Audit(t, people, adminOf(server, env))
			if server.PID() != pid || !server.Running() {
				t.Error("the server did not live through it")
			}
			keepsSecrets(t, server, people)
		})
	}
}

// withoutDatabase looks at what a server answers whose database is away.
func withoutDatabase(t *testing.T, server *program.Server, app crowd.App) {
	t.Helper()
	wait.Succeed(t, aWhile, func() error {
		if status, body := crowd.Get(t.Context(), server.URL+"/readyz"); status != http.StatusServiceUnavailable {
			return fmt.Errorf("/readyz answers %d %s", status, body)
		}
		return nil
	}, "/readyz to say that the server is not ready")
	if status, _ := crowd.Get(t.Context(), server.URL+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d: somebody would restart a server that only waits", status)
	}
	// A grant needs no database; whoever starts a socket is asked to come again.
	client := app.Client("late", nil)
	ctx := within(t, aWhile)
	granted, err := client.Grant(ctx)
	if err != nil {
		t.Errorf("grant without a database: %v", err)
		return
	}
	began := time.Now()
	_, err = client.Start(ctx, granted.Authorization.AccessToken, "")
	if rtmtest.Status(err) != http.StatusServiceUnavailable {
		t.Errorf("rtm/start without a database: %v, want status 503", err)
	}
	_, err = client.History(ctx, granted.Authorization.AccessToken, "limit=10")
	if status := rtmtest.Status(err); status != http.StatusServiceUnavailable {
		t.Errorf("history without a database: %v, want a JSON error with status 503", err)
	}
	if took := time.Since(began); took > prompt(12*time.Second) {
		t.Errorf("two refusals took %v; clients hold messages back meanwhile", took)
	}
}

// onlyHonest checks that whoever was told something beside the conversation was
// told that the message was not stored.
func onlyHonest(t *testing.T, people *crowd.Crowd) {
	t.Helper()
	told := 0
	for _, p := range people.People {
		for _, n := range p.Notices() {
			told++
			if !strings.Contains(n.Text, "could not be stored") {
				t.Errorf("%s was told %q", p.Name, n.Text)
			}
		}
	}
	t.Logf("%d notices were shown", told)
}
