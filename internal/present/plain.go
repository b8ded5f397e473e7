package present

import (
	"strconv"
	"strings"

	"parley/internal/chat"
)

// Plain returns content as readable text without any markup of its own:
// choices as a numbered list of words a person can type (see [Choice]), cards
// with title, subtitle and addresses, a file with its name and address. Text
// that an assistant wrote as Markdown stays as it is written. An event has
// nothing to say and gives "".
func Plain(c chat.Content) string {
	return layOut(c, plainWriter{}, true)
}

// writer is a way of writing the pieces of content.
type writer interface {
	// words writes a title or other text that is not Markdown.
	words(s string) string
	// strong writes a heading.
	strong(s string) string
	// link writes an address with its name; either may be empty.
	link(name, address string) string
}

type plainWriter struct{}

func (plainWriter) words(s string) string  { return s }
func (plainWriter) strong(s string) string { return s }

func (plainWriter) link(name, address string) string {
	switch {
	case name == "" || name == address:
		return address
	case address == "":
		return name
	default:
		return name + ": " + address
	}
}

// layOut writes content with w. Options are left out unless asked for, cards
// keep their words.
func layOut(c chat.Content, w writer, options bool) string {
	var blocks []string
	number := 0
	list := func(from []chat.Option) string {
		var lines []string
		for _, o := range from {
			number++
			if options {
				lines = append(lines, strconv.Itoa(number)+". "+optionWords(o, w))
			}
		}
		return strings.Join(lines, "\n")
	}
	switch c.Type {
	case chat.TypeEvent:
		return ""
	case chat.TypeChoices:
		blocks = append(blocks, strings.TrimSpace(c.Text))
		if c.Choices != nil {
			blocks = append(blocks, list(c.Choices.Options))
		}
	case chat.TypeCards:
		blocks = append(blocks, strings.TrimSpace(c.Text))
		for _, card := range c.Cards {
			blocks = append(blocks, cardWords(card, w), list(card.Options))
		}
	case chat.TypeFile:
		blocks = append(blocks, strings.TrimSpace(c.Text))
		if c.File != nil {
			blocks = append(blocks, w.link(oneLine(c.File.Name), strings.TrimSpace(c.File.URL)))
		}
	default:
		return c.Display()
	}
	return joinBlocks(blocks)
}

func joinBlocks(blocks []string) string {
	kept := blocks[:0]
	for _, b := range blocks {
		if b != "" {
			kept = append(kept, b)
		}
	}
	return strings.Join(kept, "\n\n")
}

func optionWords(o chat.Option, w writer) string {
	if o.URL != "" {
		return w.link(title(o), strings.TrimSpace(o.URL))
	}
	return w.words(title(o))
}

func cardWords(card chat.Card, w writer) string {
	var lines []string
	if s := oneLine(card.Title); s != "" {
		lines = append(lines, w.strong(s))
	}
	if s := oneLine(card.Subtitle); s != "" {
		lines = append(lines, w.words(s))
	}
	if s := strings.TrimSpace(card.ImageURL); s != "" {
		lines = append(lines, w.link("", s))
	}
	return strings.Join(lines, "\n")
}
