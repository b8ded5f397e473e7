package socket_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/coder/websocket"

	"parley/internal/socket"
)

// A mark comes back only after everything that was queued before it.
func TestMarkComesBackBehindTheMessages(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	var read int
	atPing := make(chan int, 1)
	c := srv.dialWith(t, &websocket.DialOptions{OnPingReceived: func(_ context.Context, p []byte) bool {
		if binary.BigEndian.Uint64(p) == 42 {
			atPing <- read
		}
		return true
	}})
	s := srv.next(t)
	for range 20 {
		if err := s.Send([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s.Ping(41)
	s.Ping(42)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
			read++
		}
	}()
	if got := <-atPing; got != 20 {
		t.Errorf("the ping came after %d of 20 messages", got)
	}
	eventually(t, "the mark", func() bool { return s.Answered() == 42 })
	cancel()
	<-done
}

// Pongs nobody asked for confirm nothing.
func TestForgedPong(t *testing.T) {
	srv := serve(t, socket.Options{}, nil)
	c := srv.dialRaw(t, "")
	s := srv.next(t)
	pong := func(mark uint64) {
		c.write(t, frame(0x8a, string(binary.BigEndian.AppendUint64(nil, mark))))
	}
	pong(7)
	s.Ping(5)
	if _, p, err := c.next(); err != nil || len(p) != 8 {
		t.Fatalf("ping %x, %v", p, err)
	}
	pong(1 << 40)
	pong(1 << 63)
	c.write(t, frame(0x8a, "short"))
	pong(4)
	eventually(t, "the honest mark", func() bool { return s.Answered() == 4 })
	pong(5)
	eventually(t, "the newest mark", func() bool { return s.Answered() == 5 })
}
