package rtm

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/socket"
	"parley/internal/store"
)

// opening is what a socket's address asks for.
type opening struct {
	ticket
	mode channel.GreetingMode
	// again is set when the client comes back after a lost connection.
	again bool
}

// modeOf reads the flags clients append to the socket's address.
// ConnectionMode wins over isReconnect. The flag alone never suppresses the
// welcome of somebody who has no session, since W10 sends it on its first
// socket if the first rtm/start failed once.
func modeOf(connectionMode string, reconnect bool) (mode channel.GreetingMode, again bool) {
	switch connectionMode {
	case "Default":
		return channel.GreetIfIdle, false
	case "Start_New":
		return channel.GreetAnew, false
	case "Start_New_Resume_Agent":
		return channel.GreetAnewUnlessHuman, false
	case "Reconnect":
		return channel.GreetNever, true
	}
	if reconnect {
		return channel.GreetIfNew, true
	}
	return channel.GreetAlways, false
}

// upgrade turns a request with a good sid into a socket. The conversation is
// open and the welcome stored before the client hears that it is connected.
func (d *Driver) upgrade(w http.ResponseWriter, r *http.Request) error {
	if d.draining.Load() {
		return errDraining
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return fault.New(fault.Invalid, "this address speaks WebSocket; open it with one")
	}
	o, err := d.redeem(r)
	if err != nil {
		d.traceRefusal("upgrade", o.Bot, o.place(), err)
		return err
	}
	s, err := d.openSession(r.Context(), o)
	if err != nil {
		d.traceRefusal("upgrade", o.Bot, o.place(), err)
		return err
	}
	// From here on the session is found by its user and by a change of the
	// settings, since the client may act before Accept returns.
	d.join(s, userKey{s.conv.Channel, s.conv.Place})
	_, err = d.inForce(o.access)
	if err == nil && len(s.user.snapshot()) > maxSockets {
		err = errTooManySockets // sids can be collected before any is used
	}
	if err != nil {
		s.abandon()
		return err
	}
	sock, err := d.sockets.Accept(w, r)
	if err != nil {
		s.abandon()
		var handshake *socket.HandshakeError
		if errors.As(err, &handshake) {
			return handshake.Fault
		}
		return err
	}
	s.attach(sock)
	sock.Go(s.read)
	time.AfterFunc(d.FirstFrames, s.release)
	d.trace(o.Bot, o.place(), "in", "upgrade", func() string { return withoutSID(r.URL.RawQuery) }, "")
	return nil
}

// attach gives the session its socket.
func (s *session) attach(sock wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire = sock
	if s.unwanted {
		sock.Drop(socket.ReasonPolicy)
		return
	}
	s.d.confirming.addLocked(s) // its opening is a position too
	s.pumpLocked()
}

// abandon ends a session that never got its socket.
func (s *session) abandon() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.d.leave(s)
}

// expel ends a session whose bot or app is no longer in force.
func (s *session) expel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwanted = true
	if s.wire != nil {
		s.wire.Drop(socket.ReasonPolicy)
	}
}

func withoutSID(query string) string {
	var rest []string
	for _, part := range strings.Split(query, "&") {
		if !strings.HasPrefix(part, "sid=") {
			rest = append(rest, part)
		}
	}
	return strings.Join(rest, "&")
}

// redeem checks and spends the sid. It is spent last, so that a request that
// would be refused anyway does not cost it.
func (d *Driver) redeem(r *http.Request) (opening, error) {
	query := r.URL.Query()
	now := d.Now()
	var o opening
	if err := open(d.Signer, purposeSID, query.Get("sid"), now, &o.ticket); err != nil {
		return opening{}, fault.Wrap(err, fault.Unauthenticated, "the sid is not valid or older than 30 s; ask rtm/start for a new one")
	}
	a, err := d.inForce(o.access)
	if err != nil {
		return o, err
	}
	same := d.Origin(r)
	if origin := r.Header.Get("Origin"); !a.allowsOrigin(origin, same.Scheme+"://"+same.Host) {
		return o, fault.New(fault.Forbidden, "pages of origin %q may not use this app", cutRunes(cleanText(origin), 200))
	}
	o.mode, o.again = modeOf(query.Get("ConnectionMode"), o.Reconnect || isTrue(query.Get("isReconnect")))
	used, err := store.Do(r.Context(), d.Writer, store.UseOnce{Kind: "rtm-sid", Key: o.Nonce, ExpiresAt: now.Add(2 * sidLife)})
	if err != nil {
		return o, err
	}
	if !used.First {
		return o, fault.New(fault.Unauthenticated, "the sid was used before; ask rtm/start for a new one")
	}
	return o, nil
}

// openSession opens the conversation, subscribes, and has the welcome stored,
// in this order: nothing that is said from here on is missed.
func (d *Driver) openSession(ctx context.Context, o opening) (*session, error) {
	at, err := d.Gateway.Open(ctx, channel.Place{
		Channel: channelID(o.Bot), Type: Name, Key: o.place(), Mode: chat.LegFeed,
		Person: chat.Person{ExternalID: o.place(), Verified: !o.Anonymous, Name: o.Name},
	})
	if err != nil {
		return nil, err
	}
	conv := at.Conversation
	s := &session{
		d: d, conv: conv, app: o.App, reader: o.ID, lang: o.Lang, held: true, opened: conv.Seq, last: conv.Seq,
	}
	if o.again {
		if s.last, err = d.resumeAt(ctx, conv, o.ID); err != nil {
			return nil, err
		}
		s.behind = s.last < conv.Seq
	}
	s.confirm = position{asked: s.last, known: s.last, stored: -1, storedAt: d.Now()}
	s.cancel = d.Feed.Subscribe(conv.Key, s.last, s.hear)
	err = d.Gateway.Greet(ctx, channel.Greeting{Conversation: conv, Mode: o.mode, Lang: o.Lang})
	switch {
	case err == nil:
		return s, nil
	case fault.Is(err, fault.Unavailable) || ctx.Err() != nil:
		s.cancel()
		return nil, err
	}
	// A welcome that cannot be made is no reason to keep somebody out.
	d.Logger.Error("rtm greeting failed", "channel", conv.Channel, "conversation", conv.ID, "error", err)
	return s, nil
}

// maxResend is how far back a reconnect goes; history shows what is older.
const maxResend = 200

// resumeAt gives the position from which a client that comes back is sent what
// it missed. Positions are written lazily, so it may be too old, which means
// repeats with the same messageId, and never too new.
func (d *Driver) resumeAt(ctx context.Context, conv chat.Conversation, reader string) (int64, error) {
	seq, found, err := d.Log.Confirmed(ctx, conv.Key, reader)
	if err != nil {
		return 0, err
	}
	if !found {
		seq = 0
	}
	return min(max(seq, conv.Seq-maxResend), conv.Seq), nil
}
