package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ContentVersion is the version this binary writes. It reads every older one
// and shows a newer one by its plain text.
const ContentVersion = 1

// ContentType is what an entry's content is.
type ContentType string

// The types of content built so far. A reader that meets another type shows
// the plain text.
const (
	TypeText    ContentType = "text"
	TypeChoices ContentType = "choices"
	TypeCards   ContentType = "cards"
	TypeFile    ContentType = "file"
	TypeEvent   ContentType = "event"
)

// Content is what an entry says. Text is always a readable plain fall-back; for
// [TypeText] it is the content itself, in Markdown for assistants and agents
// and as typed for contacts.
type Content struct {
	Version int         `json:"v"`
	Type    ContentType `json:"type"`
	Text    string      `json:"text,omitempty"`
	// Click is set on a contact's text that came from a button.
	Click   *Click      `json:"click,omitempty"`
	Choices *Choices    `json:"choices,omitempty"`
	Cards   []Card      `json:"cards,omitempty"`
	File    *File       `json:"file,omitempty"`
	Event   *EventFacts `json:"event,omitempty"`
	// Lang is the language of Text as a BCP 47 tag, or empty.
	Lang string `json:"lang,omitempty"`
	// Speaker is the name of who said it, where several people write in one
	// place; assistants and agents see it beside the text.
	Speaker string `json:"speaker,omitempty"`
	// Mark is a note of the author for the gateway, such as [MarkWelcome].
	Mark Mark `json:"mark,omitempty"`
	// Custom is what a client app sent beside its message for the assistant,
	// as JSON, secrets removed.
	Custom json.RawMessage `json:"custom,omitempty"`
	// Native holds a channel type's own form of the content, by channel type.
	// It is the one escape hatch and is validated before commit.
	Native map[string]json.RawMessage `json:"native,omitempty"`
}

// Mark is a note on an entry that changes how the gateway treats it.
type Mark string

const (
	// MarkWelcome is on the greeting of an episode: it is never sent again
	// after a reconnect and never repeated while nothing has been said since.
	MarkWelcome Mark = "welcome"
	// MarkFailure is on the honest message that ends a failed turn.
	MarkFailure Mark = "failure"
)

// Click is a button or quick reply a person pressed.
type Click struct {
	// Value is what the assistant receives.
	Value string `json:"value"`
	// Display is what the person saw and what history shows.
	Display string `json:"display"`
}

// ChoiceStyle says how choices are shown.
type ChoiceStyle string

// The styles of choices.
const (
	// StyleButtons stay in the log and can be pressed again.
	StyleButtons ChoiceStyle = "buttons"
	// StyleQuickReplies disappear once one is pressed.
	StyleQuickReplies ChoiceStyle = "quick_replies"
)

// Choices is a set of options to press.
type Choices struct {
	Style   ChoiceStyle `json:"style"`
	Options []Option    `json:"options"`
}

// Option is one thing to press: it sends Value, or opens URL.
type Option struct {
	Title string `json:"title"`
	Value string `json:"value,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Card is a picture with text and options; several make a carousel.
type Card struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle,omitempty"`
	ImageURL string   `json:"image_url,omitempty"`
	Options  []Option `json:"options,omitempty"`
}

// File is a picture or document at an address the contact can open.
type File struct {
	URL  string `json:"url"`
	Name string `json:"name,omitempty"`
	// MIME is the media type, such as image/png.
	MIME string `json:"mime,omitempty"`
}

// EventFacts says what happened.
type EventFacts struct {
	// Name is one of the Event constants or a client's own name.
	Name string `json:"name"`
	// Data is small JSON whose form depends on Name.
	Data json.RawMessage `json:"data,omitempty"`
}

// Names of events every assistant may meet.
const (
	// EventConnect is a contact opening the conversation: time to greet.
	EventConnect = "connect"
	// EventControl records a change of control.
	EventControl = "control"
)

// TextContent returns plain or Markdown text.
func TextContent(text string) Content {
	return Content{Version: ContentVersion, Type: TypeText, Text: text}
}

// ClickContent returns what pressing an option says.
func ClickContent(value, display string) Content {
	c := TextContent(value)
	c.Click = &Click{Value: value, Display: display}
	return c
}

// ChoicesContent returns text with options under it.
func ChoicesContent(text string, style ChoiceStyle, options ...Option) Content {
	return Content{Version: ContentVersion, Type: TypeChoices, Text: text, Choices: &Choices{Style: style, Options: options}}
}

// EventContent returns an event without data.
func EventContent(name string) Content {
	return Content{Version: ContentVersion, Type: TypeEvent, Event: &EventFacts{Name: name}}
}

// Input is what an assistant reads: the value of a click, else the text.
func (c Content) Input() string {
	if c.Click != nil {
		return c.Click.Value
	}
	return c.Text
}

// Display is what a person reads: the title of a pressed option, else the text.
func (c Content) Display() string {
	if c.Click != nil && c.Click.Display != "" {
		return c.Click.Display
	}
	return c.Text
}

// Validate reports content that no reader could show.
func (c Content) Validate() error {
	switch {
	case c.Version < 1:
		return errors.New("content has no version")
	case c.Version > ContentVersion:
		return fmt.Errorf("content version %d is newer than %d", c.Version, ContentVersion)
	}
	switch c.Type {
	case TypeText:
		return nil
	case TypeChoices:
		return c.validateChoices()
	case TypeCards:
		if len(c.Cards) == 0 {
			return errors.New("cards: there is none")
		}
		return c.needText()
	case TypeFile:
		if c.File == nil || c.File.URL == "" {
			return errors.New("file: has no address")
		}
		return nil
	case TypeEvent:
		if c.Event == nil || c.Event.Name == "" {
			return errors.New("event: has no name")
		}
		return nil
	default:
		return fmt.Errorf("content type %q is not known", c.Type)
	}
}

func (c Content) validateChoices() error {
	if c.Choices == nil || len(c.Choices.Options) == 0 {
		return errors.New("choices: there is none")
	}
	if c.Choices.Style != StyleButtons && c.Choices.Style != StyleQuickReplies {
		return fmt.Errorf("choices.style: %q is not known", c.Choices.Style)
	}
	for i, o := range c.Choices.Options {
		if strings.TrimSpace(o.Title) == "" {
			return fmt.Errorf("choices.options[%d].title: is empty", i)
		}
		if (o.Value == "") == (o.URL == "") {
			return fmt.Errorf("choices.options[%d]: needs either a value or a url", i)
		}
	}
	return c.needText()
}

func (c Content) needText() error {
	if strings.TrimSpace(c.Text) == "" {
		return errors.New("text: is empty; it is what a client without this type shows")
	}
	return nil
}

// EncodeContent writes content as it is stored, without HTML escaping so that
// text stays readable in the database.
func EncodeContent(c Content) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return nil, fmt.Errorf("encode content: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeContent reads stored content. Content of a newer version or of a type
// this binary does not know becomes its plain text.
func DecodeContent(b []byte) (Content, error) {
	var c Content
	if err := json.Unmarshal(b, &c); err != nil {
		// A newer version may have changed the form of a field; its version,
		// type and text never change.
		var plain struct {
			Version int    `json:"v"`
			Text    string `json:"text"`
		}
		if json.Unmarshal(b, &plain) == nil && plain.Version > ContentVersion {
			return TextContent(plain.Text), nil
		}
		return Content{}, fmt.Errorf("decode content: %w", err)
	}
	if c.Validate() != nil {
		return TextContent(c.Text), nil
	}
	return c, nil
}
