package browser_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// cable is the network between a browser and the server, which can be cut: a
// TCP proxy.
type cable struct {
	// URL is the base address a client uses.
	URL string

	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	deaf  bool
	conns map[*net.TCPConn]struct{}
}

// newCable leads to a server's address and is taken away with the test.
func newCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{URL: "http://" + listener.Addr().String(), listener: listener, to: to, conns: map[*net.TCPConn]struct{}{}}
	c.work.Go(c.accept)
	t.Cleanup(func() {
		listener.Close()
		c.Cut()
		c.work.Wait()
	})
	return c
}

// Cut resets all connections and every new one until [cable.Mend]: no close
// frame, no FIN, as when a router dies.
func (c *cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.deaf = true, false
	for conn := range c.conns {
		reset(conn)
	}
	clear(c.conns)
}

// Deafen swallows what the server says, on all connections, until the next
// [cable.Cut]: messages arrive, and their acknowledgements are lost.
func (c *cable) Deafen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = true
}

// Mend lets new connections through again.
func (c *cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func (c *cable) accept() {
	for {
		conn, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			c.work.Go(func() { c.join(conn.(*net.TCPConn)) })
		}
	}
}

// join carries one connection until either side or a cut ends it.
func (c *cable) join(near *net.TCPConn) {
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		reset(near)
		return
	}
	other := far.(*net.TCPConn)
	if !c.keep(near, other) {
		return
	}
	var both sync.WaitGroup
	carry := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // how it ended does not matter
	}
	both.Go(func() {
		carry(other, near)
		_ = other.CloseWrite()
	})
	both.Go(func() {
		carry(hearing{c, near}, other)
		_ = near.CloseWrite()
	})
	both.Wait()
	c.drop(near, other)
}

// hearing writes to the browser unless the cable is deaf.
type hearing struct {
	c  *cable
	to *net.TCPConn
}

func (h hearing) Write(p []byte) (int, error) {
	h.c.mu.Lock()
	deaf := h.c.deaf
	h.c.mu.Unlock()
	if deaf {
		return len(p), nil
	}
	return h.to.Write(p)
}

func (c *cable) keep(conns ...*net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if c.cut {
			reset(conn)
			continue
		}
		c.conns[conn] = struct{}{}
	}
	return !c.cut
}

func (c *cable) drop(conns ...*net.TCPConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.conns, conn)
		_ = conn.Close()
	}
}
