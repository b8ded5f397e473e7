package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/testkit/crowd"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// TestSlowReader has a client stop reading while much is said in its
// conversation. It alone is dropped, by name.
func TestSlowReader(t *testing.T) {
	server := serve(t, program.Options{Env: quiet()})
	app := demo(t, server)
	// A small receive buffer, so that little hides in the kernel.
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(4 << 10)
		}
		return conn, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	talker, token := login(t, app.Client("family", nil))
	stuck, err := app.Client("family", &http.Client{Transport: transport}).Connect(within(t, aWhile), token, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stuck.Drop() }) // the server has dropped it
	bystander, _ := login(t, app.Client("bystander", nil))
	before := memory(t, server.PID())

	const dropped = `parley_rtm_sockets_ended_total{reason="slow_reader"}`
	long := strings.Repeat("All that is said is read by somebody, or not. ", 300) // 13.8 KB
	slowest := time.Duration(0)
	deadline := time.Now().Add(patience)
	for id := int64(1); metric(t, server, dropped) == 0; id++ {
		if time.Now().After(deadline) {
			t.Fatalf("the reader was not dropped after %d long messages", id)
		}
		crowd.Say(t, talker, id, fmt.Sprintf("%d %s", id, long))
		if id%10 == 0 {
			slowest = max(slowest, exchange(t, bystander, id, "Hi"))
		}
	}
	if n := metric(t, server, dropped); n != 1 {
		t.Errorf("%v sockets were dropped for not reading, want 1", n)
	}
	exchange(t, bystander, 1_000_000, "Hi")
	if slowest > prompt(2*time.Second) {
		t.Errorf("a bystander waited %v for an answer", slowest)
	}
	grown := memory(t, server.PID()) - before
	t.Logf("a bystander waited %v at most; the server grew by %d MB", slowest, grown>>20)
	if grown > 64<<20 {
		t.Errorf("the server has grown by %d MB for one reader", grown>>20)
	}
	// It comes back like everybody else, with all that was said.
	back, err := app.Client("family", nil).Connect(within(t, aWhile), token, "isReconnect=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = back.Drop() })
	back.Listen()
	exchange(t, back, 2_000_000, "Hi")
}

// TestFlood has one person send far more than can be stored at once. They are
// told; what was not taken is not acknowledged; nobody else notices.
func TestFlood(t *testing.T) {
	onEngines(t, func(t *testing.T, env []string) {
		server := serve(t, program.Options{Env: env})
		app := demo(t, server)
		client := app.Client("flooder", nil)
		flooder, token := login(t, client)
		bystander, _ := login(t, app.Client("bystander", nil))
		const messages = 20_000
		done := make(chan error, 1)
		ctx := within(t, 2*patience)
		go func() {
			for id := int64(1); id <= messages; id++ {
				if err := flooder.Say(ctx, id, fmt.Sprintf("flood %d", id)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		slowest := time.Duration(0)
		for id := int64(1); ; id++ {
			slowest = max(slowest, exchange(t, bystander, id, "Hi"))
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("the flooder's socket ended: %v; it is to be told instead", err)
				}
			default:
				continue
			}
			break
		}
		// The last message tells when the server is through: it is sent again
		// until it is taken.
		wait.Succeed(t, patience, func() error {
			if err := flooder.Say(ctx, messages+1, "the last"); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := flooder.ExpectAck(short, fmt.Sprint(messages+1))
			if err != nil {
				return fmt.Errorf("no ack")
			}
			return nil
		}, "the last message to be taken")
		acked, notices := map[string]bool{}, 0
		for _, f := range flooder.Pending() {
			switch {
			case f.Type == "ack":
				acked[string(f.ReplyTo)] = true
			case f.Type == "bot_response" && strings.Contains(f.Text(), "Too many messages"):
				notices++
			}
		}
		floods := metric(t, server, "parley_rtm_floods_total")
		history, err := client.History(ctx, token, "limit=10")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("of %d messages %d were taken and %v not; %d notices; a bystander waited %v at most", messages, len(acked), floods, notices, slowest)
		if floods == 0 || notices == 0 {
			t.Errorf("%v messages were not taken and %d notices shown: nobody was told", floods, notices)
		}
		// Welcome, the messages with their answers, and the last one.
		if want := int64(1 + 2*(len(acked)+1)); history.Total != want {
			t.Errorf("%d messages were acknowledged, and the history has %d entries, want %d", len(acked), history.Total, want)
		}
		if slowest > prompt(2*time.Second) {
			t.Errorf("a bystander waited %v", slowest)
		}
		// No 429 anywhere, and the person may come back at once.
		if _, _, err := client.Login(ctx); err != nil {
			t.Errorf("log in after a flood: %v", err)
		}
	})
}
