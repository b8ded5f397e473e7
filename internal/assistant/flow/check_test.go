package flow_test

import (
	"encoding/json"
	"strings"
	"testing"

	"parley/internal/assistant/flow"
)

func warnings(r flow.Report) []string {
	var out []string
	for _, w := range r.Warnings {
		out = append(out, strings.TrimPrefix(w.String(), "f:"))
	}
	return out
}

func TestCheckWarns(t *testing.T) {
	const one = "flow: 1\nlanguages: [en]\nfaq:\n"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing to warn of", one + "- { id: a, ask: what is a, say: A }\n- { id: b, ask: how is b, say: B }\n", nil},
		{"a shared phrasing", one + "- { id: a, ask: opening hours, say: A }\n- { id: b, ask: [office, \"Opening hours?\"], say: B }\n",
			[]string{"5:26: faq[1].ask[1]: is a phrasing of a too, in line 4, which answers it"}},
		{"a phrasing twice", one + "- { id: a, ask: [opening, Opening!], say: A }\n", []string{"4:27: faq[0].ask[1]: stands in line 4 too; keep one"}},
		{"a shared phrasing in two languages is none", head + "faq:\n- { id: a, ask: { en: taxi, de: auto }, say: { en: a, de: b } }\n- { id: b, ask: { en: car, de: taxi }, say: { en: a, de: b } }\n", nil},
		{"a choice that nothing answers", one + "- { id: a, ask: opening hours, say: A, choices: [Opening hours, Talk to a person] }\n",
			[]string{`4:65: faq[0].choices[1]: sends "Talk to a person" in en, and nothing answers it`}},
		{"a value that nothing answers", one + "- { id: a, ask: opening hours, say: A, buttons: [{ title: Opening, value: opnening-times }, { title: B, url: \"tel:1\" }] }\n",
			[]string{`4:50: faq[0].buttons[0]: sends "opnening-times", which is no id and no phrasing`}},
		{"an entry nothing leads to", one + "- { id: a, say: A }\n", []string{"4:3: faq[0]: nothing leads to a; give it phrasings with ask, or a choice with value: a"}},
		{"an entry a button leads to", one + "- { id: a, say: A }\n- { id: b, ask: hello, say: B, buttons: [{ title: To A, value: a }] }\n", nil},
		{"a missing translation", head + "welcome: { say: { de: Hallo }, choices: [{ title: { en: hello }, value: a }, { title: Hello, value: a }] }\nfaq:\n- { id: a, ask: hello, say: Hello }\n",
			[]string{
				"3:17: welcome.say: is not there in en; people who write that get it in de",
				"3:51: welcome.choices[0].title: is not there in de; people who write that get it in en",
				"5:3: faq[0].ask: has no phrasing in de; people who write that are not understood",
				"5:29: faq[0].say: is not there in de; people who write that get it in en",
			}},
		{"a text cut by a comment", "flow: 1\nlanguages: [en]\nwelcome:\n  say: We are #1 here\nnobody: { say: Gone } # for now\n",
			[]string{`4:8: welcome.say: ends before "#1 here", which YAML takes for a comment`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := flow.Check("f", []byte(tt.text))
			if !r.OK() {
				t.Fatal(r.Errors)
			}
			agree(t, warnings(r), tt.want)
		})
	}
}

func TestCheckConfusion(t *testing.T) {
	// The search does not see the signs, so that only the phrasing itself tells
	// them apart.
	r := flow.Check("f", []byte(`flow: 1
languages: [en]
faq:
- { id: there, ask: "how to learn C++", say: So. }
- { id: back, ask: "how to learn C#", say: Thus. }
`))
	var found bool
	for _, w := range warnings(r) {
		found = found || strings.HasPrefix(w, "5:20: faq[1].ask: is so close to there that")
	}
	if !found {
		t.Errorf("no warning: %v", warnings(r))
	}
}

func TestCheckErrors(t *testing.T) {
	r := flow.Check("front-desk.flow.yaml", []byte("flow: 1\nlanguages: [en]\nwelcome: { says: Hi }\nfaq: []\n"))
	if r.OK() || len(r.Errors) != 3 {
		t.Fatalf("%+v", r)
	}
	var b strings.Builder
	n, err := r.WriteTo(&b)
	want := `front-desk.flow.yaml:3:10: welcome: say is missing; write what the assistant says here
front-desk.flow.yaml:3:12: welcome.says: is not a known key; did you mean say?
front-desk.flow.yaml:4:6: faq: is an empty list; fill it or leave it out
front-desk.flow.yaml: 3 errors, no warnings
`
	if b.String() != want || n != int64(len(want)) || err != nil {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if r := flow.Check("f", nil); r.OK() || len(r.Errors) != 1 {
		t.Errorf("an empty file: %+v", r)
	}
}

func TestCheckReport(t *testing.T) {
	r := flow.Check("front-desk.flow.yaml", read(t, "front-desk.flow.yaml"))
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	want := `front-desk.flow.yaml:12:5: warning: faq[1].ask: has no phrasing in de; people who write that are not understood
front-desk.flow.yaml:14:10: warning: faq[1].say: is not there in de; people who write that get it in en
front-desk.flow.yaml:16:5: warning: faq[2].ask: has no phrasing in de; people who write that are not understood
front-desk.flow.yaml:21:8: warning: not_understood.say: is not there in de; people who write that get it in en
front-desk.flow.yaml: 3 FAQ entries in en, de, no errors, 4 warnings
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	j, err := json.Marshal(flow.Check("f", []byte(head)))
	if err != nil || string(j) != `{"file":"f","errors":[],"warnings":[],"languages":["en","de"],"entries":0}` {
		t.Errorf("%s, %v", j, err)
	}
}
