package faults

import (
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
)

// TestOrderedShutdown stops the server under load, as an upgrade does: exit
// code 0, sockets end without a close frame (the only ending after which every
// SDK comes back), and what was answered meanwhile is shown after the restart.
func TestOrderedShutdown(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server, app := serveSlowly(t, 30*time.Millisecond, program.Options{Env: env})
		people := crowd.Gather(t, crowd.Options{App: app, People: 20, Window: 1, Pause: 80 * time.Millisecond})
		people.Talk()
		for range either(3, 30) {
			people.WaitAcked(100, patience)
			began := time.Now()
			server.Stop() // fails unless the exit code is 0
			if took := time.Since(began); took > prompt(8*time.Second) {
				t.Errorf("stopping took %v", took)
			}
			people.Hush()
			server.Start()
			if err := people.Missing(); err != nil {
				t.Fatalf("after an ordered stop: %v", err)
			}
			people.Talk()
		}
		people.WaitAcked(20, patience)
		people.Settle(patience)
		admin := adminOf(server, env)
		crowd.Audit(t, people, admin)
		answersFit(t, people, admin)
		keepsSecrets(t, server, people)
		ends := 0
		for _, p := range people.People {
			for _, err := range p.Ends() {
				ends++
				if code := websocket.CloseStatus(err); code != -1 {
					t.Errorf("a socket of %s ended with close code %d, want none", p.Name, code)
				}
			}
		}
		if ends == 0 {
			t.Error("no socket ended: the test proves nothing")
		}
	})
}

// TestStopWhileIdle is quick, whatever connections are open.
func TestStopWhileIdle(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	s, _ := login(t, demo(t, server).Client("idle", nil))
	// Browsers open connections in advance and ask nothing over them.
	spare, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	half, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.Write([]byte("POST /api/rtm/start HTTP/1.1\r\nHost: x\r\n")); err != nil {
		t.Fatal(err)
	}
	exchange(t, s, 1, "Hi")
	began := time.Now()
	server.Stop()
	if took := time.Since(began); took > prompt(5*time.Second) {
		t.Errorf("stopping took %v", took)
	}
	if code := websocket.CloseStatus(s.Ended(within(t, aWhile))); code != -1 {
		t.Errorf("the socket ended with close code %d, want none", code)
	}
}
