package conversation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/store"
)

func TestInstantAnswerIsOneCommit(t *testing.T) {
	b := begin(t, echo())
	var order []string
	in := b.inbound("hello")
	in.Committed = func(r channel.Receipt) {
		order = append(order, "committed")
		if len(b.news.texts()) != 0 {
			t.Error("readers heard of the entry before its sender")
		}
	}
	if _, err := b.Accept(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	want := []string{"contact: hello", "assistant: re: hello"}
	if got := b.visible(); !slices.Equal(got, want) {
		t.Errorf("visible %q", got)
	}
	if got := b.news.texts(); !slices.Equal(got, want) || len(order) != 1 || len(b.news.news) != 1 {
		t.Errorf("news %q, order %q", got, order)
	}
	if turns := b.turns(""); len(turns) != 1 || turns[0].Status != chat.TurnDone {
		t.Errorf("turns %+v", turns)
	}
}

func TestRepeatGetsTheSameReceipt(t *testing.T) {
	b := begin(t, echo())
	in := b.inbound("hello")
	in.DedupeKey = "1"
	first, err := b.Accept(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Accept(t.Context(), in)
	if err != nil || again.Seq != first.Seq || !again.Duplicate || first.Duplicate {
		t.Errorf("first %+v, again %+v, %v", first, again, err)
	}
	in.Content = chat.TextContent("other")
	other, err := b.Accept(t.Context(), in)
	if err != nil || other.Duplicate || other.Seq == first.Seq {
		t.Errorf("other content under the same key: %+v, %v", other, err)
	}
	if got := b.visible(); len(got) != 4 {
		t.Errorf("visible %q", got)
	}
}

// gated waits for permission before it answers.
type gated struct {
	scripted
	asked   chan assistant.Turn
	release chan assistant.Reply
}

func newGated(collect bool) *gated {
	g := &gated{asked: make(chan assistant.Turn, 10), release: make(chan assistant.Reply)}
	g.collect = collect
	g.answer = func(ctx context.Context, t assistant.Turn) (assistant.Reply, error) {
		g.asked <- t
		select {
		case r := <-g.release:
			return r, nil
		case <-ctx.Done():
			return assistant.Reply{}, ctx.Err()
		}
	}
	return g
}

func inputs(t assistant.Turn) []string {
	var all []string
	for _, e := range t.Entries {
		all = append(all, e.Content.Input())
	}
	return all
}

func TestSlowAnswerTakesTwoSteps(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("one")
	first := <-g.asked
	if got := b.visible(); !slices.Equal(got, []string{"contact: one"}) {
		t.Errorf("before the answer %q", got)
	}
	b.say("two")
	b.say("three")
	g.release <- says("answer to one")
	second := <-g.asked
	g.release <- says("answer to two and three")
	b.until("both answers", func() bool { return len(b.visible()) == 5 })
	if !slices.Equal(inputs(first), []string{"one"}) || !slices.Equal(inputs(second), []string{"two", "three"}) {
		t.Errorf("asked %q, then %q", inputs(first), inputs(second))
	}
	want := []string{"contact: one", "contact: two", "contact: three", "assistant: answer to one", "assistant: answer to two and three"}
	if got := b.visible(); !slices.Equal(got, want) {
		t.Errorf("visible %q", got)
	}
	b.until("the end of typing", func() bool { return b.news.texts()[len(b.news.texts())-1] == "stopped" })
	wantNews := []string{"contact: one", "typing", "contact: two", "contact: three", "assistant: answer to one", "stopped", "typing", "assistant: answer to two and three", "stopped"}
	if got := b.news.texts(); !slices.Equal(got, wantNews) {
		t.Errorf("news %q", got)
	}
}

func TestEachEntryItsOwnTurn(t *testing.T) {
	g := newGated(false)
	b := begin(t, g)
	for _, text := range []string{"one", "two", "three"} {
		b.say(text)
	}
	for _, text := range []string{"one", "two", "three"} {
		if got := inputs(<-g.asked); !slices.Equal(got, []string{text}) {
			t.Errorf("asked %q, want %q", got, text)
		}
		g.release <- says("re " + text)
	}
	b.until("three answers", func() bool { return len(b.visible()) == 6 })
}

func TestLateAnswerIsKeptFromTheContact(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("help")
	<-g.asked
	ep, err := b.Move(t.Context(), b.conv.Key, chat.Change{Move: chat.Take, Agent: "eve"}, nil)
	if err != nil || ep.Control != chat.ControlHuman {
		t.Fatalf("%+v, %v", ep, err)
	}
	b.say("to the person")
	g.release <- says("too late")
	b.until("the dropped turn", func() bool { return len(b.turns(chat.TurnDropped)) == 1 })
	if got := b.visible(); !slices.Equal(got, []string{"contact: help", "contact: to the person"}) {
		t.Errorf("visible %q", got)
	}
	all, err := b.store.Entries(t.Context(), b.conv.Key, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	last := all[len(all)-1]
	if last.Content.Text != "too late" || last.Visibility != chat.VisibleToDesk || last.VisibleSeq != 0 {
		t.Errorf("the desk note is %+v", last)
	}
	if open := append(b.turns(chat.TurnWaiting), b.turns(chat.TurnClaimed)...); len(open) != 0 {
		t.Errorf("a message to a person owes the assistant's answer: %+v", open)
	}
}

func TestCrashBetweenTheSteps(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("before the crash")
	<-g.asked
	// The process is gone: nothing of the first boot runs any more. A second
	// boot takes the turn up.
	after := on(t, b.store, echo())
	after.conv = b.conv
	after.until("the answer", func() bool { return len(after.visible()) == 2 })
	// The first boot was only paused and answers after all: it lost its claim.
	g.release <- says("from the dead")
	b.stop()
	if got := after.visible(); !slices.Equal(got, []string{"contact: before the crash", "assistant: re: before the crash"}) {
		t.Errorf("visible %q", got)
	}
}

func TestStopGivesTurnsBack(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("hello")
	<-g.asked
	b.stop()
	turns := b.turns("")
	if len(turns) != 1 || turns[0].Status != chat.TurnWaiting || turns[0].Attempts != 0 {
		t.Fatalf("after the stop %+v", turns)
	}
	after := on(t, b.store, echo())
	after.conv = b.conv
	after.until("the answer", func() bool { return len(after.visible()) == 2 })
}

func TestFailingTurnEndsInAnHonestMessage(t *testing.T) {
	tried := 0
	b := begin(t, &scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) {
		tried++
		return assistant.Reply{}, errors.New("backend password=hunter2 is down")
	}}, realClock)
	b.say("hello")
	b.until("the failure", func() bool { return len(b.turns(chat.TurnFailed)) == 1 })
	got := b.visible()
	if tried != 3 || len(got) != 2 || got[1] == "" {
		t.Errorf("%d attempts, visible %q", tried, got)
	}
	page, err := b.store.VisiblePage(t.Context(), b.conv.Key, chat.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	end := page.Entries[1]
	if end.Author.Kind != chat.BySystem || end.Content.Mark != chat.MarkFailure {
		t.Errorf("the honest message is %+v", end)
	}
	if strings.Contains(strings.Join(got, " "), "hunter2") {
		t.Error("the cause leaked")
	}
	if failed := b.turns(chat.TurnFailed)[0]; failed.LastError == "" || failed.Attempts != 3 {
		t.Errorf("the listed failure is %+v", failed)
	}
}

func TestPanicIsAFailedAttempt(t *testing.T) {
	tries := 0
	b := begin(t, &quick{
		scripted: scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) {
			if tries++; tries == 1 {
				panic("second bug")
			}
			return says("fine"), nil
		}},
		instant: func(assistant.Input) (assistant.Reply, bool) { panic("first bug") },
	})
	b.say("hello")
	b.until("the answer", func() bool {
		b.pass(time.Second)
		return len(b.visible()) == 2
	})
}

