package socket_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/socket"
)

// pipeWriter is a ResponseWriter whose connection is one end of a pipe.
type pipeWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// FuzzInput sends a session whatever a hostile client might: it must hand out
// only whole messages within the limit, and end for a reason that a peer can
// cause, without hanging.
func FuzzInput(f *testing.F) {
	f.Add([]byte(frame(0x81, "hello")))
	f.Add([]byte(frame(0x01, "hel") + frame(0x89, "ping") + frame(0x80, "lo")))
	f.Add([]byte(frame(0x82, "\x00\xff") + frame(0x88, "\x03\xe8bye")))
	f.Add([]byte(frame(0x81, strings.Repeat("x", 300))))
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x81\x02hi"))
	f.Add([]byte{0xff, 0xff, 0xff})
	const limit = 256
	causes := []socket.Reason{socket.ReasonPeerClosed, socket.ReasonPeerLost, socket.ReasonProtocol,
		socket.ReasonBadText, socket.ReasonTooLarge}

	f.Fuzz(func(t *testing.T, input []byte) {
		g, err := socket.NewGroup(socket.Options{ReadLimit: limit})
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
		s, err := g.Accept(&pipeWriter{httptest.NewRecorder(), server}, r)
		if err != nil {
			t.Fatal(err)
		}
		s.Go(func() {
			for {
				typ, p, err := s.Read()
				if err != nil {
					return
				}
				if len(p) > limit || typ == socket.Text && !utf8.Valid(p) {
					t.Errorf("handed out %d bytes of type %d: %q", len(p), typ, p)
				}
			}
		})
		go io.Copy(io.Discard, client) // ends when the client is closed below
		if _, err := client.Write(input); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatal(err)
		}
		client.Close()
		<-s.Done()
		if !slices.Contains(causes, s.Reason()) {
			t.Errorf("ended as %s", s.Reason())
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
