package rtm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/socket"
	"parley/internal/testkit/wait"
)

func TestBadFramesAreIgnored(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	for _, bad := range []string{
		``, `null`, `[]`, `"text"`, `{`, `{"message":`, `{"message":"text"}`, `{"message":{"body":{"a":1}}}`,
		`{"resourceid":"/bot.message"}`, `{"resourceid":"/bot.message","message":{}}`, `{"resourceid":"/bot.message","message":{"body":"  "}}`,
		`{"resourceid":"/other","message":{"body":"x"}}`, `{"event":"bad name!","message":{"body":"x"}}`, `{"event":"typing"}`,
		`{"type":"ack","clientMessageId":1,"replyto":1,"status":"delivered","id":1}`,
		strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000),
	} {
		k.send(s, bad)
	}
	if rest := k.settle(s); len(rest) != 0 {
		t.Errorf("answered with %s", summary(rest))
	}
	if got := k.Inbound(); len(got) != 1 {
		t.Errorf("%d frames were accepted", len(got))
	}
	refused := 0
	for _, r := range k.trace.Records() {
		if r.Direction == "in" && r.Kind == "refused" && r.Reason != "" {
			refused++
		}
	}
	if refused < 12 {
		t.Errorf("only %d of the bad frames are shown to who watches", refused)
	}
}

func TestTextThatIsHardToStore(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann")
	k.send(s, `{"clientMessageId":1,"resourceid":"/bot.message","message":{"body":"a\u0000b \ud800 😀","customData":{"k\u0000":"v\u0000"}}}`)
	k.must(s.ExpectAck(k.ctx, "1"))
	in := k.Inbound()[0]
	if in.Content.Text != "ab \uFFFD 😀" {
		t.Errorf("text %q", in.Content.Text)
	}
	if all := string(in.Raw) + string(in.Content.Custom); strings.Contains(all, `\u0000`) || !json.Valid(in.Raw) {
		t.Errorf("raw and custom still hold NUL: %s", all)
	}
	// Bytes that are not UTF-8 can come in a binary frame.
	address, err := k.client("ann").Start(k.ctx, token, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{Binary: true})
	if err != nil {
		t.Fatal(err)
	}
	k.listen(b)
	k.send(b, []byte("{\"clientMessageId\":2,\"resourceid\":\"/bot.message\",\"message\":{\"body\":\"x\xff\",\"customData\":{\"a\":\"\xfe\"}}}"))
	k.must(b.ExpectAck(k.ctx, "2"))
	if in := k.Inbound()[1]; in.Content.Text != "x\uFFFD" || !strings.Contains(string(in.Content.Custom), "\uFFFD") {
		t.Errorf("text %q custom %q", in.Content.Text, in.Content.Custom)
	}
}

func TestFramesThatAreTooLarge(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.send(s, `{"clientMessageId":1,"resourceid":"/bot.message","message":{"body":"`+strings.Repeat("é", rtm.MaxText+1)+`"}}`)
	f := k.must(s.Expect(k.ctx, "the notice", func(f rtmtest.Frame) bool { return strings.Contains(f.Text(), "too long") }))
	checkResponse(t, f)
	k.send(s, `{"clientMessageId":2,"resourceid":"/bot.message","message":{"body":"`+strings.Repeat("é", rtm.MaxText)+`"}}`)
	k.must(s.ExpectAck(k.ctx, "2"))
	k.ahead.Add(int64(time.Minute)) // people are told again after a while
	k.send(s, `{"clientMessageId":3,"resourceid":"/bot.message","message":{"attachments":[{"fileId":"f"}]}}`)
	k.must(s.Expect(k.ctx, "the notice", func(f rtmtest.Frame) bool { return strings.Contains(f.Text(), "Files cannot") }))
	if got := len(k.Inbound()); got != 1 {
		t.Errorf("%d messages were accepted, want the one that fits", got)
	}

	other, _ := k.login("bob")
	_ = s.Send(k.ctx, []byte(`{"a":"`+strings.Repeat("x", 10<<20)+`"}`)) // may fail when the server has hung up already
	if err := s.Ended(k.ctx); err == nil || k.ctx.Err() != nil {
		t.Errorf("a frame of 10 MB: %v", err)
	}
	k.settle(other)
}

func TestRepeats(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	frame := `{"clientMessageId":42,"id":42,"resourceid":"/bot.message","message":{"body":"once"}}`
	for range 3 {
		k.send(s, frame)
		k.must(s.ExpectAck(k.ctx, "42"))
	}
	k.send(s, strings.ReplaceAll(frame, "42", `"42"`)) // another id: its type differs
	k.must(s.ExpectAck(k.ctx, `"42"`))
	if got := len(k.Inbound()); got != 2 {
		t.Errorf("%d entries, want 2", got)
	}
}

func TestFlood(t *testing.T) {
	release := make(chan struct{})
	reg := prometheus.NewRegistry()
	k := start(t, func(k *kit, o *rtm.Options) {
		o.Metrics, o.Now = reg, stopped()
		k.Before = func(ctx context.Context, _ channel.Inbound) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	one, token := k.login("ann")
	two := k.connect("ann", token, "")
	bob, _ := k.login("bob")
	for i := range 150 {
		s := []*rtmtest.Socket{one, two}[i%2]
		if err := s.Say(k.ctx, int64(i), fmt.Sprint("message ", i)); err != nil {
			t.Fatal(err)
		}
	}
	k.send(one, `{"type":"ping","id":1}`)
	k.send(two, `{"type":"ping","id":1}`)
	k.must(one.ExpectType(k.ctx, "pong")) // the reader goes on
	k.must(two.ExpectType(k.ctx, "pong"))
	close(release)
	k.settle(bob)
	wait.For(t, patience, func() bool { return len(k.Inbound()) == 101 }, "100 messages of ann and one of bob to be stored")
	notices, acks := 0, 0
	for _, s := range []*rtmtest.Socket{one, two} {
		for _, f := range k.settle(s) {
			switch {
			case strings.Contains(f.Text(), "Too many messages"):
				notices++
			case f.Type == "ack":
				acks++
			}
		}
	}
	if notices != 1 || acks != 100 {
		t.Errorf("%d notices and %d acks, want 1 and 100", notices, acks)
	}
	if n := counter(t, reg, "parley_rtm_floods_total"); n != 50 {
		t.Errorf("%v floods counted, want 50", n)
	}
}

// stopped is a clock that does not go on: people are told again after a while,
// which a busy machine may take for a test.
func stopped() func() time.Time {
	now := time.Now()
	return func() time.Time { return now }
}

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			total := 0.0
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
			return total
		}
	}
	return 0
}

