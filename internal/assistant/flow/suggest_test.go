package flow_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/assistant"
	"parley/internal/chat"
)

// closeCalls is a flow in which "delivery" alone is not clear.
const closeCalls = `
flow: 1
languages: [en, de]
faq:
  - { id: cost, ask: { en: ["How much does delivery cost?"], de: ["Was kostet die Lieferung?"] }, say: { en: Five., de: Fünf. } }
  - { id: time, ask: { en: ["How long does delivery take?"], de: ["Wie lange dauert die Lieferung?"] }, say: { en: Two days., de: Zwei Tage. } }
  - { id: place, ask: { en: ["Where does delivery go?"], de: ["Wohin geht die Lieferung?"] }, say: { en: Home., de: Heim. } }
  - { id: gone, ask: { en: ["Which delivery was lost?"] , de: ["Welche Lieferung ging verloren?"] }, say: { en: All., de: Alle. } }
did_you_mean: { say: { en: "Which one?", de: "Welche?" }, none: { en: None, de: Keine } }
not_understood: { say: { en: "Sorry?", de: "Wie bitte?" }, handover: { after: 2, queue: support } }
`

func offered(t *testing.T, r assistant.Reply) []chat.Option {
	t.Helper()
	if len(r.Messages) != 1 || r.Messages[0].Choices == nil {
		t.Fatalf("no suggestion: %+v", r.Messages)
	}
	if s := r.Messages[0].Choices.Style; s != chat.StyleQuickReplies {
		t.Errorf("style %s", s)
	}
	return r.Messages[0].Choices.Options
}

func TestDidYouMean(t *testing.T) {
	k := talk(t, closeCalls)
	r := k.say("delivery")
	expect(t, r, "Which one?")
	options := offered(t, r)
	if len(options) != 4 {
		t.Fatalf("three suggestions and a way out, got %+v", options)
	}
	if diff := cmp.Diff(chat.Option{Title: "None", Value: "None"}, options[3]); diff != "" {
		t.Error(diff)
	}
	answers := map[string]string{"cost": "Five.", "time": "Two days.", "place": "Home.", "gone": "All."}
	for i, o := range options[:3] {
		expect(t, talkFrom(k).press(o.Value, o.Title), answers[o.Value])
		expect(t, talkFrom(k).say(o.Title), answers[o.Value])
		expect(t, talkFrom(k).say(o.Value), answers[o.Value])
		expect(t, talkFrom(k).say(string(rune('1'+i))), answers[o.Value])
	}
	for _, no := range []string{"None", "none.", "keine", "4"} {
		expect(t, talkFrom(k).say(no), "Sorry?")
	}
}

// talkFrom continues a talk without changing it.
func talkFrom(k *talker) *talker { c := *k; return &c }

func TestSuggestionsDeclinedCount(t *testing.T) {
	k := talk(t, closeCalls)
	k.say("delivery")
	expect(t, k.press("None", "None"), "Sorry?")
	if r := k.say("xyzzy"); r.HandOver == nil {
		t.Errorf("two misunderstandings: got %q", spoken(r))
	}
}

func TestSuggestionsPassedOverCount(t *testing.T) {
	k := talk(t, closeCalls)
	expect(t, k.say("delivery"), "Which one?")
	expect(t, k.say("delivery"), "Which one?")
	if r := k.say("delivery"); r.HandOver == nil || len(r.Messages) != 0 {
		t.Errorf("two suggestions did not help: got %q", spoken(r))
	}
}

func TestSuggestionTakenForgives(t *testing.T) {
	k := talk(t, closeCalls)
	for range 5 {
		o := offered(t, k.say("delivery"))
		if r := k.press(o[0].Value, o[0].Title); r.HandOver != nil {
			t.Fatal("an accepted suggestion counts as a misunderstanding")
		}
	}
}

func TestSuggestionsInGerman(t *testing.T) {
	k := talk(t, closeCalls)
	k.lang = "de"
	r := k.say("Lieferung")
	expect(t, r, "Welche?")
	if o := offered(t, r); o[len(o)-1].Title != "Keine" {
		t.Errorf("got %+v", o)
	}
}

func TestSuggestOff(t *testing.T) {
	k := talk(t, strings.Replace(closeCalls, "not_understood: {", "not_understood: { suggest: false,", 1))
	expect(t, k.say("delivery"), "Sorry?")
}
