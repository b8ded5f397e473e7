package rtm

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/socket"
)

// wire is what a session needs of a socket.
type wire interface {
	Read() (socket.Type, []byte, error)
	Send(p []byte) error
	Flush(ctx context.Context) error
	// Ping has a ping written behind everything queued; Answered is the highest
	// mark that came back.
	Ping(mark int64)
	Answered() int64
	Queued() (messages, bytes int)
	Drop(reason socket.Reason)
	Done() <-chan struct{}
}

var _ wire = (*socket.Session)(nil)

// session is one open socket of a person. While nobody writes it owns no
// goroutine but the socket's reader.
type session struct {
	d    *Driver
	user *user
	conv chat.Conversation
	app  string
	// reader is the id of the access token, under which positions are kept.
	reader string
	lang   string
	cancel func() // ends the subscription

	mu sync.Mutex
	// wire is nil until the upgrade has been answered, and never changes after.
	wire   wire
	closed bool
	// unwanted is set when the session is to end as soon as it has a socket.
	unwanted bool

	// held keeps the first frames back: W10 loses a bot_response that arrives
	// together with the upgrade's answer while its history is empty.
	held bool
	// last is the sequence number of the last entry looked at for this socket.
	last int64
	// opened is the newest entry when the socket was opened. Entries up to it
	// are only looked at after a reconnect, and then only those of others.
	opened int64
	// behind says that the log holds more than was looked at; pumping, that a
	// goroutine reads it.
	behind, pumping bool
	// own are entries this socket brought and the feed has not passed yet.
	own []int64

	confirm position

	inbox   []frame
	waiting int // bytes in inbox
	working bool
	room    *sync.Cond // made when the inbox is full for the first time
}

// userKey names a person on a channel.
type userKey struct {
	channel chat.ChannelID
	place   string
}

// user is what the sockets of one person on this node share.
type user struct {
	key userKey

	mu       sync.Mutex
	sessions []*session
	// unacknowledged counts messages read and neither stored nor refused.
	unacknowledged int
	// told is when the person was last told that something was not taken.
	told time.Time
}

// join adds a session to its user.
func (d *Driver) join(s *session, key userKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.users[key]
	if u == nil {
		u = &user{key: key}
		d.users[key] = u
	}
	s.user = u
	u.mu.Lock()
	u.sessions = append(u.sessions, s)
	u.mu.Unlock()
}

// leave removes a session; a user without sessions is forgotten.
func (d *Driver) leave(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := s.user
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sessions = slices.DeleteFunc(u.sessions, func(o *session) bool { return o == s })
	if len(u.sessions) == 0 {
		u.sessions = nil
		delete(d.users, u.key)
	}
}

func (u *user) snapshot() []*session {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.sessions)
}

func (d *Driver) sessionsOf(key userKey) []*session {
	d.mu.Lock()
	u := d.users[key]
	d.mu.Unlock()
	if u == nil {
		return nil
	}
	return u.snapshot()
}

func (d *Driver) allSessions() []*session {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*session
	for _, u := range d.users {
		all = append(all, u.snapshot()...)
	}
	return all
}

// bot returns the bot as it is configured now; one that has just been removed
// is named by its id alone until its sockets are gone.
func (s *session) bot() *bot {
	if b := s.d.state.Load().bots[string(s.conv.Channel)]; b != nil {
		return b
	}
	b := &bot{id: string(s.conv.Channel)}
	b.tail = encodeTail(b)
	return b
}

// read takes frames from the socket until it ends.
func (s *session) read() {
	defer s.end()
	for {
		_, p, err := s.wire.Read()
		if err != nil {
			s.d.trace(string(s.conv.Channel), s.conv.Place, "note", "closed", func() string { return "" }, err.Error())
			return
		}
		s.receive(p)
	}
}

// end lets go of everything but the frames that were read already.
func (s *session) end() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.behind = false
	s.d.confirming.addLocked(s)
	s.mu.Unlock()
	s.d.leave(s)
}

// receive handles one client frame. What needs the store goes to the inbox.
func (s *session) receive(p []byte) {
	m := s.d.metrics
	f, err := readFrame(p)
	if err != nil {
		m.inIgnored.Inc()
		s.traceIn(f, p, err.Error())
		return
	}
	s.traceIn(f, p, f.why)
	switch f.kind {
	case framePing:
		m.inPing.Inc()
		s.send(pongFrame, m.outPong)
	case frameReceipt:
		m.inEvent.Inc()
		s.receipt(f)
	case frameTooLong:
		m.inIgnored.Inc()
		s.tell("Your message is too long and was not delivered. Please send it in parts of at most 16,000 characters.")
	case frameFile:
		m.inIgnored.Inc()
		s.tell("Files cannot be received here, so yours was not delivered. Please write what it is about.")
	case frameMessage, frameEvent, frameClose:
		if f.kind == frameMessage {
			m.inMessage.Inc()
		} else {
			m.inEvent.Inc()
		}
		s.put(f)
	default:
		m.inIgnored.Inc()
	}
}

// traceIn records a client frame without its tokens. One that could not be
// read is not shown, since tokens could not be found in it.
func (s *session) traceIn(f frame, p []byte, reason string) {
	kind := "frame"
	if reason != "" {
		kind = "refused"
	}
	s.d.trace(string(s.conv.Channel), s.conv.Place, "in", kind, func() string {
		if f.raw == nil {
			return ""
		}
		return string(f.raw)
	}, reason)
}

// send queues one frame. It fails only when the socket has ended, which the
// reader hears as well.
func (s *session) send(p []byte, count prometheus.Counter) {
	if s.wire.Send(p) == nil {
		count.Inc()
	}
	s.d.trace(string(s.conv.Channel), s.conv.Place, "out", "frame", func() string { return string(p) }, "")
}

// tellPause is how long a person is not told again that something failed.
const tellPause = 5 * time.Second

// tell says something that is no part of the conversation, since the protocol
// has no error frame. It is said once per [tellPause] and person.
func (s *session) tell(text string) {
	now := s.d.Now()
	s.user.mu.Lock()
	quiet := !s.user.told.IsZero() && now.Sub(s.user.told) < tellPause
	if !quiet {
		s.user.told = now
	}
	s.user.mu.Unlock()
	if quiet {
		return
	}
	s.send(responseFrame(s.bot(), said{id: "ms-" + uuid.NewString(), at: now, content: chat.TextContent(text)}), s.d.metrics.outTell)
}

// ack acknowledges a stored frame.
func (s *session) ack(id json.RawMessage, android bool) {
	s.send(ackFrame(id, android), s.d.metrics.outAck)
}
