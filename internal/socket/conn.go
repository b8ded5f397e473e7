package socket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// closeFlush bounds the write of what is still corked when the WebSocket
// library closes the connection after answering a close frame.
const closeFlush = time.Second

// conn stands between the WebSocket library and the network. It notes when
// the peer was last heard, gives every write a deadline, and can be corked:
// the frames written meanwhile leave in as few system calls as fit.
type conn struct {
	net.Conn
	session *Session

	// early holds what net/http had read beyond the handshake; only Read uses it.
	early []byte
	// heard is when bytes last arrived, in time since the group began.
	heard atomic.Int64
	// readFailed and writeFailed tell a broken network from a broken protocol.
	readFailed  atomic.Bool
	writeFailed atomic.Bool
	closed      atomic.Bool

	mu     sync.Mutex
	corked *[]byte // nil when not corked; never grows beyond its capacity
}

// Read implements io.Reader for the WebSocket library.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(c.session.group.now())
	}
	if err != nil {
		c.readFailed.Store(true)
	}
	return n, err
}

// Write implements io.Writer for the WebSocket library, which hands over a
// whole control frame at once, so that control frames of the reader never land
// inside a frame of the writer.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeout := c.session.group.opt.WriteTimeout
	if c.corked != nil && len(*c.corked)+len(p) > cap(*c.corked) {
		if err := c.flush(timeout); err != nil {
			return 0, err
		}
	}
	if c.corked != nil && len(p) <= cap(*c.corked) {
		*c.corked = append(*c.corked, p...)
		return len(p), nil
	}
	if err := c.write(p, timeout); err != nil {
		return 0, err
	}
	return len(p), nil
}

// cork collects what is written from now on in buf.
func (c *conn) cork(buf *[]byte) {
	c.mu.Lock()
	c.corked = buf
	c.mu.Unlock()
}

// uncork writes what was collected; the buffer is the caller's again.
func (c *conn) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.flush(c.session.group.opt.WriteTimeout)
	c.corked = nil
	return err
}

// flush writes the corked bytes. The caller holds mu.
func (c *conn) flush(timeout time.Duration) error {
	if c.corked == nil || len(*c.corked) == 0 {
		return nil
	}
	err := c.write(*c.corked, timeout)
	*c.corked = (*c.corked)[:0]
	return err
}

// write hands p to the network within timeout. The caller holds mu.
func (c *conn) write(p []byte, timeout time.Duration) error {
	err := c.Conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = c.Conn.Write(p)
	}
	if err != nil {
		c.writeFailed.Store(true)
	}
	return err
}

// Close implements io.Closer for the WebSocket library. A close frame that is
// still corked is written first, unless a write is stuck.
func (c *conn) Close() error {
	if c.mu.TryLock() {
		if !c.closed.Load() {
			_ = c.flush(closeFlush) // the peer may be gone already
		}
		c.mu.Unlock()
	}
	if c.closed.Swap(true) {
		return nil
	}
	return c.Conn.Close()
}

// abort ends the TCP connection at once, without a close frame and without
// the closing alert of TLS, which could wait for a peer that does not read. A
// hard abort also discards what the kernel holds.
func (c *conn) abort(hard bool) {
	if c.closed.Swap(true) {
		return
	}
	raw := c.Conn
	if t, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok && hard {
		_ = t.SetLinger(0) // best effort: without it the kernel times out by itself
	}
	_ = raw.Close() // nothing can be done about a close that fails
}
