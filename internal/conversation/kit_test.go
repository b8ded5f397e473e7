package conversation_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/fault"
	"parley/internal/store"
	"parley/internal/store/sqlite"
	"parley/internal/testkit/wait"
)

// scripted answers as its functions say.
type scripted struct {
	answer  func(context.Context, assistant.Turn) (assistant.Reply, error)
	collect bool
}

func (s *scripted) Answer(ctx context.Context, t assistant.Turn) (assistant.Reply, error) {
	return s.answer(ctx, t)
}
func (s *scripted) Collects() bool { return s.collect }

// quick answers at once.
type quick struct {
	scripted
	instant func(assistant.Input) (assistant.Reply, bool)
}

func (q *quick) Instant(in assistant.Input) (assistant.Reply, bool) { return q.instant(in) }

func says(texts ...string) assistant.Reply {
	var r assistant.Reply
	for _, t := range texts {
		r.Messages = append(r.Messages, chat.TextContent(t))
	}
	return r
}

// echo answers each message with its text and greets with a welcome.
func echo() *quick {
	answer := func(in assistant.Input) assistant.Reply {
		var r assistant.Reply
		for _, e := range in.Entries {
			if e.Purpose == chat.Event {
				welcome := chat.TextContent("welcome")
				welcome.Mark = chat.MarkWelcome
				r.Messages = append(r.Messages, welcome)
				continue
			}
			r.Messages = append(r.Messages, chat.TextContent("re: "+e.Content.Input()))
		}
		r.State = fmt.Appendf(nil, "%s+", in.State)
		return r
	}
	return &quick{
		scripted: scripted{answer: func(_ context.Context, t assistant.Turn) (assistant.Reply, error) { return answer(t.Input), nil }},
		instant:  func(in assistant.Input) (assistant.Reply, bool) { return answer(in), true },
	}
}

// assistants knows one assistant.
type assistants struct{ one assistant.Assistant }

func (a assistants) ForChannel(chat.ChannelID) (conversation.Chosen, error) {
	return conversation.Chosen{Name: "bot", Version: 1, Assistant: a.one}, nil
}

func (a assistants) At(_ context.Context, name string, version int64) (conversation.Chosen, error) {
	if name != "bot" || version != 1 {
		return conversation.Chosen{}, fault.New(fault.NotFound, "no assistant %s version %d", name, version)
	}
	return conversation.Chosen{Name: name, Version: version, Assistant: a.one}, nil
}

// heard collects news.
type heard struct {
	mu   sync.Mutex
	news []channel.News
}

func (h *heard) Announce(n channel.News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.news = append(h.news, n)
}

func (h *heard) texts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, n := range h.news {
		for _, e := range n.Entries {
			if e.Purpose == chat.Message {
				all = append(all, fmt.Sprintf("%s: %s", e.Author.Kind, e.Content.Text))
			}
		}
		switch n.Typing {
		case channel.TypingStarted:
			all = append(all, "typing")
		case channel.TypingStopped:
			all = append(all, "stopped")
		}
	}
	return all
}

// bench is a service on a real store.
type bench struct {
	*conversation.Service
	t     *testing.T
	store *sqlite.Store
	news  *heard
	conv  chat.Conversation
	boot  atomic.Int64
	clock atomic.Int64 // milliseconds
	stop  func()
	// claims counts the looks for due turns.
	claims *counter
}

// counter counts steps of one type.
type counter struct {
	conversation.Store
	n atomic.Int64
}

func (c *counter) Commit(ctx context.Context, step store.Step) (any, error) {
	out, err := c.Store.Commit(ctx, step)
	if _, ok := step.(store.ClaimTurns); ok && err == nil {
		c.n.Add(1)
	}
	return out, err
}

// wait returns after a look for due turns that begins after now.
func (c *counter) wait(t *testing.T) {
	t.Helper()
	from := c.n.Load()
	wait.For(t, time.Minute, func() bool { return c.n.Load() >= from+2 }, "a look for due turns")
}

type option func(*conversation.Options)

const node = "node-1"

func begin(t *testing.T, as assistant.Assistant, options ...option) *bench {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b := on(t, s, as, options...)
	opened, err := b.Open(t.Context(), channel.Place{Channel: "st-1", Type: "rtm", Key: "cs-1/ann", Person: chat.Person{ExternalID: "cs-1/ann", Verified: true}, Mode: chat.LegFeed})
	if err != nil {
		t.Fatal(err)
	}
	b.conv = opened.Conversation
	return b
}

// on starts another boot of the service on a store.
func on(t *testing.T, s *sqlite.Store, as assistant.Assistant, options ...option) *bench {
	t.Helper()
	lease, err := store.Do(t.Context(), s, store.RenewLease{Node: node, Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: s, news: &heard{}, claims: &counter{Store: s}}
	b.boot.Store(lease.Boot)
	b.clock.Store(1_800_000_000_000)
	o := conversation.Options{
		Store: b.claims, Assistants: assistants{as}, Announcer: b.news,
		Owner:  func() store.Owner { return store.Owner{Node: node, Boot: b.boot.Load()} },
		Logger: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return time.UnixMilli(b.clock.Load()) },
		Policy: conversation.DefaultPolicy(),
	}
	o.Policy.FirstRetry, o.Policy.LastRetry, o.Policy.Tick = time.Millisecond, 2*time.Millisecond, 5*time.Millisecond
	o.Policy.Attempts = 3
	for _, set := range options {
		set(&o)
	}
	b.Service = conversation.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { b.Run(ctx, 50*time.Millisecond); close(done) }()
	var once sync.Once
	b.stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(b.stop)
	return b
}

// pass lets time go by.
func (b *bench) pass(d time.Duration) { b.clock.Add(d.Milliseconds()) }

// lease renews the lease of the boot for life.
func (b *bench) lease(t *testing.T, life time.Duration) {
	t.Helper()
	if _, err := store.Do(t.Context(), b.store, store.RenewLease{Node: node, Boot: b.boot.Load(), Life: life}); err != nil {
		t.Fatal(err)
	}
}

// newBoot lets the lease lapse.
func (b *bench) newBoot(t *testing.T) {
	t.Helper()
	got, err := store.Do(t.Context(), b.store, store.RenewLease{Node: node, Life: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b.boot.Store(got.Boot)
}

func (b *bench) inbound(text string) channel.Inbound {
	return channel.Inbound{Conversation: b.conv, Purpose: chat.Message, Content: chat.TextContent(text)}
}

func (b *bench) say(text string) channel.Receipt {
	b.t.Helper()
	r, err := b.Accept(b.t.Context(), b.inbound(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// visible is what the contact sees, as "author: text".
func (b *bench) visible() []string {
	b.t.Helper()
	page, err := b.store.VisiblePage(b.t.Context(), b.conv.Key, chat.Page{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, e := range page.Entries {
		all = append(all, fmt.Sprintf("%s: %s", e.Author.Kind, e.Content.Text))
	}
	return all
}

func (b *bench) turns(status chat.TurnStatus) []chat.Turn {
	b.t.Helper()
	turns, err := b.store.Turns(b.t.Context(), store.TurnFilter{Conversation: b.conv.Key, Status: status})
	if err != nil {
		b.t.Fatal(err)
	}
	return turns
}

func (b *bench) until(what string, cond func() bool) {
	b.t.Helper()
	wait.For(b.t, time.Minute, cond, what)
}
