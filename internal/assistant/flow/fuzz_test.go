package flow_test

import (
	"encoding/json"
	"strings"
	"testing"

	"parley/internal/assistant"
	"parley/internal/assistant/flow"
	"parley/internal/assistant/flow/demo"
	"parley/internal/chat"
	"parley/internal/fault"
)

// FuzzCompile feeds hostile definitions: refused with a place in the file, or
// answering with valid content.
func FuzzCompile(f *testing.F) {
	for _, d := range documents() {
		f.Add([]byte(d.text))
	}
	f.Add(demo.Definition())
	f.Add([]byte("flow: 1\nlanguages: [en]\nfaq: [{id: a, ask: [b?, c], say: d}]\n"))
	f.Fuzz(func(t *testing.T, definition []byte) {
		r := flow.Check("f", definition)
		a, err := flow.Compile("f", definition)
		if (err == nil) != r.OK() {
			t.Fatalf("compile says %v, check %+v", err, r.Errors)
		}
		if err != nil {
			if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Message(err), "f:") {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		var state []byte
		for _, e := range []chat.Entry{connect(), message(chat.TextContent("1")), message(chat.TextContent("b")), message(chat.TextContent(""))} {
			reply, err := a.Answer(t.Context(), assistant.Turn{Input: assistant.Input{State: state, Entries: []chat.Entry{e}}})
			if err != nil {
				t.Fatal(err)
			}
			valid(t, reply)
			state = reply.State
		}
	})
}

// FuzzTests feeds hostile tests files.
func FuzzTests(f *testing.F) {
	f.Add(read(f, "front-desk.test.yaml"))
	f.Add(demo.Tests())
	f.Add([]byte("- name: a\n  talk: [{ person: a }, { bot: b }, { press: c }, { choices: [d] }]\n"))
	f.Add([]byte("- { name: a, lang: de, talk: [{ control: assistant }, { nobody: b }, { image: c }, { buttons: [d] }] }\n"))
	a := frontDesk(f)
	f.Fuzz(func(t *testing.T, tests []byte) {
		r, err := flow.RunTests(a, "t", tests)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Message(err), "t:") {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		for _, test := range r.Tests {
			if test.Passed != (len(test.Differences) == 0) {
				t.Fatalf("%+v", test)
			}
		}
		if _, err := r.WriteTo(&strings.Builder{}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAnswer feeds hostile contacts and hostile stored state.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(nil), "opening hours", "", "", "de-DE")
	f.Add([]byte(`{"lang":"de","missed":1,"suggested":true,"offered":["returns"]}`), "1", "returns", "Send back", "en")
	f.Add([]byte(`{"missed":-1,"offered":[null]}`), "\xff", "\x00", "keine", ";")
	f.Add([]byte(`[[[[`), strings.Repeat("ß", 2000), "human", "", "--")
	a, err := flow.Compile("f", []byte(desk))
	if err != nil {
		f.Fatal(err)
	}
	b, err := flow.Compile("f", []byte(closeCalls))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state []byte, text, value, display, lang string) {
		for _, a := range []*flow.Assistant{a, b} {
			in := assistant.Input{State: state, Lang: lang, Entries: []chat.Entry{
				message(chat.TextContent(text)), message(chat.ClickContent(value, display)), connect(),
			}}
			reply, err := a.Answer(t.Context(), assistant.Turn{Input: in})
			if err != nil {
				t.Fatal(err)
			}
			valid(t, reply)
			if reply.State != nil && !json.Valid(reply.State) {
				t.Fatalf("state %q", reply.State)
			}
		}
	})
}
