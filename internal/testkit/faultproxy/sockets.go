package faultproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// partingTime is how long the second direction of a WebSocket may go on after
// the first has ended.
const partingTime = 5 * time.Second

// socket is an open WebSocket: its two connections.
type socket struct{ client, server net.Conn }

func (s *socket) close() {
	_ = s.client.Close()
	_ = s.server.Close()
}

// Sockets is how many WebSockets are open through the proxy.
func (p *Proxy) Sockets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sockets)
}

// CutSockets closes the connections of all WebSockets, without a close frame,
// and returns how many there were.
func (p *Proxy) CutSockets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.sockets)
	for s := range p.sockets {
		s.close()
	}
	clear(p.sockets)
	return n
}

// StripQuery takes parameters out of the address of the upgrades to come, so
// that the server does not learn them: without connection_id and
// sequence_number Mattermost cannot resume a socket. Without names it ends
// that.
func (p *Proxy) StripQuery(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strip = slices.Clone(names)
}

// tunnel opens a WebSocket at the server for the client and carries its frames.
// A refusal of the server is handed on.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	var dialer net.Dialer
	server, err := dialer.DialContext(r.Context(), "tcp", p.target.Host)
	if err != nil {
		cut()
	}
	defer server.Close()
	from := bufio.NewReader(server)
	resp, err := p.upgrade(server, from, r)
	if err != nil {
		cut()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // a client that left misses it
		return
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok { // the answer is to be lost
		cut()
	}
	client, buffered, err := hijacker.Hijack()
	if err != nil {
		cut()
	}
	s := &socket{client: client, server: server}
	defer s.close()
	if !p.register(s, r) {
		return
	}
	defer p.forget(s)
	resp.Body = nil
	if err := resp.Write(client); err != nil {
		return
	}
	p.carry(s, buffered.Reader, from)
}

// upgrade sends the client's request on and reads the server's answer. It gives
// up when the client does.
func (p *Proxy) upgrade(server net.Conn, from *bufio.Reader, r *http.Request) (*http.Response, error) {
	stop := closeWith(r, server)
	defer stop()
	out := r.Clone(r.Context())
	out.Host, out.Body = p.target.Host, nil
	p.mu.Lock()
	if len(p.strip) > 0 {
		out.URL.RawQuery = without(out.URL.RawQuery, p.strip)
	}
	p.mu.Unlock()
	if err := out.Write(server); err != nil {
		return nil, err
	}
	return http.ReadResponse(from, out)
}

// closeWith closes a connection when the request's client leaves; stop ends
// that.
func closeWith(r *http.Request, conn net.Conn) (stop func()) {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-r.Context().Done():
			_ = conn.Close()
		case <-done:
		}
	})
	return func() {
		close(done)
		watching.Wait()
	}
}

// without takes parameters out of a query and leaves the rest as it is written.
func without(query string, names []string) string {
	kept := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains(names, name)
	})
	return strings.Join(kept, "&")
}

// register reports false when the proxy went down since the request came in.
func (p *Proxy) register(s *socket, r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Context().Value(http.ServerContextKey) != p.server {
		return false
	}
	p.sockets[s] = true
	return true
}

func (p *Proxy) forget(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sockets, s)
}

// carry moves frames both ways until both directions have ended. The end of one
// is handed on at once; the other has a moment for what is still under way.
func (p *Proxy) carry(s *socket, fromClient, fromServer *bufio.Reader) {
	var both sync.WaitGroup
	both.Go(func() {
		p.pump(ToServer, fromClient, s.server)
		part(s.server, s.client)
	})
	both.Go(func() {
		p.pump(ToClient, fromServer, s.client)
		part(s.client, s.server)
	})
	both.Wait()
}

// part ends one direction, which writes to to, and limits the other, which
// reads from it.
func part(to, from net.Conn) {
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite() // it may be closed already
	}
	_ = to.SetReadDeadline(time.Now().Add(partingTime))
	_ = from.SetWriteDeadline(time.Now().Add(partingTime))
}

// pump moves frames in one direction until it ends.
func (p *Proxy) pump(direction Direction, from *bufio.Reader, to net.Conn) {
	out := bufio.NewWriter(to)
	var message fate
	for {
		frame, err := readHeader(from)
		if err != nil {
			return
		}
		if p.admit(direction, frame, &message) {
			_, err = out.Write(frame.raw)
			if err == nil {
				_, err = io.CopyN(out, from, frame.length)
			}
			err = errors.Join(err, out.Flush())
		} else {
			_, err = io.CopyN(io.Discard, from, frame.length)
		}
		if err != nil {
			return
		}
	}
}
