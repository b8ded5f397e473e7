package faults

import (
	"math/rand/v2"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// TestKilledUnderLoad kills the server again and again, at any moment, while
// people talk.
func TestKilledUnderLoad(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := serve(t, program.Options{Env: env})
		app := demo(t, server)
		people := crowd.Gather(t, crowd.Options{App: app, People: 20})
		people.Talk()
		for range either(5, 100) {
			killSomewhere(t, server, people)
			people.Hush() // the look at the history is not to race with more and more of it
			server.Start()
			if err := people.Missing(); err != nil {
				t.Fatalf("right after a restart: %v", err)
			}
			people.Talk()
		}
		people.WaitAcked(20, patience)
		people.Settle(patience)
		crowd.Audit(t, people, adminOf(server, env))
		keepsSecrets(t, server, people)
	})
}

// killSomewhere kills the server at a random moment of its work.
func killSomewhere(t *testing.T, server *program.Server, people *crowd.Crowd) {
	t.Helper()
	people.WaitAcked(1+rand.IntN(100), patience)
	// Not on an ack, but somewhere between two.
	busy := time.Duration(rand.IntN(int(20 * time.Millisecond)))
	for end := time.Now().Add(busy); time.Now().Before(end); {
	}
	server.Kill()
}
