package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/testkit/wait"
)

// unsure commits steps and then says, for those that doubtful picks, that the
// database was lost before it answered.
type unsure struct {
	conversation.Store
	doubtful func(store.Step) bool
}

func (u unsure) Commit(ctx context.Context, step store.Step) (any, error) {
	out, err := u.Store.Commit(ctx, step)
	if err == nil && u.doubtful(step) {
		return nil, fault.New(fault.Unavailable, "the database was lost before it answered")
	}
	return out, err
}

// once picks the first step of a type.
func once[S store.Step]() func(store.Step) bool {
	var done atomic.Bool
	return func(step store.Step) bool {
		_, ok := step.(S)
		return ok && done.CompareAndSwap(false, true)
	}
}

func with(doubtful func(store.Step) bool) option {
	return func(o *conversation.Options) { o.Store = unsure{o.Store, doubtful} }
}

// slow answers each turn without an instant answer.
func slow() *scripted { return &scripted{answer: echo().answer} }

func TestTurnOfAnUncertainCommitIsRun(t *testing.T) {
	b := begin(t, slow(), with(once[store.Accept]()))
	if _, err := b.Accept(t.Context(), b.inbound("hello")); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%v", err)
	}
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
	b.say("again")
	b.until("the next answer", func() bool { return len(b.visible()) == 4 })
}

func TestTurnBehindAnUncertainAnswerIsRun(t *testing.T) {
	g := newGated(false)
	b := begin(t, g, with(once[store.FinishTurn]()))
	b.say("one")
	b.say("two")
	for i := range 2 {
		<-g.asked
		g.release <- says(fmt.Sprint("answer ", i+1))
	}
	b.until("both answers", func() bool { return len(b.visible()) == 4 })
	want := []string{"contact: one", "contact: two", "assistant: answer 1", "assistant: answer 2"}
	if got := b.visible(); !slices.Equal(got, want) {
		t.Errorf("visible %q", got)
	}
}

func TestTurnThatCouldNotBeGivenBackIsTriedAgain(t *testing.T) {
	var asked, failed atomic.Int32
	b := begin(t, &scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) {
		if asked.Add(1) == 1 {
			return assistant.Reply{}, errors.New("not now")
		}
		return says("answer"), nil
	}}, func(o *conversation.Options) {
		o.Store = away{o.Store, func(step store.Step) error {
			if _, ok := step.(store.PostponeTurn); ok && failed.Add(1) <= 2 {
				return fault.New(fault.Unavailable, "the database is away")
			}
			return nil
		}}
	})
	b.say("hello")
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
}

func TestCallerThatLeavesDuringTheCommit(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := begin(t, slow(), func(o *conversation.Options) { o.Store = leaving{o.Store, cancel} })
	if err := b.Greet(ctx, channel.Greeting{Conversation: b.conv, Mode: channel.GreetAlways}); err != nil {
		t.Error(err)
	}
	b.until("the welcome", func() bool { return slices.Equal(b.visible(), []string{"assistant: welcome"}) })
	if err := b.Greet(ctx, channel.Greeting{Conversation: b.conv, Mode: channel.GreetAnew}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left before is served: %v", err)
	}
}

// leaving has the caller leave while its step is being committed. Like the real
// store it then does not tell what became of the step.
type leaving struct {
	conversation.Store
	leave func()
}

func (l leaving) Commit(ctx context.Context, step store.Step) (any, error) {
	if _, ok := step.(store.Accept); !ok {
		return l.Store.Commit(ctx, step)
	}
	out, err := l.Store.Commit(context.WithoutCancel(ctx), step)
	l.leave()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return out, err
}

// unstorable is an answer that no store takes.
func unstorable() assistant.Reply {
	r := says("broken")
	r.Messages[0].Custom = json.RawMessage("{")
	return r
}

func TestAnswerThatTheStoreRefuses(t *testing.T) {
	for name, as := range map[string]assistant.Assistant{
		"slow": &scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) { return unstorable(), nil }},
		"instant": &quick{
			scripted: scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) { return unstorable(), nil }},
			instant:  func(assistant.Input) (assistant.Reply, bool) { return unstorable(), true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := begin(t, as, realClock)
			b.say("hello")
			b.until("the failure", func() bool { return len(b.turns(chat.TurnFailed)) == 1 })
			if got := b.turns(chat.TurnFailed)[0]; got.Attempts != 3 || len(b.visible()) != 2 {
				t.Errorf("%+v, visible %q", got, b.visible())
			}
		})
	}
}

// claimedAtOnce lets a turn that was given back be claimed before the goroutine
// that gave it back goes on.
type claimedAtOnce struct {
	conversation.Store
	claimed, postponed atomic.Int64
}

func (c *claimedAtOnce) Commit(ctx context.Context, step store.Step) (any, error) {
	out, err := c.Store.Commit(ctx, step)
	switch step.(type) {
	case store.ClaimTurns:
		if err == nil && len(out.(store.ClaimedTurns).Turns) > 0 {
			c.claimed.Add(1)
		}
	case store.PostponeTurn:
		if from := c.claimed.Load(); err == nil && c.postponed.Add(1) == 1 {
			err = wait.Poll(ctx, func() error {
				if c.claimed.Load() == from {
					return errors.New("the turn was not claimed")
				}
				return nil
			})
		}
	}
	return out, err
}

func TestClaimedWhileItIsLeft(t *testing.T) {
	b := begin(t, &scripted{answer: func(_ context.Context, turn assistant.Turn) (assistant.Reply, error) {
		if turn.Attempt == 1 {
			return assistant.Reply{}, errors.New("not now")
		}
		return says("there"), nil
	}}, realClock, func(o *conversation.Options) { o.Store = &claimedAtOnce{Store: o.Store} })
	b.say("hello")
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
}

