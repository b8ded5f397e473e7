package flow

import "fmt"

// Limits of a definition. They keep an answer small enough for every channel
// and an instant reply instant.
const (
	maxEntries   = 5000
	maxLanguages = 20
	maxPhrasings = 100  // of one entry in one language
	maxOptions   = 20   // buttons or quick replies under one text
	maxSay       = 4000 // characters of a text
	maxPhrasing  = 500
	maxTitle     = 100
	maxValue     = 200
	maxAlt       = 500
	maxURL       = 2000
	maxAfter     = 100
)

// definition is a flow as its author wrote it, checked and complete: what was
// left out has its default. Languages are numbers, indexes of languages.
type definition struct {
	languages     []string // the first is the default
	welcome       *message
	entries       []entry
	notUnderstood message
	suggest       bool
	handover      *escalation
	nobody        message
	suggestSay    texts
	suggestNone   texts
}

// place is where something stands in the file.
type place struct {
	line, column int
	path         string
}

// problem returns a problem at the place.
func (p place) problem(file, format string, args ...any) Problem {
	return Problem{
		File: file, Line: max(p.line, 1), Column: max(p.column, 1), Path: p.path, Text: fmt.Sprintf(format, args...),
	}
}

// texts is one text in the languages it was written in; "" is a language left
// out.
type texts struct {
	place
	by []string
	// plain is set when the author wrote one text without naming a language.
	plain bool
}

// in returns the text for a language, else the one in the first language that
// has it, with that language.
func (t texts) in(lang int) (string, int) {
	if lang < len(t.by) && t.by[lang] != "" {
		return t.by[lang], lang
	}
	for i, s := range t.by {
		if s != "" {
			return s, i
		}
	}
	return "", lang
}

// empty reports whether the author left the text out.
func (t texts) empty() bool { return len(t.by) == 0 }

// message is something to say, with at most one kind of options under it.
type message struct {
	place
	say     texts
	buttons []option
	choices []option // quick replies
	image   *image
}

// options returns what can be pressed.
func (m message) options() []option {
	if len(m.buttons) > 0 {
		return m.buttons
	}
	return m.choices
}

// option is one thing to press.
type option struct {
	place
	title texts
	value string // "" sends the title
	url   string
}

// image is a picture at an address the contact's client can open.
type image struct {
	url string
	alt texts
}

// entry is one FAQ entry.
type entry struct {
	message
	id  string
	ask [][]phrasing // by language
	// queue is where to ask for a person after the message; "" for no one.
	queue string
}

// asked reports whether the entry has a phrasing in any language.
func (e entry) asked() bool {
	for _, ps := range e.ask {
		if len(ps) > 0 {
			return true
		}
	}
	return false
}

// phrasing is one way to ask for an entry.
type phrasing struct {
	place
	text string
}

// escalation asks for a person after some misunderstandings in a row.
type escalation struct {
	after int
	queue string
}
