package rtmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Gateway is a gateway with its feed, log and store in memory: enough to run
// the driver against. Every message is echoed as "You said: ..." unless Answer
// says otherwise. Set its fields before the first request.
type Gateway struct {
	// Answer returns what is said to a message.
	Answer func(chat.Content) []chat.Content
	// Welcome is said when somebody is greeted; empty greets nobody.
	Welcome string
	// Before, if set, runs before each Accept and may fail or block it.
	Before func(ctx context.Context, in channel.Inbound) error
	// Silent, if set and true, keeps news from readers, so that they have to
	// find out by themselves.
	Silent func() bool

	mu        sync.Mutex
	talks     map[chat.ConversationKey]*talk
	places    map[string]*talk
	used      map[string]bool
	confirmed map[chat.ConversationKey]map[string]int64
	newest    map[chat.ConversationKey]int64
	down      error
	greetings []channel.GreetingMode
	inbound   []channel.Inbound
	finished  []string
	reads     int
}

// talk is one conversation with its log and readers.
type talk struct {
	// order is held from the commit to the end of its announcement.
	order   sync.Mutex
	conv    chat.Conversation
	entries []chat.Entry
	keys    map[string]int64 // dedupe key and content -> seq
	open    bool             // an episode is open
	begun   bool             // there ever was one
	subs    map[int]func(channel.News)
	nextSub int
}

// NewGateway returns an empty gateway that echoes.
func NewGateway() *Gateway {
	return &Gateway{
		talks: map[chat.ConversationKey]*talk{}, places: map[string]*talk{}, used: map[string]bool{},
		confirmed: map[chat.ConversationKey]map[string]int64{}, newest: map[chat.ConversationKey]int64{},
		Answer: func(c chat.Content) []chat.Content {
			return []chat.Content{chat.TextContent("You said: " + c.Input())}
		},
	}
}

var (
	_ channel.Gateway = (*Gateway)(nil)
	_ channel.Feed    = (*Gateway)(nil)
	_ channel.Log     = (*Gateway)(nil)
	_ store.Writer    = (*Gateway)(nil)
)

// SetDown makes everything fail with err until it is called with nil.
func (g *Gateway) SetDown(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = err
}

func (g *Gateway) isDown() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.down
}

// Ready is the driver's question whether the store answers.
func (g *Gateway) Ready(context.Context) error { return g.isDown() }

// Open implements [channel.Gateway].
func (g *Gateway) Open(_ context.Context, p channel.Place) (channel.Opened, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down != nil {
		return channel.Opened{}, g.down
	}
	at := string(p.Channel) + "\x00" + p.Key
	t := g.places[at]
	if t == nil {
		key := chat.ConversationKey(len(g.talks) + 1)
		t = &talk{
			conv: chat.Conversation{
				Key: key, ID: chat.ConversationID(chat.PrefixConversation + uuid.Must(uuid.NewV7()).String()),
				Channel: p.Channel, Place: p.Key, Contact: chat.ContactKey(key), Leg: chat.LegKey(key), CreatedAt: time.Now(),
			},
			keys: map[string]int64{}, subs: map[int]func(channel.News){},
		}
		g.places[at], g.talks[key] = t, t
	}
	return channel.Opened{Conversation: t.conv, Speaker: t.conv.ContactID}, nil
}

// Notice implements [channel.Gateway]. The RTM driver gives none.
func (g *Gateway) Notice(context.Context, channel.Notice) error {
	return errors.New("no notice was expected")
}

// Greet implements [channel.Gateway].
func (g *Gateway) Greet(_ context.Context, in channel.Greeting) error {
	if err := g.isDown(); err != nil {
		return err
	}
	t := g.talk(in.Conversation.Key)
	t.order.Lock()
	defer t.order.Unlock()
	g.mu.Lock()
	g.greetings = append(g.greetings, in.Mode)
	said := true
	if n := len(t.entries); n > 0 && t.entries[n-1].Content.Mark == chat.MarkWelcome {
		said = false
	}
	due := map[channel.GreetingMode]bool{
		channel.GreetIfNew: !t.begun, channel.GreetIfIdle: !t.open, channel.GreetAlways: true,
		channel.GreetAnew: true, channel.GreetAnewUnlessHuman: true,
	}[in.Mode]
	g.mu.Unlock()
	if !due || !said || g.Welcome == "" {
		return nil
	}
	c := chat.TextContent(g.Welcome)
	c.Mark = chat.MarkWelcome
	g.commit(t, nil, g.entry(chat.ByAssistant, c))
	return nil
}