func TestTwoBelieversOneStore(t *testing.T) {
	one := begin(t, echo())
	one.say("first")
	two := on(t, one.store, echo())
	two.conv = one.conv
	two.boot.Store(one.boot.Load()) // a second cache on the same node and boot
	two.say("second")
	one.say("third")  // one still believes in the state before "second"
	two.say("fourth") // and two in the one before "third"
	one.until("four answers", func() bool { return len(one.visible()) == 8 })
	want := []string{
		"contact: first", "assistant: re: first", "contact: second", "assistant: re: second",
		"contact: third", "assistant: re: third", "contact: fourth", "assistant: re: fourth",
	}
	if got := one.visible(); !cmp.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("visible %q", got)
	}
	handling, err := one.store.Handling(t.Context(), one.conv.Key)
	if err != nil || string(handling.Episode.State) != "++++" {
		t.Errorf("state %q, %v: each answer must build on the one before", handling.Episode.State, err)
	}
}

// handOver asks for a person at once.
func handOver() *quick {
	q := echo()
	q.instant = func(assistant.Input) (assistant.Reply, bool) {
		r := says("one moment")
		r.HandOver = &assistant.HandOver{Queue: "support", Unavailable: chat.TextContent("nobody is here")}
		return r, true
	}
	return q
}

