package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/assistant/flow/demo"
	"parley/internal/chat"
)

// desk is the flow most tests talk to.
const desk = `
flow: 1
languages: [en, de]
welcome:
  say: { en: Hello!, de: Hallo! }
  choices: [Opening hours, { title: { en: Send back, de: Zurück }, value: returns }]
  image: { url: "https://example.com/logo.png", alt: { en: Our logo } }
faq:
  - id: opening-hours
    ask: { en: ["When are you open?", opening hours, are you open on sunday], de: ["Wann habt ihr offen?", Öffnungszeiten] }
    say: { en: "Monday to Friday, 9 to 17.", de: "Montag bis Freitag, 9 bis 17 Uhr." }
  - id: returns
    ask: ["How do I return something?", send back a parcel]
    say: Print the label in your account and hand the parcel in.
    buttons: [{ title: { en: Open my account, de: Konto öffnen }, url: "https://www.example.com/account" }]
  - id: map
    ask: { en: where is your shop, de: wo ist euer laden }
    image: https://example.com/map
  - id: human
    ask: { en: [talk to a person], de: [mit einem Menschen sprechen] }
    say: { en: I ask for a colleague., de: Ich frage nach einem Kollegen. }
    handover: support
nobody:
  say: { en: Nobody is here now., de: Gerade ist niemand da. }
  buttons: [{ title: Write to us, url: "mailto:help@example.com" }]
not_understood:
  say: { en: "Sorry?", de: "Wie bitte?" }
  handover: { after: 3, queue: second-line }
`

// talker is one episode with an assistant.
type talker struct {
	t     *testing.T
	a     *flow.Assistant
	state []byte
	lang  string
}

func talk(t *testing.T, definition string) *talker {
	t.Helper()
	a, err := flow.Compile("test.flow.yaml", []byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	return &talker{t: t, a: a}
}

func message(c chat.Content) chat.Entry {
	return chat.Entry{Draft: chat.Draft{
		Author: chat.Author{Kind: chat.ByContact}, Purpose: chat.Message, Visibility: chat.VisibleToAll, Content: c,
	}}
}

func connect() chat.Entry {
	return chat.Entry{Draft: chat.Draft{Purpose: chat.Event, Content: chat.EventContent(chat.EventConnect)}}
}

// hear passes entries on and checks what every reply must satisfy.
func (k *talker) hear(entries ...chat.Entry) assistant.Reply {
	k.t.Helper()
	in := assistant.Input{State: k.state, Entries: entries, Lang: k.lang, Now: time.Unix(1, 0)}
	reply, err := k.a.Answer(context.Background(), assistant.Turn{Input: in})
	if err != nil {
		k.t.Fatal(err)
	}
	if again, ok := k.a.Instant(in); ok {
		if diff := cmp.Diff(reply, again); diff != "" {
			k.t.Errorf("the same input gets another reply:\n%s", diff)
		}
	}
	valid(k.t, reply)
	if reply.State != nil {
		k.state = reply.State
	}
	return reply
}

func valid(t testing.TB, reply assistant.Reply) {
	t.Helper()
	all := reply.Messages
	if reply.HandOver != nil {
		all = append(slices.Clone(all), reply.HandOver.Unavailable)
		if reply.HandOver.Queue == "" {
			t.Error("a hand-over to no queue")
		}
	}
	for _, m := range all {
		if err := m.Validate(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
		if strings.TrimSpace(m.Text) == "" {
			t.Errorf("%+v: no text to fall back to", m)
		}
	}
	if len(reply.State) > 8<<10 {
		t.Errorf("the state has %d bytes", len(reply.State))
	}
}

func (k *talker) say(text string) assistant.Reply {
	k.t.Helper()
	return k.hear(message(chat.TextContent(text)))
}

func (k *talker) press(value, display string) assistant.Reply {
	k.t.Helper()
	return k.hear(message(chat.ClickContent(value, display)))
}

// spoken joins the texts of a reply.
func spoken(r assistant.Reply) string {
	var out []string
	for _, m := range r.Messages {
		out = append(out, m.Text)
	}
	return strings.Join(out, " / ")
}

func expect(t *testing.T, r assistant.Reply, want string) {
	t.Helper()
	if got := spoken(r); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

const (
	open, offen  = "Monday to Friday, 9 to 17.", "Montag bis Freitag, 9 bis 17 Uhr."
	label        = "Print the label in your account and hand the parcel in."
	sorry, bitte = "Sorry?", "Wie bitte?"
)

func TestAnswers(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a phrasing", "When are you open?", open},
		{"case, spaces and points do not count", "  WHEN are you   open!!", open},
		{"a typo", "oppening hours", open},
		{"other words", "what are your opening hours please", open},
		{"German", "Wann habt ihr offen?", offen},
		{"German without umlauts", "oeffnungszeiten", offen},
		{"German where only English is written", "Etikett ausdrucken", sorry},
		{"an id", "opening-hours", open},
		{"the title of a choice", "Send back", label},
		{"that title in German", "zurück", label},
		{"nonsense", "xyzzy plugh", sorry},
		{"nothing", "", sorry},
		{"spaces", " \n ", sorry},
		{"signs", "?!", sorry},
		{"a number nobody offered", "1", sorry},
		{"broken text", "\xff\xfe\x00", sorry},
		{"very long", strings.Repeat("?! ", 100000), sorry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, talk(t, desk).say(tt.text), tt.want) })
	}
}

