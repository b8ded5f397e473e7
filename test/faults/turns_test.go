package faults

import (
	"slices"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// TestKilledDuringTurns kills the server while assistants think: each message
// is answered by one answer, its own, in order.
func TestKilledDuringTurns(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server, app := serveSlowly(t, 20*time.Millisecond, program.Options{Env: env})
		people := crowd.Gather(t, crowd.Options{App: app, People: 8, Pause: 15 * time.Millisecond})
		people.Talk()
		for range either(3, 60) {
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
		admin := adminOf(server, env)
		crowd.Audit(t, people, admin)
		answersFit(t, people, admin)
		keepsSecrets(t, server, people)
	})
}

// answersFit checks that the answers are those to the messages, in order.
func answersFit(t *testing.T, people *crowd.Crowd, admin crowd.Admin) {
	t.Helper()
	conversations := admin.Conversations(t)
	for _, p := range people.People {
		var said, answers []string
		for _, e := range admin.Entries(t, conversations[people.App.Place(p.Name)].ID) {
			switch {
			case e.Purpose != "message":
			case e.Author.Kind == "contact":
				said = append(said, answerTo(e.Content.Text))
			default:
				answers = append(answers, e.Content.Text)
			}
		}
		if !slices.Equal(said, answers) {
			t.Errorf("%s: answers are\n%q\nwant\n%q", p.Name, answers, said)
		}
	}
}