func TestMetricsAreRegistered(t *testing.T) {
	reg := prometheus.NewRegistry()
	k := start(t, func(_ *kit, o *rtm.Options) { o.Metrics = reg })
	s, _ := k.login("ann")
	k.settle(s)
	k.do("GET", "/api/nowhere", nil, "")
	for name, want := range map[string]float64{"parley_rtm_sockets_open": 1, "parley_rtm_frames_in_total": 1, "parley_rtm_refused_total": 1} {
		if got := counter(t, reg, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) != 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestFailuresAreToldOnceInAWhile(t *testing.T) {
	k := start(t, func(k *kit, o *rtm.Options) {
		o.Now = stopped()
		k.Before = func(_ context.Context, in channel.Inbound) error {
			if strings.HasPrefix(in.Content.Text, "fail") {
				return fault.New(fault.Unavailable, "disk full")
			}
			return nil
		}
	})
	s, _ := k.login("ann")
	for i := range 5 {
		if err := s.Say(k.ctx, int64(i), "fail"); err != nil {
			t.Fatal(err)
		}
	}
	notices := 0
	for _, f := range k.settle(s) {
		if strings.Contains(f.Text(), "could not be stored") {
			notices++
			if strings.Contains(f.Text(), "disk full") {
				t.Error("the inner reason was shown")
			}
		} else if f.Type == "ack" {
			t.Errorf("acknowledged %s", f.Raw)
		}
	}
	if notices != 1 {
		t.Errorf("told %d times", notices)
	}
}

// TestMessageReadIsStored has the client vanish right after sending.
func TestMessageReadIsStored(t *testing.T) {
	var passed atomic.Bool
	entered, release := make(chan struct{}), make(chan struct{})
	k := start(t, func(k *kit, _ *rtm.Options) {
		k.Before = func(context.Context, channel.Inbound) error {
			if passed.CompareAndSwap(false, true) {
				close(entered)
				<-release
			}
			return nil
		}
	})
	s, _ := k.login("ann")
	for i := range 3 {
		if err := s.Say(k.ctx, int64(i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	k.send(s, `{"type":"ping"}`)
	k.must(s.ExpectType(k.ctx, "pong"))
	<-entered
	_ = s.Drop()
	wait.For(t, patience, func() bool { return k.Subscribers() == 0 }, "the socket to end")
	close(release)
	wait.For(t, patience, func() bool { return len(k.Inbound()) == 3 }, "all three to be stored")
}

func TestSlowReaderIsDroppedAlone(t *testing.T) {
	k := start(t, func(_ *kit, o *rtm.Options) {
		o.Sockets = socket.Options{QueueMessages: 16, QueueBytes: 64 << 10}
	})
	fast, _ := k.login("bob")
	address, err := k.client("ann").Start(k.ctx, k.grant("ann"), "")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reads from this one.
	slow, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Drop() }()
	big := strings.Repeat("x", 32<<10)
	wait.For(t, 2*patience, func() bool {
		k.add("ann", by(chat.ByAgent, big))
		return k.Subscribers() == 1
	}, "the slow reader to be dropped")
	k.settle(fast)
}

func TestNoGoroutineButTheReaderPerIdleSession(t *testing.T) {
	const sessions = 50
	k := start(t, nil)
	k.Welcome = ""
	var open []*rtmtest.Socket
	before := 0
	for i := range sessions + 1 {
		s, _, err := k.client(fmt.Sprint("user-", i)).Login(k.ctx)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
		if i == 0 {
			wait.For(t, patience, func() bool { n := runtime.NumGoroutine(); same := n == before; before = n; return same }, "the first session to be idle")
		}
	}
	defer func() {
		for _, s := range open {
			_ = s.Drop()
		}
	}()
	// The clients' transport keeps idle connections to the HTTP side.
	k.server.Client().CloseIdleConnections()
	wait.For(t, patience, func() bool { return runtime.NumGoroutine() <= before+sessions+2 },
		fmt.Sprintf("at most one goroutine per session over %d", before))
}

func TestGreetingFailureKeepsNobodyOut(t *testing.T) {
	k := start(t, func(k *kit, o *rtm.Options) { o.Gateway = failingGreeter{k.Gateway} })
	s, _ := k.login("ann")
	k.settle(s)
}

type failingGreeter struct{ *rtmtest.Gateway }

func (failingGreeter) Greet(context.Context, channel.Greeting) error {
	return fault.New(fault.Internal, "broken flow")
}

func TestSlowBodyDoesNotBlockOthers(t *testing.T) {
	k := start(t, nil)
	host := strings.TrimPrefix(k.server.URL, "http://")
	var d net.Dialer
	for range 64 {
		c, err := d.DialContext(k.ctx, "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := fmt.Fprintf(c, "POST /api/rtm/start HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	k.grant("ann")
}