func TestWelcome(t *testing.T) {
	k := talk(t, desk)
	k.lang = "de-AT"
	r := k.hear(connect())
	if len(r.Messages) != 2 {
		t.Fatalf("got %+v", r.Messages)
	}
	for _, m := range r.Messages {
		if m.Mark != chat.MarkWelcome {
			t.Errorf("%s is not marked as the welcome", m.Type)
		}
	}
	picture, text := r.Messages[0], r.Messages[1]
	want := &chat.File{URL: "https://example.com/logo.png", Name: "logo.png", MIME: "image/png"}
	if diff := cmp.Diff(want, picture.File); diff != "" || picture.Text != "Our logo" || picture.Lang != "en" {
		t.Errorf("picture %+v\n%s", picture, diff)
	}
	if text.Text != "Hallo!" || text.Lang != "de" {
		t.Errorf("text %+v", text)
	}
	options := []chat.Option{{Title: "Opening hours", Value: "Opening hours"}, {Title: "Zurück", Value: "returns"}}
	if diff := cmp.Diff(&chat.Choices{Style: chat.StyleQuickReplies, Options: options}, text.Choices); diff != "" {
		t.Error(diff)
	}
	if n := len(k.say("hello there, this says nothing at all").Messages); n != 1 {
		t.Errorf("%d messages after the welcome, want one", n)
	}
	if r := talk(t, "flow: 1\nlanguages: [en]\n").hear(connect()); len(r.Messages) != 0 {
		t.Errorf("a flow without a welcome says %q", spoken(r))
	}
}

func TestButtons(t *testing.T) {
	r := talk(t, desk).say("How do I return something?")
	want := chat.ChoicesContent(label, chat.StyleButtons, chat.Option{Title: "Open my account", URL: "https://www.example.com/account"})
	want.Lang = "en"
	if diff := cmp.Diff([]chat.Content{want}, r.Messages); diff != "" {
		t.Error(diff)
	}
}

func TestPictureWithoutText(t *testing.T) {
	r := talk(t, desk).say("where is your shop")
	if len(r.Messages) != 1 || r.Messages[0].Type != chat.TypeFile || r.Messages[0].File.MIME != "image/*" || r.Messages[0].Text != "map" {
		t.Errorf("got %+v", r.Messages)
	}
}

func TestPresses(t *testing.T) {
	tests := []struct{ name, value, display, want string }{
		{"a value that is an id", "returns", "Anything", label},
		{"a value that is a phrasing", "Opening hours", "Opening hours", open},
		{"a value of old with a title of today", "gone-since", "Opening hours", open},
		{"a value that says nothing", "gone-since", "gone too", sorry},
		{"an empty value", "", "", sorry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, talk(t, desk).press(tt.value, tt.display), tt.want) })
	}
}

func TestNumberOfAChoice(t *testing.T) {
	k := talk(t, desk)
	k.hear(connect())
	expect(t, k.say("2."), label)
	expect(t, k.say("1"), sorry) // only an address is offered now
	k.hear(connect())
	expect(t, k.say("3"), sorry)
}

func TestLanguages(t *testing.T) {
	k := talk(t, desk)
	expect(t, k.say("Wann habt ihr offen?"), offen)
	expect(t, k.say("gibberish xyzzy"), bitte)
	expect(t, k.press("Opening hours", "Opening hours"), offen) // a press keeps the language
	expect(t, k.say("Opening hours"), open)                     // a text in English changes it
	expect(t, k.say("gibberish xyzzy"), sorry)

	for hint, want := range map[string]string{
		"": sorry, "de": bitte, "de-DE": bitte, "DE_at": bitte, "de-CH,de;q=0.9,en;q=0.8": bitte, "fr": sorry, "d": sorry, "-": sorry, "de;": bitte,
	} {
		k := talk(t, desk)
		k.lang = hint
		if got := spoken(k.say("gibberish xyzzy")); got != want {
			t.Errorf("language %q: got %q, want %q", hint, got, want)
		}
	}
}

