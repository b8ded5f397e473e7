package rtm_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/channel/rtm/rtmtest"
	"parley/internal/chat"
	"parley/internal/testkit/wait"
)

func by(kind chat.AuthorKind, text string) chat.Entry {
	return rtmtest.Said(kind, chat.TextContent(text))
}

func (k *kit) add(user string, entries ...chat.Entry) {
	k.t.Helper()
	if err := k.Add(botID, place(user), entries...); err != nil {
		k.t.Fatal(err)
	}
}

func TestFirstFramesAreHeldBack(t *testing.T) {
	k := start(t, nil)
	// W10 loses what comes with the 101 answer; from 20 ms on it is shown. A
	// busy machine may hand both to us at once; not each time.
	var after time.Duration
	for try := 0; try < 20 && after < 40*time.Millisecond; try++ {
		s, _ := k.login(fmt.Sprint("ann-", try))
		f := k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
		after = f.At.Sub(s.Opened())
	}
	if after < 40*time.Millisecond {
		t.Errorf("the first frame came %v after the upgrade", after)
	}
}

func TestHistoryReleasesFirstFrames(t *testing.T) {
	k := start(t, func(_ *kit, o *rtm.Options) { o.FirstFrames = time.Hour })
	s, token := k.login("ann")
	page, err := k.client("ann").History(k.ctx, token, "limit=10")
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("the welcome is not in the history before the upgrade is answered: %v %+v", err, page)
	}
	f := k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	if f.MessageID != page.Messages[0].ID {
		t.Error("the welcome has two ids and would be shown twice")
	}
}

func TestWhoSaysWhat(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	desk := by(chat.ByAgent, "desk only")
	desk.Visibility = chat.VisibleToDesk
	edit := by(chat.ByAssistant, "an edit")
	edit.Purpose, edit.Target = chat.Edit, 1
	k.add("ann", desk, edit, by(chat.ByAgent, "agent here"), by(chat.BySystem, "a notice"), by(chat.ByAssistant, "  "))
	agent := k.must(s.ExpectText(k.ctx, "bot_response", "agent here"))
	notice := k.must(s.ExpectText(k.ctx, "bot_response", "a notice"))
	checkResponse(t, agent)
	if !agent.FromAgent || notice.FromAgent {
		t.Errorf("fromAgent: agent %v, system %v", agent.FromAgent, notice.FromAgent)
	}
	if rest := k.settle(s); len(rest) != 0 {
		t.Errorf("also sent: %s", summary(rest))
	}
}

func TestTyping(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	for state, want := range map[channel.TypingState]string{channel.TypingStarted: "typing", channel.TypingStopped: "stoptyping"} {
		k.Tell(botID, place("ann"), channel.News{Typing: state})
		f := k.must(s.ExpectType(k.ctx, "events"))
		if !strings.Contains(string(f.Message), `"type":"`+want+`"`) || f.From != "bot" {
			t.Errorf("typing frame %s", f.Raw)
		}
	}
}

func TestLostNewsAreReadFromTheLog(t *testing.T) {
	var silent atomic.Bool
	k := start(t, func(k *kit, _ *rtm.Options) { k.Silent = silent.Load })
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	silent.Store(true)
	for i := range 250 {
		k.add("ann", by(chat.ByAgent, fmt.Sprint("line ", i)))
	}
	silent.Store(false)
	k.Tell(botID, place("ann"), channel.News{}) // "there may be something to read"
	for i := range 250 {
		f := k.must(s.Expect(k.ctx, "the next line", func(f rtmtest.Frame) bool { return f.Type == "bot_response" }))
		if f.Text() != fmt.Sprint("line ", i) {
			t.Fatalf("got %q as line %d", f.Text(), i)
		}
	}
	// A gap between two news is filled in order.
	silent.Store(true)
	k.add("ann", by(chat.ByAgent, "lost"))
	silent.Store(false)
	k.add("ann", by(chat.ByAgent, "told"))
	k.must(s.ExpectText(k.ctx, "bot_response", "lost"))
	k.must(s.ExpectText(k.ctx, "bot_response", "told"))
	if rest := k.settle(s); len(rest) != 0 {
		t.Errorf("repeats: %s", summary(rest))
	}
}

func TestFeedSurvivesALogThatFails(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	before := k.Reads()
	k.SetDown(rtmtest.Unavailable())
	k.Tell(botID, place("ann"), channel.News{})
	wait.For(t, patience, func() bool { return k.Reads() > before }, "the log to be asked")
	k.SetDown(nil)
	k.add("ann", by(chat.ByAgent, "after the failure"))
	k.must(s.ExpectText(k.ctx, "bot_response", "after the failure"))
}

func TestContiguousNewsNeedNoLog(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("ann")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	k.settle(s)
	before := k.Reads()
	for range 20 {
		k.settle(s)
	}
	if got := k.Reads() - before; got != 0 {
		t.Errorf("20 turns read the log %d times", got)
	}
}

// answers lists what a reconnecting client is sent, up to the barrier.
func (k *kit) answers(s *rtmtest.Socket) []string {
	k.t.Helper()
	var all []string
	for _, f := range k.settle(s) {
		all = append(all, f.Type+" "+f.Text())
	}
	return all
}