// Accept implements [channel.Gateway].
func (g *Gateway) Accept(ctx context.Context, in channel.Inbound) (channel.Receipt, error) {
	if g.Before != nil {
		if err := g.Before(ctx, in); err != nil {
			return channel.Receipt{}, err
		}
	}
	if err := g.isDown(); err != nil {
		return channel.Receipt{}, err
	}
	t := g.talk(in.Conversation.Key)
	t.order.Lock()
	defer t.order.Unlock()
	body, err := chat.EncodeContent(in.Content)
	if err != nil {
		return channel.Receipt{}, err
	}
	key := in.DedupeKey + "\x00" + string(body)
	if seq, again := t.keys[key]; again && in.DedupeKey != "" {
		r := channel.Receipt{Entry: t.conv.EntryID(seq), Seq: seq, Duplicate: true}
		in.Committed(r)
		return r, nil
	}
	g.mu.Lock()
	g.inbound = append(g.inbound, in)
	t.keys[key] = int64(len(t.entries)) + 1
	g.mu.Unlock()
	mine := g.entry(chat.ByContact, in.Content)
	mine.Purpose = in.Purpose
	all := []chat.Entry{mine}
	if in.Purpose == chat.Message {
		for _, c := range g.Answer(in.Content) {
			all = append(all, g.entry(chat.ByAssistant, c))
		}
	}
	var receipt channel.Receipt
	g.commit(t, func(seq int64) {
		receipt = channel.Receipt{Entry: t.conv.EntryID(seq), Seq: seq}
		in.Committed(receipt)
	}, all...)
	return receipt, nil
}

// Finish implements [channel.Gateway].
func (g *Gateway) Finish(_ context.Context, c chat.Conversation, outcome string) error {
	if err := g.isDown(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.talks[c.Key].open = false
	g.finished = append(g.finished, outcome)
	return nil
}

func (g *Gateway) talk(key chat.ConversationKey) *talk {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.talks[key]
}

func (g *Gateway) entry(by chat.AuthorKind, c chat.Content) chat.Entry {
	return chat.Entry{Draft: chat.Draft{
		Author: chat.Author{Kind: by}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: c,
	}}
}

// commit appends entries, tells committed the first one's number, and then
// announces. The caller holds t.order.
func (g *Gateway) commit(t *talk, committed func(int64), entries ...chat.Entry) {
	g.mu.Lock()
	for i := range entries {
		e := &entries[i]
		e.Conversation = t.conv.Key
		t.conv.Seq++
		e.Seq = t.conv.Seq
		e.CreatedAt = time.Now().Truncate(time.Millisecond)
		if e.Visible() {
			t.conv.VisibleSeq++
			e.VisibleSeq = t.conv.VisibleSeq
		}
		t.entries = append(t.entries, *e)
	}
	t.open, t.begun = true, true
	g.mu.Unlock()
	if committed != nil {
		committed(entries[0].Seq)
	}
	if g.Silent == nil || !g.Silent() {
		g.announce(t, channel.News{Conversation: t.conv.Key, Entries: entries})
	}
}

func (g *Gateway) announce(t *talk, n channel.News) {
	g.mu.Lock()
	var tell []func(channel.News)
	for _, f := range t.subs {
		tell = append(tell, f)
	}
	g.mu.Unlock()
	for _, f := range tell {
		f(n)
	}
}

// Add appends entries to the conversation of a place, as agents, assistants
// and the system do, and announces them.
func (g *Gateway) Add(ch chat.ChannelID, place string, entries ...chat.Entry) error {
	g.mu.Lock()
	t := g.places[string(ch)+"\x00"+place]
	g.mu.Unlock()
	if t == nil {
		return fmt.Errorf("no conversation of %s yet", place)
	}
	t.order.Lock()
	defer t.order.Unlock()
	g.commit(t, nil, entries...)
	return nil
}

// Tell announces news that are no entries, such as typing.
func (g *Gateway) Tell(ch chat.ChannelID, place string, n channel.News) {
	g.mu.Lock()
	t := g.places[string(ch)+"\x00"+place]
	g.mu.Unlock()
	t.order.Lock()
	defer t.order.Unlock()
	n.Conversation = t.conv.Key
	g.announce(t, n)
}

// Said makes a visible entry of any author.
func Said(by chat.AuthorKind, c chat.Content) chat.Entry {
	return chat.Entry{Draft: chat.Draft{
		Author: chat.Author{Kind: by}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: c,
	}}
}

// Inbound returns what was accepted, in order.
func (g *Gateway) Inbound() []channel.Inbound {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.inbound)
}

// Greetings returns the modes of all greetings so far.
func (g *Gateway) Greetings() []channel.GreetingMode {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.greetings)
}

// Finished returns the outcomes of ended episodes.
func (g *Gateway) Finished() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.finished)
}

// Unavailable is an error as a store gives it that does not answer.
func Unavailable() error { return fault.New(fault.Unavailable, "the store does not answer") }
