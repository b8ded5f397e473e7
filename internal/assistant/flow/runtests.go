package flow

import (
	"slices"
	"strings"
	"time"

	"parley/internal/assistant"
	"parley/internal/chat"
)

// Results are the outcomes of the tests in one file, in its order.
type Results struct {
	File  string   `json:"file"`
	Tests []Result `json:"tests"`
}

// Result is the outcome of one test.
type Result struct {
	Name string `json:"name"`
	// Line is where the test begins.
	Line   int  `json:"line"`
	Passed bool `json:"passed"`
	// After is what the contact did last before it went differently.
	After string `json:"after,omitempty"`
	// Differences are the lines of the answer to that. The rest of the talk was
	// not tried.
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is one line that came out differently.
type Difference struct {
	Line int `json:"line"`
	// Expected and Got are lines as the test writes them, such as "bot: Hello";
	// empty where none was expected, or none came.
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// OK reports whether all tests passed.
func (r Results) OK() bool {
	return !slices.ContainsFunc(r.Tests, func(t Result) bool { return !t.Passed })
}

// Failed returns the number of tests that did not pass.
func (r Results) Failed() int {
	n := 0
	for _, t := range r.Tests {
		if !t.Passed {
			n++
		}
	}
	return n
}

// RunTests has the conversations of a tests file with an assistant. file is the
// name to use in results. An error is a fault of kind Invalid: the tests file
// cannot be read, all mistakes listed; a test that fails is no error.
func RunTests(a *Assistant, file string, tests []byte) (Results, error) {
	scripts, wrong := parseScripts(file, tests)
	if err := wrong.fault(); err != nil {
		return Results{}, err
	}
	r := Results{File: file, Tests: make([]Result, len(scripts))}
	for i, s := range scripts {
		t := talk{assistant: a, lang: s.lang}
		r.Tests[i] = t.run(s)
	}
	return r, nil
}

// talk is a conversation under way.
type talk struct {
	assistant *Assistant
	lang      string
	state     []byte
	offered   []chat.Option
}

// line is one line the assistant brought about. An optional one may be left out
// of the test.
type line struct {
	key, text string
	optional  bool
}

func (l line) String() string { return l.key + ": " + l.text }

func (t *talk) run(s script) Result {
	res := Result{Name: s.name, Line: s.line, Passed: true}
	for turn := range turns(s.talk) {
		answer, want := []line(nil), turn
		if !turn[0].byContact() {
			res.After = "the chat is opened"
			answer = t.says(chat.Draft{Purpose: chat.Event, Content: chat.EventContent(chat.EventConnect)})
		} else {
			want = turn[1:]
			res.After = turn[0].String()
			c, problem := t.contact(turn[0])
			if problem != "" {
				res.Differences = []Difference{{Line: turn[0].line, Expected: turn[0].String(), Got: problem}}
				res.Passed = false
				return res
			}
			answer = t.says(chat.Draft{Purpose: chat.Message, Content: c})
		}
		if res.Differences = compare(turn[len(turn)-1].line, want, answer); len(res.Differences) > 0 {
			res.Passed = false
			return res
		}
	}
	res.After = ""
	return res
}

// turns cuts a talk into what the contact does and what is expected then. A
// talk that does not begin with the contact begins with the opened chat.
func turns(talk []step) func(yield func([]step) bool) {
	return func(yield func([]step) bool) {
		for len(talk) > 0 {
			n := 1
			for n < len(talk) && !talk[n].byContact() {
				n++
			}
			if !yield(talk[:n]) {
				return
			}
			talk = talk[n:]
		}
	}
}

// contact returns what the contact says in a step, or why that cannot be.
func (t *talk) contact(s step) (chat.Content, string) {
	if s.key == keyPerson {
		return chat.TextContent(s.text), ""
	}
	i := slices.IndexFunc(t.offered, func(o chat.Option) bool { return o.Title == s.text })
	switch {
	case i < 0 && len(t.offered) == 0:
		return chat.Content{}, "nothing to press was offered"
	case i < 0:
		return chat.Content{}, "to press there is: " + titles(t.offered)
	case t.offered[i].URL != "":
		return chat.Content{}, "this button opens " + t.offered[i].URL + " and says nothing"
	}
	return chat.ClickContent(t.offered[i].Value, t.offered[i].Title), ""
}

// says lets the assistant answer.
func (t *talk) says(d chat.Draft) []line {
	d.Author, d.Visibility = chat.Author{Kind: chat.ByContact}, chat.VisibleToAll
	reply := t.assistant.reply(assistant.Input{
		State: t.state, Lang: t.lang, Now: time.Unix(0, 0).UTC(), Entries: []chat.Entry{{Draft: d, Seq: 1}},
	})
	if reply.State != nil {
		t.state = reply.State
	}
	var out []line
	for _, m := range reply.Messages {
		out = append(out, t.shows(m)...)
	}
	if h := reply.HandOver; h != nil {
		out = append(out, line{keyControl, "queue " + h.Queue, false}, line{keyNobody, h.Unavailable.Text, true})
		if h.Unavailable.Choices != nil {
			// With nobody there the talk goes on from what this offers.
			out = append(out, t.shows(h.Unavailable)[1:]...)
		}
		return out
	}
	return append(out, line{keyControl, "assistant", true})
}

func (t *talk) shows(c chat.Content) []line {
	if c.Type == chat.TypeFile {
		return []line{{keyImage, c.File.URL, false}}
	}
	out := []line{{keyBot, c.Text, false}}
	if c.Type == chat.TypeChoices {
		t.offered = c.Choices.Options
		key := keyButtons
		if c.Choices.Style == chat.StyleQuickReplies {
			key = keyChoices
		}
		out = append(out, line{key, titles(t.offered), true})
	}
	return out
}

func titles(options []chat.Option) string {
	var out []string
	for _, o := range options {
		out = append(out, o.Title)
	}
	return showTitles(out)
}

func showTitles(titles []string) string { return "[" + strings.Join(titles, " | ") + "]" }

// String returns the step as a line of the test.
func (s step) String() string { return s.expects().String() }

func (s step) expects() line {
	if s.key == keyChoices || s.key == keyButtons {
		return line{key: s.key, text: showTitles(s.titles)}
	}
	return line{key: s.key, text: s.text}
}

// compare pairs expected lines with those that came, in order. last is the line
// of the file where a surplus is reported.
func compare(last int, want []step, got []line) []Difference {
	var out []Difference
	i := 0
	for _, w := range want {
		for i < len(got) && got[i].optional && got[i].key != w.key {
			i++
		}
		d := Difference{Line: w.line, Expected: w.String()}
		if i < len(got) {
			d.Got = got[i].String()
			i++
		}
		if strings.TrimSpace(d.Got) != strings.TrimSpace(d.Expected) {
			out = append(out, d)
		}
	}
	for _, g := range got[i:] {
		if !g.optional {
			out = append(out, Difference{Line: last, Got: g.String()})
		}
	}
	return out
}
