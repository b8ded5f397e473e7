package flow

import (
	"context"
	"iter"
	"slices"
	"strings"

	"parley/internal/assistant"
	"parley/internal/chat"
)

// Assistant answers by one definition. It is immutable: any number of
// goroutines may use it at once.
type Assistant struct {
	def  *definition
	find *finder
}

var (
	_ assistant.Assistant = (*Assistant)(nil)
	_ assistant.Instant   = (*Assistant)(nil)
)

// Compile checks a definition and returns the assistant it describes. file is
// the name to use in errors. An error is a fault of kind Invalid that lists all
// mistakes, one a line, as file:line:column: path: what to mend.
func Compile(file string, definition []byte) (*Assistant, error) {
	d, wrong, _ := parse(file, definition)
	if err := wrong.fault(); err != nil {
		return nil, err
	}
	return &Assistant{def: d, find: newFinder(d)}, nil
}

// Answer computes the reply without I/O. It never fails.
func (a *Assistant) Answer(_ context.Context, turn assistant.Turn) (assistant.Reply, error) {
	return a.reply(turn.Input), nil
}

// Collects reports false: each message gets its own answer, in order.
func (a *Assistant) Collects() bool { return false }

// Instant returns what Answer returns for every input that takes less than a
// millisecond: all but searches for very long texts or in very large FAQs.
func (a *Assistant) Instant(in assistant.Input) (assistant.Reply, bool) {
	if a.slow(in) {
		return assistant.Reply{}, false
	}
	return a.reply(in), true
}

// Bounds of what is instant, measured on a busy machine: a search takes some 7
// microseconds a word of the text and 0.4 microseconds an entry and language,
// and one text may take two.
const (
	instantBytes   = 300  // of all texts
	instantEntries = 1000 // times languages
)

// slow reports whether a reply may take longer than an instant.
func (a *Assistant) slow(in assistant.Input) bool {
	total := 0
	for _, e := range in.Entries {
		text := e.Content.Input()
		if _, _, ok := a.find.literal(text, 0, e.Content.Click != nil); ok || strings.TrimSpace(text) == "" {
			continue
		}
		total += len(text)
		if a.find.ranker.size > instantEntries {
			return true
		}
	}
	return total > instantBytes
}

func (a *Assistant) reply(in assistant.Input) assistant.Reply {
	before := readState(in.State)
	t := turn{Assistant: a, state: before}
	t.lang = a.def.language(before, in.Lang)
	for _, e := range in.Entries {
		t.entry(e)
		if t.reply.HandOver != nil {
			break // what follows is for the person
		}
	}
	if !t.state.equal(before) {
		t.reply.State = t.state.bytes()
	}
	return t.reply
}

// turn is one reply in the making.
type turn struct {
	*Assistant
	state state
	lang  int
	reply assistant.Reply
}

func (t *turn) entry(e chat.Entry) {
	switch {
	case e.Purpose == chat.Event || e.Content.Type == chat.TypeEvent:
		if e.Content.Event != nil && e.Content.Event.Name == chat.EventConnect {
			t.welcome()
		}
	case e.Purpose == chat.Edit || e.Purpose == chat.Deletion || e.Deleted:
		// What was answered stays answered.
	default:
		t.answer(t.find.find(e.Content, t.state.Offered, t.lang))
	}
}

func (t *turn) welcome() {
	if t.def.welcome == nil {
		return
	}
	first := len(t.reply.Messages)
	t.say(*t.def.welcome)
	for i := first; i < len(t.reply.Messages); i++ {
		t.reply.Messages[i].Mark = chat.MarkWelcome
	}
}

// say adds a message and remembers what it offers.
func (t *turn) say(m message) {
	t.reply.Messages = append(t.reply.Messages, t.def.contents(m, t.lang)...)
	t.offer(m.options())
}

func (t *turn) offer(options []option) {
	t.state.Offered = nil
	for _, o := range options {
		value := ""
		if o.url == "" {
			value = o.sends(t.lang)
		}
		t.state.Offered = append(t.state.Offered, value)
	}
}

func (t *turn) answer(f found) {
	if f.entry >= 0 {
		t.lang = f.lang
		t.state.Lang = t.def.languages[f.lang]
		t.succeed(t.def.entries[f.entry])
		return
	}
	if len(f.near) == 0 || !t.def.suggest {
		t.misunderstood()
		return
	}
	// A suggestion that was passed over did not help.
	if t.state.Suggested && t.miss() {
		return
	}
	t.lang = f.lang
	t.suggest(f.near)
}

func (t *turn) succeed(e entry) {
	t.state.Missed, t.state.Suggested = 0, false
	t.say(e.message)
	if e.queue != "" {
		t.handOver(e.queue)
	}
}

// suggest asks "did you mean".
func (t *turn) suggest(near []int) {
	none, _ := t.def.suggestNone.in(t.lang)
	m := message{say: t.def.suggestSay}
	for _, e := range near {
		title := texts{by: []string{t.def.entries[e].title(t.lang)}}
		m.choices = append(m.choices, option{title: title, value: t.def.entries[e].id})
	}
	m.choices = append(m.choices, option{title: texts{by: []string{none}}, value: none})
	t.say(m)
	t.state.Suggested = true
}

// title returns what the entry is called on a button: its first phrasing, cut
// to the length of a title.
func (e entry) title(lang int) string {
	title := e.id
	if len(e.ask[lang]) > 0 {
		title = e.ask[lang][0].text
	} else if i := slices.IndexFunc(e.ask, func(ps []phrasing) bool { return len(ps) > 0 }); i >= 0 {
		title = e.ask[i][0].text
	}
	if r := []rune(title); len(r) > maxTitle {
		return strings.TrimSpace(string(r[:maxTitle-3])) + "..."
	}
	return title
}

func (t *turn) misunderstood() {
	if t.miss() {
		return
	}
	t.say(t.def.notUnderstood)
}

// miss counts a misunderstanding and reports whether it was one too many, in
// which case a person is asked for.
func (t *turn) miss() bool {
	t.state.Missed = min(t.state.Missed+1, maxAfter)
	t.state.Suggested = false
	t.state.Offered = nil
	h := t.def.handover
	if h == nil || t.state.Missed < h.after {
		return false
	}
	t.handOver(h.queue)
	return true
}

// handOver asks for a person. If nobody can be reached the assistant goes on
// with a clean count, and with what the honest answer offers.
func (t *turn) handOver(queue string) {
	t.state.Missed = 0
	if options := t.def.nobody.options(); len(options) > 0 {
		t.offer(options)
	}
	t.reply.HandOver = &assistant.HandOver{Queue: queue, Unavailable: t.def.spoken(t.def.nobody, t.lang)}
}

// messages returns everything the author lets the assistant say.
func (d *definition) messages() iter.Seq[message] {
	return func(yield func(message) bool) {
		if d.welcome != nil && !yield(*d.welcome) {
			return
		}
		for _, e := range d.entries {
			if !yield(e.message) {
				return
			}
		}
		if yield(d.notUnderstood) {
			yield(d.nobody)
		}
	}
}