type desk struct{}

func (desk) Reachable(queue string) bool { return queue == "support" }

func TestHandOver(t *testing.T) {
	nobody := begin(t, handOver())
	nobody.say("a person please")
	if got := nobody.visible(); !slices.Equal(got, []string{"contact: a person please", "assistant: one moment", "assistant: nobody is here"}) {
		t.Errorf("without a desk %q", got)
	}
	served := begin(t, handOver(), func(o *conversation.Options) { o.Desk = desk{} })
	served.say("a person please")
	served.say("are you there?")
	if got := served.visible(); !slices.Equal(got, []string{"contact: a person please", "assistant: one moment", "contact: are you there?"}) {
		t.Errorf("with a desk %q", got)
	}
	for b, want := range map[*bench]chat.Control{nobody: chat.ControlAssistant, served: chat.ControlQueue} {
		h, err := b.store.Handling(t.Context(), b.conv.Key)
		if err != nil || h.Episode.Control != want {
			t.Errorf("control %q, want %q, %v", h.Episode.Control, want, err)
		}
	}
	if _, err := served.Move(t.Context(), served.conv.Key, chat.Change{Move: chat.GiveBack}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := served.Move(t.Context(), served.conv.Key, chat.Change{Move: chat.GiveBack}, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("giving back twice: %v", err)
	}
}

func TestContentTheClientsCannotShow(t *testing.T) {
	q := echo()
	q.instant = func(assistant.Input) (assistant.Reply, bool) {
		return assistant.Reply{Messages: []chat.Content{
			{Version: 1, Type: chat.TypeChoices, Text: "no options"},
			chat.ChoicesContent("forbidden", chat.StyleButtons, chat.Option{Title: "A", Value: "a"}),
		}}, true
	}
	b := begin(t, q, func(o *conversation.Options) {
		o.Check = func(_ chat.ChannelID, c chat.Content) error {
			if c.Type == chat.TypeChoices {
				return errors.New("not on this channel")
			}
			return nil
		}
	})
	b.say("hello")
	if got := b.visible(); !slices.Equal(got, []string{"contact: hello", "assistant: no options", "assistant: forbidden"}) {
		t.Errorf("visible %q", got)
	}
	if _, err := b.Accept(t.Context(), channel.Inbound{Conversation: b.conv, Purpose: chat.Message, Content: chat.Content{}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("content without a version: %v", err)
	}
}

func TestEpisodes(t *testing.T) {
	b := begin(t, echo())
	episode := func() chat.Episode {
		h, err := b.store.Handling(t.Context(), b.conv.Key)
		if err != nil {
			t.Fatal(err)
		}
		return h.Episode
	}
	b.say("one")
	first := episode()
	b.pass(23 * time.Hour)
	b.say("two")
	if got := episode(); got.Key != first.Key {
		t.Error("a pause of 23 hours ended the episode")
	}
	b.pass(25 * time.Hour)
	b.say("three")
	third := episode()
	if third.Key == first.Key || string(third.State) != "+" {
		t.Errorf("after 25 hours %+v", third)
	}
	if err := b.Finish(t.Context(), b.conv, "closed by the contact"); err != nil {
		t.Fatal(err)
	}
	if got := episode(); got.Open() || got.Outcome != "closed by the contact" {
		t.Errorf("finished %+v", got)
	}
	if err := b.Finish(t.Context(), b.conv, "again"); err != nil {
		t.Errorf("finishing twice: %v", err)
	}
	b.pass(-time.Hour) // the clock steps back
	b.say("four")
	if got := episode(); got.Key == third.Key || !got.Open() {
		t.Errorf("after the end %+v", got)
	}
	page, err := b.store.VisiblePage(t.Context(), b.conv.Key, chat.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(page.Entries, func(x, y chat.Entry) int { return x.CreatedAt.Compare(y.CreatedAt) }) {
		t.Error("time ran backwards in the log")
	}
}

func TestGreeting(t *testing.T) {
	welcome, hello := "assistant: welcome", []string{"contact: hi", "assistant: re: hi"}
	type act func(*bench)
	greet := func(mode channel.GreetingMode) act {
		return func(b *bench) {
			if err := b.Greet(b.t.Context(), channel.Greeting{Conversation: b.conv, Mode: mode}); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	say := func(b *bench) { b.say("hi") }
	move := func(m chat.Move) act {
		return func(b *bench) {
			if _, err := b.Move(b.t.Context(), b.conv.Key, chat.Change{Move: m, Agent: "eve"}, nil); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	wait := func(b *bench) { b.pass(25 * time.Hour) }
	tests := []struct {
		name string
		acts []act
		want []string
	}{
		{"first connect", []act{greet(channel.GreetAlways)}, []string{welcome}},
		{"first connect that says it is a reconnect", []act{greet(channel.GreetIfNew)}, []string{welcome}},
		{"never", []act{greet(channel.GreetNever)}, nil},
		{"twice without a word", []act{greet(channel.GreetAlways), greet(channel.GreetAlways), greet(channel.GreetAnew)}, []string{welcome}},
		{"again after a word", []act{greet(channel.GreetAlways), say, greet(channel.GreetAlways)}, []string{welcome, hello[0], hello[1], welcome}},
		{"a reconnect after a word", []act{greet(channel.GreetAlways), say, greet(channel.GreetIfNew), greet(channel.GreetIfIdle)}, []string{welcome, hello[0], hello[1]}},
		{"after a day", []act{say, wait, greet(channel.GreetIfIdle)}, []string{hello[0], hello[1], welcome}},
		{"a reconnect after a day", []act{say, wait, greet(channel.GreetIfNew)}, hello},
		{"after the end", []act{say, move(chat.Finish), greet(channel.GreetIfNew)}, []string{hello[0], hello[1], welcome}},
		{"with a person", []act{say, move(chat.Take), greet(channel.GreetAlways), greet(channel.GreetAnewUnlessHuman)}, hello},
		{"anew, even with a person", []act{say, move(chat.Take), greet(channel.GreetAnew)}, []string{hello[0], hello[1], welcome}},
		{"anew", []act{say, greet(channel.GreetAnewUnlessHuman)}, []string{hello[0], hello[1], welcome}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := begin(t, echo())
			for _, do := range tt.acts {
				do(b)
			}
			if got := b.visible(); !slices.Equal(got, tt.want) {
				t.Errorf("visible %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGreetingByASlowAssistant(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	if err := b.Greet(t.Context(), channel.Greeting{Conversation: b.conv, Mode: channel.GreetAlways}); err != nil {
		t.Fatal(err)
	}
	if asked := <-g.asked; len(asked.Entries) != 1 || asked.Entries[0].Purpose != chat.Event {
		t.Errorf("asked %+v", asked.Entries)
	}
	g.release <- says("good morning")
	b.until("the greeting", func() bool { return slices.Equal(b.visible(), []string{"assistant: good morning"}) })
}

// away makes the store fail for a while.
type away struct {
	conversation.Store
	failing func(store.Step) error
}

func (a away) Commit(ctx context.Context, step store.Step) (any, error) {
	if err := a.failing(step); err != nil {
		return nil, err
	}
	return a.Store.Commit(ctx, step)
}

func TestAnswerWaitsForTheStore(t *testing.T) {
	asked, failures := 0, 3
	gone := fault.New(fault.Unavailable, "the database is away")
	b := begin(t, &scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) {
		asked++
		return says("answer"), nil
	}}, func(o *conversation.Options) {
		o.Store = away{o.Store, func(step store.Step) error {
			if _, ok := step.(store.FinishTurn); ok && failures > 0 {
				failures--
				return gone
			}
			return nil
		}}
	})
	b.say("hello")
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
	if asked != 1 || failures != 0 {
		t.Errorf("asked %d times, %d failures left", asked, failures)
	}
}

func TestNothingIsAcknowledgedWithoutTheStore(t *testing.T) {
	b := begin(t, echo(), func(o *conversation.Options) {
		o.Store = away{o.Store, func(step store.Step) error {
			if _, ok := step.(store.Accept); ok {
				return fault.New(fault.Unavailable, "the disk is full")
			}
			return nil
		}}
	})
	in := b.inbound("hello")
	in.Committed = func(channel.Receipt) { t.Error("acknowledged") }
	if _, err := b.Accept(t.Context(), in); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if len(b.visible()) != 0 || len(b.news.texts()) != 0 {
		t.Errorf("visible %q, news %q", b.visible(), b.news.texts())
	}
}
