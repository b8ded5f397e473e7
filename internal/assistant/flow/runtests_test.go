package flow_test

import (
	"os"
	"strings"
	"testing"

	"parley/internal/assistant/flow"
	"parley/internal/fault"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func frontDesk(t testing.TB) *flow.Assistant {
	t.Helper()
	a, err := flow.Compile("front-desk.flow.yaml", read(t, "front-desk.flow.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func run(t *testing.T, tests string) (flow.Results, string) {
	t.Helper()
	r, err := flow.RunTests(frontDesk(t), "front-desk.test.yaml", []byte(tests))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	n, err := r.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Errorf("wrote %d of %d bytes: %v", n, b.Len(), err)
	}
	return r, b.String()
}

func TestConversationsThatPass(t *testing.T) {
	r, text := run(t, string(read(t, "front-desk.test.yaml")))
	if !r.OK() || r.Failed() != 0 || len(r.Tests) != 5 {
		t.Errorf("\n%s", text)
	}
	want := "ok    opening hours, with a typo\nok    two misunderstandings bring a person\n"
	if !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "front-desk.test.yaml: 5 of 5 tests passed\n") {
		t.Errorf("\n%s", text)
	}
}

func TestConversationsThatFail(t *testing.T) {
	tests := []struct{ name, talk, want string }{
		{"another text", `[{ person: opening hours }, { bot: "Never." }]`, `      after person: opening hours
      front-desk.test.yaml:4:
        expected  bot: Never.
        got       bot: Monday to Friday, 9 to 17.
`},
		{"only spaces differ", `[{ person: opening hours }, { bot: "Monday  to Friday, 9 to 17." }]`, `      after person: opening hours
      front-desk.test.yaml:4:
        expected  "bot: Monday  to Friday, 9 to 17."
        got       "bot: Monday to Friday, 9 to 17."
`},
		{"too little", `[{ person: opening hours }, { bot: "Monday to Friday, 9 to 17." }, { bot: Bye }]`, `      after person: opening hours
      front-desk.test.yaml:5:
        expected  bot: Bye
        got       nothing
`},
		{"too much", `[{ person: opening hours }]`, `      after person: opening hours
      front-desk.test.yaml:3:
        expected  nothing more
        got       bot: Monday to Friday, 9 to 17.
`},
		{"an unexpected hand-over", `[{ person: human please }]`, `      after person: human please
      front-desk.test.yaml:3:
        expected  nothing more
        got       control: queue support
`},
		{"a hand-over to another queue", `[{ person: human please }, { control: queue sales }]`, `      after person: human please
      front-desk.test.yaml:4:
        expected  control: queue sales
        got       control: queue support
`},
		{"no hand-over", `[{ person: opening hours }, { bot: "Monday to Friday, 9 to 17." }, { control: queue support }]`, `      after person: opening hours
      front-desk.test.yaml:5:
        expected  control: queue support
        got       control: assistant
`},
		{"a hand-over after all", `[{ person: human please }, { control: assistant }]`, `      after person: human please
      front-desk.test.yaml:4:
        expected  control: assistant
        got       control: queue support
`},
		{"other words when nobody is there", `[{ person: human please }, { control: queue support }, { nobody: Wait. }]`, `      after person: human please
      front-desk.test.yaml:5:
        expected  nobody: Wait.
        got       nobody: Sorry, nobody can be reached right now. I am still here for your questions.
`},
		{"other choices", `[{ bot: Hello! Ask me anything about your order. }, { choices: [Opening hours] }]`, `      after the chat is opened
      front-desk.test.yaml:4:
        expected  choices: [Opening hours]
        got       choices: [Opening hours | Talk to a person]
`},
		{"choices that are buttons", `[{ person: send back a parcel }, { bot: Print the label in your account and hand the parcel in. }, { choices: [Open my account] }]`, `      after person: send back a parcel
      front-desk.test.yaml:5:
        expected  choices: [Open my account]
        got       nothing
`},
		{"nothing to press", `[{ press: Opening hours }]`, `      after press: Opening hours
      front-desk.test.yaml:3:
        expected  press: Opening hours
        got       nothing to press was offered
`},
		{"something else to press", `[{ bot: Hello! Ask me anything about your order. }, { press: Help }]`, `      after press: Help
      front-desk.test.yaml:4:
        expected  press: Help
        got       to press there is: [Opening hours | Talk to a person]
`},
		{"a button that opens a page", `[{ person: send back a parcel }, { bot: Print the label in your account and hand the parcel in. }, { press: Open my account }]`, `      after press: Open my account
      front-desk.test.yaml:5:
        expected  press: Open my account
        got       this button opens https://www.example.com/account and says nothing
`},
		{"a picture", `[{ person: opening hours }, { image: "https://example.com/a.png" }]`, `      after person: opening hours
      front-desk.test.yaml:4:
        expected  image: https://example.com/a.png
        got       bot: Monday to Friday, 9 to 17.
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Each step on a line of its own, from line 3.
			steps := strings.ReplaceAll(strings.Trim(tt.talk, "[]"), "}, {", "}\n    - {")
			r, text := run(t, "- name: it fails\n  talk:\n    - "+steps+strings.Repeat("]", strings.Count(steps, "[")-strings.Count(steps, "]"))+"\n")
			want := "FAIL  front-desk.test.yaml:1: it fails\n" + tt.want + "front-desk.test.yaml: 0 of 1 test passed\n"
			if r.OK() || text != want {
				t.Errorf("got\n%s\nwant\n%s", text, want)
			}
		})
	}
}

func TestFailureEndsOneTalkOnly(t *testing.T) {
	r, text := run(t, "- name: a\n  talk: [{ person: a }, { bot: b }, { person: opening hours }, { bot: never reached }]\n"+
		"- name: b\n  talk: [{ person: opening hours }, { bot: \"Monday to Friday, 9 to 17.\" }]\n")
	if r.Failed() != 1 || r.Tests[1].Passed != true || strings.Contains(text, "never") {
		t.Errorf("\n%s", text)
	}
}

func TestPictures(t *testing.T) {
	a, err := flow.Compile("f", []byte("flow: 1\nlanguages: [en]\nwelcome: { image: https://example.com/a.png, say: Hi }\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := flow.RunTests(a, "t", []byte("- name: a\n  talk: [{ image: https://example.com/a.png }, { bot: Hi }]\n"))
	if err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestBadTests(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"1:1: the file is empty"}},
		{"no list", "name: a\n", []string{"1:1: tests: is a mapping"}},
		{"no name", "- talk: [{ person: a }]\n", []string{"1:3: tests[0]: name is missing"}},
		{"no talk", "- name: a\n", []string{"1:3: tests[0]: talk is missing"}},
		{"empty talk", "- name: a\n  talk: []\n", []string{"2:9: tests[0].talk: is an empty list"}},
		{"a strange line", "- name: a\n  talk:\n    - user: b\n", []string{"3:7: tests[0].talk[0].user: is not a known key; known here: person"}},
		{"two in a line", "- name: a\n  talk:\n    - person: b\n      bot: c\n", []string{"3:7: tests[0].talk[0]: has several keys"}},
		{"a line of text", "- name: a\n  talk: [hello]\n", []string{"2:10: tests[0].talk[0]: is the text"}},
		{"control by somebody", "- name: a\n  talk: [{ control: human }]\n", []string{`2:21: tests[0].talk[0].control: is the text "human"; write queue and its name`}},
		{"a language that is none", "- name: a\n  lang: German\n  talk: [{ person: a }]\n", []string{`2:9: tests[0].lang: "German" is not a language`}},
		{"no answer", "- name: a\n  talk:\n    - person: b\n    - bot:\n", []string{"4:11: tests[0].talk[1].bot: is empty"}},
		{"choices in one text", "- name: a\n  talk:\n    - choices: b\n", []string{"3:16: tests[0].talk[0].choices: is the text"}},
		{"a question mark in brackets", "- name: a\n  talk: [{ person: why? }]\n", []string{"2:23: a question mark ends unquoted text"}},
		{"all at once", "- nam: a\n  talk: [{ bot: \"\" }, { control: x }]\n", []string{
			"1:3: tests[0].nam: is not a known key; did you mean name?", "1:3: tests[0]: name is missing", "2:17: tests[0].talk[0].bot: is empty", "2:34: tests[0].talk[1].control:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := flow.RunTests(frontDesk(t), "t", []byte(tt.text))
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("got %v", err)
			}
			agree(t, strings.Split(strings.ReplaceAll("\n"+fault.Message(err), "\nt:", "\n"), "\n")[1:], tt.want)
		})
	}
}

func TestPair(t *testing.T) {
	for _, name := range []string{"a/front-desk.flow.yaml", "a/front-desk.test.yaml"} {
		d, ts, ok := flow.Pair(name)
		if d != "a/front-desk.flow.yaml" || ts != "a/front-desk.test.yaml" || !ok {
			t.Errorf("%s: %s, %s, %v", name, d, ts, ok)
		}
	}
	if _, _, ok := flow.Pair("front-desk.yaml"); ok {
		t.Error("a pair for a name that is neither")
	}
}
