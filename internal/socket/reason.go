package socket

import "fmt"

// Reason says why a session ended. It doubles as a metric label through
// [Reason.String].
type Reason uint8

// The closed set of reasons. Those with a close code end with a close frame
// when [Session.Close] is used; those without end by dropping the TCP
// connection, which a peer sees as 1006.
const (
	// ReasonNone is a session that has not ended.
	ReasonNone Reason = iota
	// ReasonPeerClosed is a peer that sent a close frame; [EndError.Code] and
	// [EndError.Text] are what it said.
	ReasonPeerClosed
	// ReasonPeerLost is a connection that ended or failed without a close frame.
	ReasonPeerLost
	// ReasonNormal is an ending we chose and do not want undone.
	ReasonNormal
	// ReasonProtocol is a peer that broke RFC 6455.
	ReasonProtocol
	// ReasonBadText is a text message that is not UTF-8.
	ReasonBadText
	// ReasonPolicy is a peer that was refused: blocked, or over its rate.
	ReasonPolicy
	// ReasonTooLarge is a message above [Options.ReadLimit].
	ReasonTooLarge
	// ReasonFault is an error of ours, a panic in the reader included.
	ReasonFault
	// ReasonSlowReader is a peer that does not read what it is sent.
	ReasonSlowReader
	// ReasonDead is a peer that left a ping unanswered.
	ReasonDead
	// ReasonStalled is a peer that began a message and did not finish it.
	ReasonStalled
	// ReasonRestart is this process going away for a moment.
	ReasonRestart

	reasonCount
)

// Returns says which clients open a new session after one has ended, as
// observed with the chat SDKs of the "kore-rtm" sheet (web SDK 10.1.12 run,
// the mobile ones read in source).
type Returns uint8

const (
	// AllReturn is an ending without a close frame: every client comes back.
	AllReturn Returns = iota
	// MostReturn is a close frame with a code other than 1000: iOS stays away.
	MostReturn
	// FewReturn is a close frame with 1000: only web and Android come back.
	FewReturn
)

// ending is one line of the table of close reasons.
type ending struct {
	name string
	code int // sent in the close frame; 0 drops the connection without one
	hard bool
}

// endings is the table. hard endings reset the connection, so that the kernel
// does not keep the unsent bytes of a peer that will never read them; after a
// soft one what is already in the kernel still reaches the peer.
// It is never written to.
var endings = [reasonCount]ending{
	ReasonNone:       {name: "none"},
	ReasonPeerClosed: {name: "peer_closed"},
	ReasonPeerLost:   {name: "peer_lost"},
	ReasonNormal:     {name: "normal", code: 1000},
	ReasonProtocol:   {name: "protocol", code: 1002},
	ReasonBadText:    {name: "bad_text", code: 1007},
	ReasonPolicy:     {name: "policy", code: 1008},
	ReasonTooLarge:   {name: "too_large", code: 1009},
	ReasonFault:      {name: "fault", code: 1011},
	ReasonSlowReader: {name: "slow_reader", hard: true},
	ReasonDead:       {name: "dead", hard: true},
	ReasonStalled:    {name: "stalled", hard: true},
	ReasonRestart:    {name: "restart"},
}

// Reasons lists every way a session can end, for metrics and documentation.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := ReasonNone + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the stable name, such as "slow_reader".
func (r Reason) String() string {
	if r >= reasonCount {
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
	return endings[r].name
}

// Code returns the close code a session ended for this reason sends, or 0
// when the connection is dropped without a close frame.
func (r Reason) Code() int {
	if r >= reasonCount {
		return 0
	}
	return endings[r].code
}

// Returns says which clients come back after an ending of ours for this reason.
func (r Reason) Returns() Returns {
	switch r.Code() {
	case 0:
		return AllReturn
	case 1000:
		return FewReturn
	default:
		return MostReturn
	}
}

// EndError is what Read, Send and Flush return once a session has ended.
type EndError struct {
	// Reason is why, and the label to count it under.
	Reason Reason
	// Code is the close code that was sent or, for [ReasonPeerClosed],
	// received (1005 when the peer gave none). It is 0 without a close frame.
	Code int
	// Text is the peer's own words for its close, at most 123 bytes, not to be
	// trusted.
	Text string
	// Cause is for the log. It may be nil.
	Cause error
}

// Error gives the text for the log.
func (e *EndError) Error() string {
	text := "session ended: " + e.Reason.String()
	if e.Code != 0 {
		text += fmt.Sprintf(" (%d)", e.Code)
	}
	if e.Text != "" {
		text += fmt.Sprintf(" %q", e.Text)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *EndError) Unwrap() error { return e.Cause }
