package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// wire is a WebSocket connection with as little code as the protocol allows, on
// purpose: the yardsticks and the load must cost little beside what is measured.
// It knows unfragmented text frames, pings and closes.
type wire struct {
	conn   net.Conn
	r      *bufio.Reader
	client bool
	out    []byte
	in     []byte
}

const wireGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3

// dialWire opens a client connection; local may be nil.
func dialWire(rawURL string, local net.Addr) (*wire, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{LocalAddr: local}
	conn, err := dialer.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, r: bufio.NewReaderSize(conn, 2048), client: true}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", u.RequestURI(), u.Host); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	res, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("upgrade answered %s", res.Status), conn.Close())
	}
	return w, nil
}

// acceptWire upgrades a request of a yardstick server.
func acceptWire(rw http.ResponseWriter, req *http.Request) (*wire, error) {
	if !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") {
		return nil, errors.New("not an upgrade")
	}
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + wireGUID))
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:])); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, 2048)}, nil
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// read returns the payload of the next text frame; it is valid until the next
// call.
func (w *wire) read() ([]byte, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(w.r, head[:]); err != nil {
			return nil, err
		}
		size := uint64(head[1] & 0x7f)
		switch size {
		case 126:
			var b [2]byte
			if _, err := io.ReadFull(w.r, b[:]); err != nil {
				return nil, err
			}
			size = uint64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			if _, err := io.ReadFull(w.r, b[:]); err != nil {
				return nil, err
			}
			size = binary.BigEndian.Uint64(b[:])
		}
		if size > 1<<20 {
			return nil, fmt.Errorf("frame of %d bytes", size)
		}
		var mask [4]byte
		if head[1]&0x80 != 0 {
			if _, err := io.ReadFull(w.r, mask[:]); err != nil {
				return nil, err
			}
		}
		if uint64(cap(w.in)) < size {
			w.in = make([]byte, size)
		}
		w.in = w.in[:size]
		if _, err := io.ReadFull(w.r, w.in); err != nil {
			return nil, err
		}
		if mask != [4]byte{} {
			for i := range w.in {
				w.in[i] ^= mask[i&3]
			}
		}
		switch head[0] & 0x0f {
		case opText:
			return w.in, nil
		case opPing:
			if err := w.write(opPong, w.in); err != nil {
				return nil, err
			}
		case opClose:
			return nil, io.EOF
		}
	}
}

func (w *wire) send(p []byte) error { return w.write(opText, p) }

func (w *wire) write(op byte, p []byte) error {
	w.out = append(w.out[:0], 0x80|op)
	bit := byte(0)
	if w.client {
		bit = 0x80
	}
	switch {
	case len(p) < 126:
		w.out = append(w.out, bit|byte(len(p)))
	default:
		w.out = append(w.out, bit|126)
		w.out = binary.BigEndian.AppendUint16(w.out, uint16(len(p)))
	}
	if w.client {
		w.out = append(w.out, 0, 0, 0, 0) // a zero mask is a mask
	}
	w.out = append(w.out, p...)
	_, err := w.conn.Write(w.out)
	return err
}
