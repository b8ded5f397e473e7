package faultproxy

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestReadHeader(t *testing.T) {
	for _, test := range []struct {
		name   string
		bytes  string
		opcode byte
		length int64
		head   int
	}{
		{"empty text", "\x81\x00", 1, 0, 2},
		{"short text", "\x81\x7dx", 1, 125, 2},
		{"masked ping", "\x89\x84mask", 9, 4, 6},
		{"16 bit length", "\x82\x7e\x01\x02", 2, 0x102, 4},
		{"masked 16 bit length", "\x82\xfe\x01\x02mask", 2, 0x102, 8},
		{"64 bit length", "\x00\x7f\x00\x00\x00\x01\x00\x00\x00\x02", 0, 1<<32 + 2, 10},
	} {
		h, err := readHeader(bufio.NewReader(strings.NewReader(test.bytes + "rest")))
		if err != nil || h.opcode != test.opcode || h.length != test.length || string(h.raw) != test.bytes[:test.head] {
			t.Errorf("%s: %+v %v, want opcode %d, length %d, %d bytes", test.name, h, err, test.opcode, test.length, test.head)
		}
	}
	for _, bad := range []string{"", "\x81", "\x81\x7e\x01", "\x81\x84mas", "\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"} {
		if h, err := readHeader(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q: %+v, want an error", bad, h)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x89\x84mask1234"))
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all := bytes.NewReader(data)
		r := bufio.NewReader(all)
		var seen int64
		for {
			h, err := readHeader(r)
			if err != nil {
				return
			}
			if h.length < 0 || len(h.raw) < 2 || len(h.raw) > 14 {
				t.Fatalf("header %+v", h)
			}
			n, err := io.CopyN(io.Discard, r, h.length)
			if seen += int64(len(h.raw)) + n; seen > int64(len(data)) {
				t.Fatalf("read %d of %d bytes", seen, len(data))
			}
			if err != nil {
				return
			}
		}
	})
}

// A message in several frames passes or vanishes as a whole, whatever is
// switched meanwhile; pings in between stand for themselves.
func TestAdmitKeepsMessagesWhole(t *testing.T) {
	text, more, ping := header{opcode: 1}, header{opcode: 0}, header{opcode: 9}
	p := &Proxy{}
	var message fate
	step := func(what string, f header, want bool) {
		t.Helper()
		if got := p.admit(ToClient, f, &message); got != want {
			t.Errorf("%s: admitted %v, want %v", what, got, want)
		}
	}
	step("a first frame", text, true)
	p.Silence(ToClient)
	step("its second, silent by now", more, true)
	step("a ping in the silence", ping, false)
	step("a message in the silence", text, false)
	p.Silence(ToServer)
	step("its second, after the silence", more, false)
	step("a ping after the silence", ping, true)
	step("the next message", text, true)
	p.Drop(ToClient, 1)
	step("the rest of a message before the drop", more, true)
	step("a ping before the drop", ping, true)
	step("the dropped message", text, false)
	step("the rest of the dropped message", more, false)
	step("the message after it", text, true)
	if got := p.Swallowed(ToClient); got != 2 {
		t.Errorf("swallowed %d messages, want 2", got)
	}
}
