package socket

import (
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	const sec = int64(time.Second)
	g := &Group{opt: Options{PingInterval: 25 * time.Second, PongTimeout: 20 * time.Second, MessageTimeout: 60 * time.Second}}
	tests := []struct {
		name                 string
		now                  int64
		reading              bool
		heard, pinged, begun int64
		want                 due
	}{
		{name: "just opened", now: 101, heard: 100, reading: true, want: dueNothing},
		{name: "silent for the interval", now: 125, heard: 100, reading: true, want: duePing},
		{name: "pinged, still time", now: 144, heard: 100, pinged: 125, reading: true, want: dueNothing},
		{name: "pinged, no answer", now: 145, heard: 100, pinged: 125, reading: true, want: dueDead},
		{name: "answered", now: 145, heard: 126, pinged: 125, reading: true, want: dueNothing},
		{name: "answered, silent again", now: 151, heard: 126, pinged: 125, reading: true, want: duePing},
		{name: "the caller holds it back", now: 9999, heard: 100, pinged: 125, want: dueNothing},
		{name: "half a message, trickling", now: 160, heard: 159, begun: 100, reading: true, want: dueStalled},
		{name: "half a message, still time", now: 159, heard: 159, begun: 100, reading: true, want: dueNothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Session{group: g}
			s.nc.heard.Store(tt.heard * sec)
			s.pinged.Store(tt.pinged * sec)
			s.begun.Store(tt.begun * sec)
			s.reading.Store(tt.reading)
			if got := s.due(tt.now * sec); got != tt.want {
				t.Errorf("due = %d, want %d", got, tt.want)
			}
		})
	}
}

// After a pause of the whole process nobody is dropped in the first round.
func TestSweepAfterAPause(t *testing.T) {
	g, err := NewGroup(Options{PingInterval: time.Hour, PongTimeout: time.Nanosecond, MessageTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{group: g, running: true} // running: nothing is started for it
	s.nc.closed.Store(true)                // there is no connection to abort
	s.reading.Store(true)
	s.pinged.Store(1)
	g.sweepOnce([]*Session{s}, true)
	if s.Reason() != ReasonNone {
		t.Errorf("dropped as %s after a pause", s.Reason())
	}
	g.sweepOnce([]*Session{s}, false)
	if s.Reason() != ReasonDead {
		t.Errorf("reason %s, want dead", s.Reason())
	}
	if err := g.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