func realClock(o *conversation.Options) { o.Now = time.Now }

func TestCheckThatPanics(t *testing.T) {
	b := begin(t, echo(), realClock, func(o *conversation.Options) {
		o.Check = func(chat.ChannelID, chat.Content) error { panic("a bug of the channel") }
	})
	b.say("hello")
	b.until("the failure", func() bool { return len(b.turns(chat.TurnFailed)) == 1 })
	if got := b.visible(); len(got) != 2 {
		t.Errorf("visible %q", got)
	}
}

func TestStopBeginsNoWaitingTurn(t *testing.T) {
	var asked atomic.Int32
	entered, release := make(chan struct{}), make(chan struct{})
	b := begin(t, &scripted{answer: func(context.Context, assistant.Turn) (assistant.Reply, error) {
		if asked.Add(1) == 1 {
			close(entered)
		}
		<-release
		return says("answer"), nil
	}}, func(o *conversation.Options) { o.Policy.Running = 1 })
	b.say("first")
	<-entered
	other, err := b.Open(t.Context(), channel.Place{Channel: "st-1", Type: "rtm", Key: "cs-1/bob", Person: chat.Person{ExternalID: "cs-1/bob"}, Mode: chat.LegFeed})
	if err != nil {
		t.Fatal(err)
	}
	in := b.inbound("second")
	in.Conversation = other.Conversation
	if _, err := b.Accept(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { b.stop(); close(stopped) }()
	waiting := func() bool {
		turns, err := b.store.Turns(t.Context(), store.TurnFilter{Conversation: other.Key, Status: chat.TurnWaiting})
		return err == nil && len(turns) == 1
	}
	b.until("the second turn to be given back", waiting)
	// What comes while the node stops is stored and left to the next boot.
	in.Content = chat.TextContent("third")
	if _, err := b.Accept(t.Context(), in); err != nil {
		t.Error(err)
	}
	close(release)
	<-stopped
	if n := asked.Load(); n != 1 {
		t.Errorf("%d turns were begun", n)
	}
	all, err := b.store.Turns(t.Context(), store.TurnFilter{Conversation: other.Key, Status: chat.TurnClaimed})
	if err != nil || len(all) != 0 {
		t.Errorf("still claimed: %+v, %v", all, err)
	}
}

func TestTurnUnderAnExpiredLeaseRunsOnce(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("hello")
	<-g.asked
	// The machine slept: the lease ran out, and due turns are looked for before
	// it is renewed.
	b.lease(t, time.Nanosecond)
	b.claims.wait(t)
	if len(g.asked) != 0 {
		t.Error("the turn runs twice under one boot")
	}
	b.lease(t, time.Minute)
	g.release <- says("answer")
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
}

func TestTurnIsTakenUpByTheNextBootOfAPausedNode(t *testing.T) {
	g := newGated(true)
	b := begin(t, g)
	b.say("hello")
	<-g.asked
	b.newBoot(t)
	<-g.asked // the second attempt, under the new boot
	g.release <- says("one")
	g.release <- says("two")
	b.until("the answer", func() bool { return len(b.visible()) == 2 })
	b.say("again")
	<-g.asked
	g.release <- says("three")
	b.until("the next answer", func() bool { return len(b.visible()) == 4 })
}

func TestGreetingKnowsWhatAnotherNodeDid(t *testing.T) {
	one := begin(t, echo())
	two := on(t, one.store, echo())
	two.conv = one.conv
	greet := func(b *bench, mode channel.GreetingMode) {
		t.Helper()
		if err := b.Greet(t.Context(), channel.Greeting{Conversation: b.conv, Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	greet(one, channel.GreetAlways)
	two.say("hello")
	one.until("the answer", func() bool { return len(one.visible()) == 3 })
	greet(one, channel.GreetAlways) // something was said since
	one.until("the second welcome", func() bool { return len(one.visible()) == 4 })
	greet(two, channel.GreetAlways) // and now nothing was
	if got := one.visible(); len(got) != 4 {
		t.Errorf("visible %q", got)
	}
}

// published has a newer version in force than the one open episodes use.
type published struct {
	assistants
	version atomic.Int64
}

func (p *published) ForChannel(chat.ChannelID) (conversation.Chosen, error) {
	return conversation.Chosen{Name: "bot", Version: p.version.Load(), Assistant: p.one}, nil
}

func (p *published) At(_ context.Context, name string, version int64) (conversation.Chosen, error) {
	return conversation.Chosen{Name: name, Version: version, Assistant: p.one}, nil
}

func TestEpisodeThatAnotherNodeClosed(t *testing.T) {
	p := &published{assistants: assistants{echo()}}
	p.version.Store(1)
	use := func(o *conversation.Options) { o.Assistants = p }
	one := begin(t, nil, use)
	two := on(t, one.store, nil, use)
	two.conv = one.conv
	two.boot.Store(one.boot.Load())
	one.say("hello")
	p.version.Store(2)
	if err := two.Finish(t.Context(), one.conv, "closed"); err != nil {
		t.Fatal(err)
	}
	one.say("hello again") // one believes that the episode is open
	one.until("the answer", func() bool { return len(one.visible()) == 4 })
	got, err := one.store.Handling(t.Context(), one.conv.Key)
	if err != nil || got.Episode.Version != 2 {
		t.Errorf("the new episode began with version %d, %v", got.Episode.Version, err)
	}
}