// deaf opens a socket that confirms nothing by itself.
func (k *kit) deaf(user, token string) *rtmtest.Socket {
	k.t.Helper()
	address, err := k.client(user).Start(k.ctx, token, "")
	if err != nil {
		k.t.Fatal(err)
	}
	s, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{NoPong: true, HTTP: k.server.Client()})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.listen(s)
}

func TestReconnectSendsTheRestAgain(t *testing.T) {
	k := start(t, nil)
	token := k.grant("ann")
	s := k.deaf("ann", token)
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	if err := s.Say(k.ctx, 1, "one"); err != nil {
		t.Fatal(err)
	}
	read := k.must(s.ExpectText(k.ctx, "bot_response", "You said: one"))
	k.add("ann", by(chat.ByAgent, "unread"))
	unread := k.must(s.ExpectText(k.ctx, "bot_response", "unread"))
	k.send(s, fmt.Sprintf(`{"event":"message_read","resourceid":"/bot.message","messageId":%q,"message":{}}`, read.MessageID))
	k.settle(s) // the receipt has been handled
	_ = s.Drop()
	wait.For(t, patience, func() bool { return k.Position(botID, place("ann")) == 3 }, "what was read to be written after the socket ended")
	k.add("ann", by(chat.ByAssistant, "meanwhile"))

	again := k.connect("ann", token, "isReconnect=true")
	got := slices.DeleteFunc(k.answers(again), func(line string) bool { return strings.Contains(line, "barrier") })
	if diff := cmp.Diff([]string{"bot_response unread", "bot_response meanwhile"}, got); diff != "" {
		t.Errorf("after a reconnect (-want +got):\n%s", diff)
	}
	// The same message has the same id, so that clients can drop the repeat.
	for _, f := range again.Pending() {
		if f.Text() == "unread" && f.MessageID != unread.MessageID {
			t.Errorf("sent again as %s, was %s", f.MessageID, unread.MessageID)
		}
	}

	fresh, err := k.client("ann").Grant(k.ctx)
	if err != nil {
		t.Fatal(err)
	}
	page := k.connect("ann", fresh.Authorization.AccessToken, "")
	for _, line := range k.answers(page) {
		if line != "bot_response Hello!" {
			t.Errorf("a fresh page was sent what it reads as history: %s", line)
		}
	}
}

func TestReconnectOfAndroidUsesAnewToken(t *testing.T) {
	k := start(t, nil)
	s, _ := k.login("phone")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	_ = s.Drop()
	wait.For(t, patience, func() bool { return k.Position(botID, place("phone")) >= 0 }, "the opening to be written")
	k.add("phone", by(chat.ByAgent, "meanwhile"))
	c := k.client("phone")
	g, err := c.Grant(k.ctx)
	if err != nil {
		t.Fatal(err)
	}
	// Android says so in the start request.
	address, err := c.Start(k.ctx, g.Authorization.AccessToken, "isReconnect=true")
	if err != nil {
		t.Fatal(err)
	}
	sock, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.listen(sock)
	if diff := cmp.Diff([]string{"bot_response meanwhile"}, k.answers(sock)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestConnectionModes(t *testing.T) {
	k := start(t, nil)
	for _, tt := range []struct {
		flags string
		want  channel.GreetingMode
	}{
		{"", channel.GreetAlways},
		{"isDebugging=true", channel.GreetAlways},
		{"isReconnect=false", channel.GreetAlways},
		{"isReconnect=true", channel.GreetIfNew},
		{"ConnectionMode=Default", channel.GreetIfIdle},
		{"ConnectionMode=Start_New", channel.GreetAnew},
		{"ConnectionMode=Start_New_Resume_Agent", channel.GreetAnewUnlessHuman},
		{"ConnectionMode=Reconnect", channel.GreetNever},
		{"isReconnect=true&ConnectionMode=Start_New", channel.GreetAnew},
		{"ConnectionMode=Nonsense&isReconnect=true", channel.GreetIfNew},
	} {
		_ = k.connect("ann", k.grant("ann"), tt.flags)
		modes := k.Greetings()
		if got := modes[len(modes)-1]; got != tt.want {
			t.Errorf("%q greets in mode %d, want %d", tt.flags, got, tt.want)
		}
	}
}

func TestFirstSocketThatClaimsToReconnect(t *testing.T) {
	// W10 sends isReconnect on its first socket if the first start failed once.
	k := start(t, nil)
	s := k.connect("new", k.grant("new"), "isReconnect=true")
	k.must(s.ExpectText(k.ctx, "bot_response", "Hello!"))
	k.settle(s)
	_ = s.Drop()
	s = k.connect("new", k.grant("new"), "isReconnect=true")
	for _, f := range k.settle(s) {
		if f.Text() == "Hello!" {
			t.Error("a welcome was sent again after a reconnect")
		}
	}
}

func TestReconnectWithoutAnyPosition(t *testing.T) {
	// A crash may come before the first position was written: no gap.
	k := start(t, nil)
	if _, err := k.Open(k.ctx, channel.Place{Channel: botID, Type: rtm.Name, Key: place("ann"), Mode: chat.LegFeed, Person: chat.Person{ExternalID: place("ann")}}); err != nil {
		t.Fatal(err)
	}
	k.add("ann", by(chat.ByContact, "asked before"), by(chat.ByAgent, "said before"))
	s := k.connect("ann", k.grant("ann"), "ConnectionMode=Reconnect")
	if diff := cmp.Diff([]string{"bot_response said before"}, k.answers(s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