func TestTranslatedEntryIsFound(t *testing.T) {
	// The same name in all languages must not make the search unsure.
	k := talk(t, string(demo.Definition()))
	for lang, want := range map[string]string{"en": "Change its base URL", "de": "Ändern Sie nur die Basis-URL", "es": "Cambie su URL base"} {
		if got := spoken(talkIn(k, lang).say("kore sdk")); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q", lang, got)
		}
	}
}

func talkIn(k *talker, lang string) *talker {
	return &talker{t: k.t, a: k.a, lang: lang}
}

func TestHandOver(t *testing.T) {
	k := talk(t, desk)
	r := k.say("talk to a person")
	expect(t, r, "I ask for a colleague.")
	if r.HandOver == nil || r.HandOver.Queue != "support" {
		t.Fatalf("hand-over %+v", r.HandOver)
	}
	u := r.HandOver.Unavailable
	if u.Text != "Nobody is here now." || u.Choices == nil || u.Choices.Options[0].URL != "mailto:help@example.com" {
		t.Errorf("if nobody is there: %+v", u)
	}
	if r := k.say("mit einem Menschen sprechen"); r.HandOver.Unavailable.Text != "Gerade ist niemand da." {
		t.Errorf("in German: %+v", r.HandOver)
	}
}

func TestNothingAfterAHandOver(t *testing.T) {
	r := talk(t, desk).hear(message(chat.TextContent("talk to a person")), message(chat.TextContent("opening hours")))
	expect(t, r, "I ask for a colleague.")
}

func TestSeveralEntriesInOrder(t *testing.T) {
	r := talk(t, desk).hear(message(chat.TextContent("opening hours")), message(chat.TextContent("How do I return something?")))
	expect(t, r, open+" / "+label)
}

func TestMisunderstandings(t *testing.T) {
	k := talk(t, desk)
	third := func() {
		t.Helper()
		r := k.say("xyzzy plugh")
		if r.HandOver == nil || r.HandOver.Queue != "second-line" || len(r.Messages) != 0 {
			t.Fatalf("after three: %q, %+v", spoken(r), r.HandOver)
		}
	}
	expect(t, k.say("xyzzy plugh"), sorry)
	expect(t, k.hear(message(chat.Content{Version: 1, Type: chat.TypeFile, File: &chat.File{URL: "x"}})), sorry)
	third()
	expect(t, k.say("xyzzy plugh"), sorry) // nobody came: it counts from the start
	expect(t, k.say("xyzzy plugh"), sorry)
	expect(t, k.say("opening hours"), open) // an answer forgives
	expect(t, k.say("xyzzy plugh"), sorry)
	expect(t, k.say("xyzzy plugh"), sorry)
	third()
}

func TestNeverHandsOverUnasked(t *testing.T) {
	k := talk(t, "flow: 1\nlanguages: [fr]\n")
	for range 200 {
		if r := k.say("xyzzy"); r.HandOver != nil || len(r.Messages) != 1 || r.Messages[0].Lang != "fr" {
			t.Fatalf("got %+v", r)
		}
	}
}

func TestIgnored(t *testing.T) {
	k := talk(t, desk)
	edit := message(chat.TextContent("opening hours"))
	edit.Purpose = chat.Edit
	deletion := message(chat.TextContent(""))
	deletion.Purpose = chat.Deletion
	deleted := message(chat.TextContent("opening hours"))
	deleted.Deleted = true
	other := chat.Entry{Draft: chat.Draft{Purpose: chat.Event, Content: chat.EventContent("minimized")}}
	bare := chat.Entry{Draft: chat.Draft{Purpose: chat.Event}}
	for _, e := range []chat.Entry{edit, deletion, deleted, other, bare} {
		if r := k.hear(e); len(r.Messages) != 0 || r.State != nil {
			t.Errorf("%+v: got %+v", e.Draft, r)
		}
	}
	if r := k.hear(); len(r.Messages) != 0 || r.State != nil {
		t.Errorf("no entries: got %+v", r)
	}
}

func TestStateOnlyWhenItChanges(t *testing.T) {
	k := talk(t, desk)
	if k.say("opening hours").State == nil {
		t.Error("the language is not remembered")
	}
	if s := k.say("opening hours").State; s != nil {
		t.Errorf("nothing changed, but the state is written: %s", s)
	}
}

func TestHostileState(t *testing.T) {
	for _, s := range []string{
		"", "null", "[]", "{", "\x00", `{"missed":-5}`, `{"missed":1e99}`, `{"missed":99999999999}`, `{"lang":"xx"}`, `{"lang":5}`,
		`{"offered":["", null]}`, `{"offered":[` + strings.Repeat(`"returns",`, 99) + `""]}`, `{"x":"` + strings.Repeat("y", 1<<20) + `"}`,
		strings.Repeat("[", 30000),
	} {
		k := talk(t, desk)
		k.state = []byte(s)
		expect(t, k.say("opening hours"), open)
	}
}
