package socket

import (
	"time"

	"parley/internal/fault"
)

// Options bound what the sessions of a group may cost. A zero value means the
// default; a negative one is refused.
type Options struct {
	// MaxSessions is how many may be open at once. Default 10,000.
	MaxSessions int
	// ReadLimit is the largest message accepted, in bytes. Default 64 KiB.
	ReadLimit int
	// QueueMessages and QueueBytes bound what waits to be written to one
	// session. One message above QueueBytes is still taken when nothing else
	// waits. Defaults 256 and 1 MiB.
	QueueMessages int
	QueueBytes    int
	// WriteTimeout bounds one write to the connection. Default 10 s.
	WriteTimeout time.Duration
	// MessageTimeout bounds the time from the first frame of a message to its
	// last byte. Default 60 s.
	MessageTimeout time.Duration
	// PingInterval is how long a peer may be silent before it is pinged.
	// Default 25 s, below the idle limit of common proxies.
	PingInterval time.Duration
	// PongTimeout is how long a peer may be silent after a ping. Default 20 s.
	PongTimeout time.Duration
	// OnEnd, when set, hears of each ended session once, after its connection
	// is gone and before Done is closed. It is called from a goroutine of the
	// session and must not block.
	OnEnd func(*Session, *EndError)
}

// withDefaults returns o with its zero fields filled in, or a fault that names
// the field that cannot be used.
func (o Options) withDefaults() (Options, error) {
	numbers := []struct {
		field string
		value *int
		def   int
	}{
		{"max_sessions", &o.MaxSessions, 10_000},
		{"read_limit", &o.ReadLimit, 64 << 10},
		{"queue_messages", &o.QueueMessages, 256},
		{"queue_bytes", &o.QueueBytes, 1 << 20},
	}
	for _, n := range numbers {
		if *n.value < 0 {
			return o, fault.Field(n.field, "is %d; give a number above 0, or leave it out for %d", *n.value, n.def)
		}
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	times := []struct {
		field string
		value *time.Duration
		def   time.Duration
	}{
		{"write_timeout", &o.WriteTimeout, 10 * time.Second},
		{"message_timeout", &o.MessageTimeout, time.Minute},
		{"ping_interval", &o.PingInterval, 25 * time.Second},
		{"pong_timeout", &o.PongTimeout, 20 * time.Second},
	}
	for _, t := range times {
		if *t.value < 0 {
			return o, fault.Field(t.field, "is %s; give a time above 0, or leave it out for %s", *t.value, t.def)
		}
		if *t.value == 0 {
			*t.value = t.def
		}
	}
	return o, nil
}
