package faults

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/testkit/child"
	"parley/internal/testkit/crowd"
	"parley/internal/testkit/freeport"
	"parley/internal/testkit/program"
)

// TestKilledDuringFirstStart kills a server while it makes its database, its key
// file and the demo, at any moment of it. The next start finds a way on.
func TestKilledDuringFirstStart(t *testing.T) {
	for engine, rounds := range map[string]int{"sqlite": either(8, 200), "postgres": either(3, 100)} {
		t.Run(engine, func(t *testing.T) {
			for range rounds {
				env := quiet()
				if engine == "postgres" {
					env = quiet("PARLEY_DATABASE=" + pg.Database(t))
				}
				data := filepath.Join(t.TempDir(), "data")
				// A start takes about 60 ms here, and less once something is
				// there.
				for range 3 {
					killAfter(t, env, data, time.Duration(rand.IntN(int(80*time.Millisecond))))
				}
				server := serve(t, program.Options{Data: data, Env: env})
				s, _ := login(t, demo(t, server).Client("first", nil))
				exchange(t, s, 1, "Hi")
				list := parley.Run(t, env, "channel", "list", "--data", data)
				if n := strings.Count(list.Stdout, "st-"); n != 1 {
					t.Errorf("there are %d channels:\n%s%s", n, list.Stdout, list.Stderr)
				}
				server.Kill()
			}
		})
	}
}

// killAfter starts a server and kills it a moment later.
func killAfter(t *testing.T, env []string, data string, moment time.Duration) {
	t.Helper()
	process, said := bare(t, env, freeport.Addr(t), data)
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-process.Done():
		t.Errorf("the server ended by itself: %v\n%s", process.Err(), said)
	}
	if err := process.Stop(os.Kill, aWhile); err != nil {
		t.Error(err)
	}
}

// bare starts a server without waiting for it. What it says may be read once it
// has ended.
func bare(t *testing.T, env []string, listen, data string) (*child.Process, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(parley.Path(t), "serve", "--listen", listen, "--data", data)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	return process, &said
}

// TestKilledDuringApply kills the server while it takes a new catalog: all of it
// is in place afterwards, or nothing.
func TestKilledDuringApply(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := serve(t, program.Options{Env: env})
		dir := t.TempDir()
		const channels = 20
		catalog := func(round int) string {
			var b strings.Builder
			fmt.Fprintf(&b, "assistants:\n  all: { kind: flow, definition: all.flow.yaml }\nchannels:\n")
			for i := range channels {
				fmt.Fprintf(&b, "  c%d: { type: rtm, assistant: all, bot: { id: st-%d, name: Round %d }, apps: [{ id: cs-%d, secret: %s }] }\n", i, i, round, i, slowSecret)
			}
			file := filepath.Join(dir, "catalog.yaml")
			write(t, file, []byte(b.String()))
			write(t, filepath.Join(dir, "all.flow.yaml"), fmt.Appendf(nil, "flow: 1\nlanguages: [en]\nwelcome: { say: Round %d }\n", round))
			return file
		}
		if got := parley.Run(t, env, "apply", "-f", catalog(0), "--data", server.Data); got.Code != 0 {
			t.Fatalf("apply: %s%s", got.Stdout, got.Stderr)
		}
		before := 0
		for round := 1; round <= either(6, 100); round++ {
			cmd := exec.Command(parley.Path(t), "apply", "-f", catalog(round), "--data", server.Data)
			cmd.Env = append(os.Environ(), env...)
			applying, err := child.Start(cmd, syscall.SIGKILL)
			if err != nil {
				t.Fatal(err)
			}
			timer := time.NewTimer(time.Duration(rand.IntN(int(60 * time.Millisecond))))
			select {
			case <-timer.C:
			case <-applying.Done():
			}
			server.Kill()
			<-applying.Done()
			server.Start()
			now := inPlace(t, env, server, channels)
			if now != before && now != round {
				t.Errorf("round %d is in place, want %d or %d", now, before, round)
			}
			if applying.ExitCode() == 0 && now != round {
				t.Errorf("apply said that round %d is in place, and it is %d", round, now)
			}
			before = now
		}
	})
}

// inPlace reads which round of a catalog is in force, as a newcomer hears it and
// as the catalog says for each channel.
func inPlace(t *testing.T, env []string, server *program.Server, channels int) int {
	t.Helper()
	app := crowd.App{BaseURL: server.URL, ClientID: "cs-0", Secret: slowSecret, BotID: "st-0", BotName: "any"}
	client := app.Client(fmt.Sprint("newcomer-", rand.Int64()), nil)
	granted, err := client.Grant(within(t, aWhile))
	if err != nil {
		t.Fatal(err)
	}
	s := connect(t, client, granted.Authorization.AccessToken)
	welcome, err := s.ExpectType(within(t, aWhile), "bot_response")
	if err != nil {
		t.Fatal(err)
	}
	var round int
	if _, err := fmt.Sscanf(welcome.Text(), "Round %d", &round); err != nil {
		t.Fatalf("the welcome is %q", welcome.Text())
	}
	for i := range channels {
		shown := parley.Run(t, env, "channel", "show", fmt.Sprintf("c%d", i), "--data", server.Data, "--json")
		if !strings.Contains(shown.Stdout, fmt.Sprintf(`Round %d"`, round)) {
			t.Errorf("the welcome is of round %d, channel c%d is not:\n%s%s", round, i, shown.Stdout, shown.Stderr)
		}
	}
	return round
}

// TestPausedAlone stops the only node for a moment under load, in the long form
// for longer than its lease and than a message waits for its commit: what waited
// may be refused then, and is said again behind what was said after it, unless
// people wait for each ack.
func TestPausedAlone(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server, app := serveSlowly(t, 20*time.Millisecond, program.Options{Env: env})
		people := crowd.Gather(t, crowd.Options{App: app, People: 8, Pause: 30 * time.Millisecond, Window: either(3, 1)})
		people.Talk()
		for range either(2, 5) {
			people.WaitAcked(50, patience)
			server.Signal(syscall.SIGSTOP)
			time.Sleep(either(500*time.Millisecond, 20*time.Second)) // the fault's length
			server.Signal(syscall.SIGCONT)
		}
		people.WaitAcked(50, patience)
		people.Settle(patience)
		admin := adminOf(server, env)
		crowd.Audit(t, people, admin)
		answersFit(t, people, admin)
	})
}
