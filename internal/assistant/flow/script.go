package flow

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a tests file.
const (
	maxTests = 5000
	maxSteps = 500
)

// Keys of the lines of a talk. All but keyPerson and keyPress are expected of
// the assistant.
const (
	keyPerson  = "person"  // the contact writes
	keyPress   = "press"   // the contact presses what was offered, by title
	keyBot     = "bot"     // the assistant says
	keyChoices = "choices" // quick replies under what it said
	keyButtons = "buttons"
	keyImage   = "image"   // the address of a picture it shows
	keyControl = "control" // "queue NAME" or "assistant": what the flow asks for
	keyNobody  = "nobody"  // what is said if nobody can be reached
)

var keysOfTalk = []string{keyPerson, keyPress, keyBot, keyChoices, keyButtons, keyImage, keyControl, keyNobody}

// script is one test: a conversation written down.
type script struct {
	place
	name string
	lang string
	talk []step
}

// step is one line of a talk.
type step struct {
	place
	key    string
	text   string
	titles []string // of choices and buttons
}

// byContact reports whether the line is what the contact does.
func (s step) byContact() bool { return s.key == keyPerson || s.key == keyPress }

// parseScripts reads a tests file.
func parseScripts(file string, src []byte) ([]script, problems) {
	root, problem := parseYAML(file, src)
	if problem != nil {
		return nil, problems{*problem}
	}
	r := &reader{file: file}
	var out []script
	for _, item := range r.list(at{root, "tests"}, maxTests) {
		if s, ok := r.script(item); ok {
			out = append(out, s)
		}
	}
	return out, r.problems
}

func (r *reader) script(a at) (script, bool) {
	s := script{place: a.place()}
	fields, ok := r.object(a, "name", "lang", "talk")
	if !ok {
		return s, false
	}
	if f, ok := fields["name"]; ok {
		s.name = r.text(f, maxPhrasing)
	} else {
		r.fail(a, "name is missing; say in a few words what the test shows")
	}
	if f, ok := fields["lang"]; ok {
		if s.lang = r.text(f, maxName); s.lang != "" && !isLanguage(s.lang) {
			r.fail(f, "%s is not a language; write its code, such as en or de", quoted(s.lang))
		}
	}
	f, ok := fields["talk"]
	if !ok {
		r.fail(a, "talk is missing; write the conversation as a list of person: and bot: lines")
		return s, false
	}
	for _, item := range r.list(f, maxSteps) {
		if st, ok := r.step(item); ok {
			s.talk = append(s.talk, st)
		}
	}
	return s, true
}

func (r *reader) step(a at) (step, bool) {
	fields, ok := r.object(a, keysOfTalk...)
	if !ok || len(fields) == 0 {
		return step{}, false
	}
	if len(a.Content) > 2 {
		r.fail(a, "has several keys; begin a new line with - for each")
		return step{}, false
	}
	s := step{place: a.place(), key: a.Content[0].Value}
	value := fields[s.key]
	switch s.key {
	case keyChoices, keyButtons:
		for _, item := range r.list(value, maxOptions+1) {
			s.titles = append(s.titles, r.text(item, maxTitle))
		}
	case keyControl:
		s.text = r.control(value)
	case keyPerson:
		s.text = r.said(value)
	default:
		s.text = r.text(value, maxSay)
	}
	return s, true
}

// said reads what a person writes, which may be empty: an attachment without a
// word.
func (r *reader) said(a at) string {
	if a.Kind == yaml.ScalarNode && a.ShortTag() == "!!str" && strings.TrimSpace(a.Value) == "" && r.usable(a) {
		return ""
	}
	return r.text(a, maxFile)
}

// control reads what the flow asks for, in the one way it is shown.
func (r *reader) control(a at) string {
	words := strings.Fields(r.text(a, maxSay))
	switch {
	case len(words) == 0:
		return ""
	case slices.Equal(words, []string{"assistant"}), len(words) == 2 && words[0] == "queue" && isName(words[1]):
		return strings.Join(words, " ")
	default:
		r.fail(a, "is %s; write queue and its name, such as queue support, or assistant", kindOf(a.Node))
		return ""
	}
}
