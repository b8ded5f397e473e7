package faultproxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// Direction says which way a frame goes; ToClient|ToServer is both.
type Direction int

// The directions.
const (
	ToClient Direction = 1 << iota
	ToServer
)

// Silence swallows all frames in these directions, pings and closing frames
// included, on every open and coming WebSocket, while the connections stay
// open. Silence(0) ends it. What was swallowed is lost, but never half a
// message: one that has begun is carried to its end.
func (p *Proxy) Silence(directions Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames.silent = directions
}

// Drop swallows the next n messages (not pings and the like) in a direction,
// over all WebSockets, and carries those after them: the receiver sees a gap.
func (p *Proxy) Drop(direction Direction, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames.of(direction).drop = n
}

// Swallowed is how many messages (not pings and the like) were swallowed in a
// direction so far.
func (p *Proxy) Swallowed(direction Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frames.of(direction).swallowed
}

// gate says which frames go through.
type gate struct {
	silent             Direction
	toClient, toServer lane
}

type lane struct{ drop, swallowed int }

func (g *gate) of(d Direction) *lane {
	if d == ToServer {
		return &g.toServer
	}
	return &g.toClient
}

// fate is what happens to the message whose frames are passing.
type fate struct{ swallow bool }

// admit decides about a frame. The first frame of a message decides for all of
// it; control frames stand for themselves.
func (p *Proxy) admit(d Direction, f header, message *fate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	silent, lane := p.frames.silent&d != 0, p.frames.of(d)
	switch {
	case f.control():
		return !silent
	case f.continuation():
		return !message.swallow
	case silent:
		message.swallow = true
	case lane.drop > 0:
		lane.drop--
		message.swallow = true
	default:
		message.swallow = false
	}
	if message.swallow {
		lane.swallowed++
	}
	return !message.swallow
}

// header is the head of a WebSocket frame (RFC 6455, section 5.2): its bytes,
// mask included, and the length of the payload that follows.
type header struct {
	raw    []byte
	opcode byte
	length int64
}

func (h header) control() bool      { return h.opcode&0x8 != 0 }
func (h header) continuation() bool { return h.opcode == 0 }

var errLength = errors.New("a frame longer than its length field may say")

func readHeader(r *bufio.Reader) (header, error) {
	raw := make([]byte, 2, 14)
	if _, err := io.ReadFull(r, raw); err != nil {
		return header{}, err
	}
	h := header{opcode: raw[0] & 0x0f, length: int64(raw[1] & 0x7f)}
	extended, mask := 0, 0
	switch h.length {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	if raw[1]&0x80 != 0 {
		mask = 4
	}
	h.raw = raw[:2+extended+mask]
	if _, err := io.ReadFull(r, h.raw[2:]); err != nil {
		return header{}, err
	}
	switch extended {
	case 2:
		h.length = int64(binary.BigEndian.Uint16(h.raw[2:]))
	case 8:
		length := binary.BigEndian.Uint64(h.raw[2:])
		if length > math.MaxInt64 {
			return header{}, errLength
		}
		h.length = int64(length)
	}
	return h, nil
}
