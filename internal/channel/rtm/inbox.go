package rtm

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
)

const (
	// floodLimit is how many messages of one person, over all sockets of this
	// node, may wait for their commit; what comes beyond is not taken. 429
	// would stop web clients for good, so they are told in words.
	floodLimit = 100
	// inboxFrames and inboxBytes bound what one socket has read ahead; then it
	// stops reading, and the network slows the sender down.
	inboxFrames = 128
	inboxBytes  = 512 << 10
	// acceptTimeout bounds one commit. Mobile clients mark a message as failed
	// after 5 s without an ack, so longer waiting would tell nobody anything.
	acceptTimeout = 10 * time.Second
)

// put queues a frame for the store, in order, and starts the goroutine that
// works the queue off. It waits while the queue is full.
func (s *session) put(f frame) {
	if !s.admit() {
		s.d.metrics.floods.Inc()
		s.traceIn(f, nil, "flood: more than 100 messages of this person wait")
		s.tell("Too many messages at once: some were not delivered. Please wait a moment and send them again.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.inbox) >= inboxFrames || (len(s.inbox) > 0 && s.waiting+len(f.raw) > inboxBytes) {
		if s.room == nil {
			s.room = sync.NewCond(&s.mu)
		}
		s.room.Wait()
	}
	s.inbox = append(s.inbox, f)
	s.waiting += len(f.raw)
	if !s.working {
		s.working = true
		s.d.crew.Go(s.workOff)
	}
}

// admit counts a message of the user and reports whether it may be taken.
func (s *session) admit() bool {
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	if s.user.unacknowledged >= floodLimit {
		return false
	}
	s.user.unacknowledged++
	return true
}

func (s *session) settled() {
	s.user.mu.Lock()
	s.user.unacknowledged--
	s.user.mu.Unlock()
}

// workOff handles queued frames in order and ends when none is left. A frame
// that was read is handled even if its socket has ended meanwhile.
func (s *session) workOff() {
	for {
		s.mu.Lock()
		if len(s.inbox) == 0 {
			s.inbox, s.working = nil, false
			s.mu.Unlock()
			return
		}
		f := s.inbox[0]
		s.inbox[0] = frame{}
		s.inbox = s.inbox[1:]
		s.waiting -= len(f.raw)
		if s.room != nil {
			s.room.Broadcast()
		}
		s.mu.Unlock()
		s.d.guard("accepting a message", func() { s.handle(f) })
		s.settled()
	}
}

func (s *session) handle(f frame) {
	ctx, cancel := context.WithTimeout(s.d.base, acceptTimeout)
	defer cancel()
	var err error
	if f.kind == frameClose {
		if err = s.d.Gateway.Finish(ctx, s.conv, "closed by the contact"); err == nil {
			s.ack(f.id, f.android)
		}
	} else {
		err = s.accept(ctx, f)
	}
	if err == nil {
		return
	}
	s.d.metrics.failed.Inc()
	s.traceIn(f, nil, "not stored: "+fault.Message(err))
	kind := fault.KindOf(err)
	s.d.Logger.Log(ctx, levelOf(kind), "rtm message not stored", "channel", s.conv.Channel, "conversation", s.conv.ID, "error", err)
	if f.kind == frameMessage {
		s.tell(sorry(kind, err))
	}
}

// sorry is what a person is told whose message could not be stored.
func sorry(kind fault.Kind, err error) string {
	switch kind {
	case fault.Invalid, fault.TooLarge, fault.Forbidden, fault.Conflict:
		return "Your message was not delivered: " + fault.Message(err)
	default:
		return "Your message could not be stored. Please send it again in a moment."
	}
}

// accept stores a message or an event. The ack is sent by the commit itself,
// before anybody hears of the entry, so that it comes before the answer.
func (s *session) accept(ctx context.Context, f frame) error {
	in := channel.Inbound{
		Conversation: s.conv, Content: f.content, Purpose: chat.Message, Raw: f.raw, Lang: firstOf(f.lang, s.lang),
	}
	if f.kind == frameEvent {
		in.Purpose = chat.Event
	}
	if f.id != nil {
		// The conversation stands for the user. The id comes first: clients take
		// the time for it, so what is said at one time by many stands together in
		// the index, and a commit touches few of its pages.
		in.DedupeKey = string(f.id) + "/" + strconv.FormatInt(int64(s.conv.Key), 36)
	}
	acked := false
	in.Committed = func(r channel.Receipt) {
		acked = true
		s.brought(r.Seq)
		s.ack(f.id, f.android)
	}
	r, err := s.d.Gateway.Accept(ctx, in)
	if err == nil && !acked {
		in.Committed(r)
	}
	if acked && err != nil && !errors.Is(err, context.Canceled) {
		// Stored and acknowledged; what failed is not the person's concern.
		s.d.Logger.Warn("rtm message stored, then an error", "conversation", s.conv.ID, "error", err)
		return nil
	}
	return err
}

// brought notes an entry that came over this socket, so that the feed does not
// show it there again. If the socket has ended, the entry belongs to the
// socket that the same client has opened since.
func (s *session) brought(seq int64) {
	if s.note(seq) {
		return
	}
	for _, other := range s.user.snapshot() {
		if other.reader == s.reader {
			other.note(seq)
		}
	}
}

// note reports false when the session has ended.
func (s *session) note(seq int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if seq > s.last {
		s.own = append(s.own, seq)
	}
	return true
}
