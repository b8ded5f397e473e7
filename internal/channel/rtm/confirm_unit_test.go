package rtm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/socket"
	"parley/internal/store"
)

// fakeWire is a socket whose peer answers pings when told to.
type fakeWire struct {
	sent     [][]byte
	pings    []int64
	answered int64
}

func (w *fakeWire) Read() (socket.Type, []byte, error) { return 0, nil, errors.New("not used") }
func (w *fakeWire) Send(p []byte) error                { w.sent = append(w.sent, p); return nil }
func (w *fakeWire) Flush(context.Context) error        { return nil }
func (w *fakeWire) Queued() (int, int)                 { return 0, 0 }
func (w *fakeWire) Drop(socket.Reason)                 {}
func (w *fakeWire) Done() <-chan struct{}              { return nil }
func (w *fakeWire) Ping(mark int64)                    { w.pings = append(w.pings, mark) }
func (w *fakeWire) Answered() int64                    { return w.answered }

// positions is a store that keeps what was confirmed.
type positions struct {
	written []int64
	err     error
}

func (p *positions) Commit(_ context.Context, step store.Step) (any, error) {
	if p.err != nil {
		return nil, p.err
	}
	p.written = append(p.written, step.(store.ConfirmRead).Seq)
	return store.ConfirmedRead{}, nil
}

type unwatched struct{}

func (unwatched) Watched(chat.ChannelID, string) bool                { return false }
func (unwatched) Record(chat.ChannelID, string, channel.TraceRecord) {}

func confirmKit(t *testing.T) (*Driver, *session, *fakeWire, *positions, *time.Time) {
	t.Helper()
	m, err := newMetrics(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	now, w, p := testNow, &fakeWire{}, &positions{}
	d := &Driver{metrics: m, base: t.Context(), Options: Options{
		Writer: p, Now: func() time.Time { return now }, Trace: unwatched{},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}}
	d.state.Store(&state{bots: map[string]*bot{"st-1": testBot()}})
	d.confirming.sessions = map[*session]struct{}{}
	s := &session{d: d, wire: w, conv: chat.Conversation{ID: "cv-1", Channel: "st-1"}, last: 10, opened: 10}
	s.confirm = position{asked: 10, known: 10, stored: -1, storedAt: now}
	return d, s, w, p, &now
}

func (s *session) showForTest(seqs ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range seqs {
		s.showLocked(&chat.Entry{Seq: seq, CreatedAt: testNow, Draft: chat.Draft{
			Author: chat.Author{Kind: chat.ByAgent}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: chat.TextContent("x"),
		}})
	}
}

func TestConfirmFollowsPings(t *testing.T) {
	d, s, w, p, now := confirmKit(t)
	s.showForTest(11, 12)
	d.confirmAll(false)
	if len(w.pings) != 1 || w.pings[0] != 12 {
		t.Fatalf("pings %v, want one behind entry 12", w.pings)
	}
	s.showForTest(13)
	w.answered = 12
	d.confirmAll(false)
	if s.confirm.known != 12 {
		t.Errorf("known %d, want what the answered ping was behind", s.confirm.known)
	}
	if len(p.written) != 0 {
		t.Errorf("written at once: %v", p.written)
	}
	*now = now.Add(confirmEvery)
	d.confirmAll(false)
	if len(p.written) != 1 || p.written[0] != 12 {
		t.Errorf("written %v", p.written)
	}
	w.answered = 1 << 40 // a peer that lies about the future
	*now = now.Add(confirmEvery)
	d.confirmAll(false)
	d.confirmAll(false)
	if s.confirm.known != 13 || len(d.confirming.snapshot()) != 0 {
		t.Errorf("known %d, %d sessions still watched", s.confirm.known, len(d.confirming.snapshot()))
	}
	d.confirmAll(false)
	if len(w.pings) != 2 || len(p.written) != 2 {
		t.Errorf("an idle session is pinged or written: %v %v", w.pings, p.written)
	}
}

func TestConfirmSurvivesTheStore(t *testing.T) {
	d, s, w, p, now := confirmKit(t)
	s.showForTest(11)
	d.confirmAll(false)
	w.answered = 11
	p.err = fault.New(fault.Unavailable, "down")
	*now = now.Add(confirmEvery)
	d.confirmAll(false)
	p.err = nil
	*now = now.Add(confirmEvery)
	d.confirmAll(false)
	if len(p.written) != 1 || p.written[0] != 11 {
		t.Errorf("written %v after the store came back", p.written)
	}
	// A conversation that is gone is not asked for for ever.
	s.showForTest(12)
	d.confirmAll(false)
	w.answered = 12
	p.err = fault.New(fault.NotFound, "gone")
	*now = now.Add(confirmEvery)
	d.confirmAll(false)
	d.confirmAll(false)
	if n := len(d.confirming.snapshot()); n != 0 {
		t.Errorf("%d sessions are still watched", n)
	}
}

func TestConfirmOfAnEndedSocketIsWrittenAtOnce(t *testing.T) {
	d, s, w, p, _ := confirmKit(t)
	s.showForTest(11)
	d.confirmAll(false)
	w.answered = 11
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	d.confirmAll(false)
	if len(p.written) != 1 || p.written[0] != 11 {
		t.Errorf("written %v", p.written)
	}
	d.confirmAll(false)
	if n := len(d.confirming.snapshot()); n != 0 {
		t.Errorf("%d sessions are still watched", n)
	}
}

func TestReceipts(t *testing.T) {
	_, s, _, _, _ := confirmKit(t)
	s.showForTest(11, 12)
	for _, tt := range []struct {
		receipt string
		stamp   int64
		want    int64
	}{
		{"ms-2-12", 0, 10},                  // another conversation
		{"nonsense", 0, 10},                 //
		{"", 5, 10},                         // a timestamp we did not send
		{"ms-1-11", 0, 11},                  // read
		{"ms-1-10", 0, 11},                  // late
		{"ms-1-99", 0, 12},                  // the future
		{"", testNow.UnixMilli(), 12},       // an ack of the newest
		{"ms-1-9223372036854775807", 0, 12}, //
		{"ms-1--5", 0, 12},                  //
	} {
		s.receipt(frame{receipt: tt.receipt, stamp: tt.stamp})
		if s.confirm.known != tt.want {
			t.Errorf("after receipt %q %d: %d, want %d", tt.receipt, tt.stamp, s.confirm.known, tt.want)
		}
	}
}
