package rtm

import (
	"encoding/json"
	"strings"

	"parley/internal/chat"
)

// A template is double-nested in a frame: component {type, payload {type,
// payload {template_type ..}}}. History holds the inner level only.

type component struct {
	Type    string `json:"type"`
	Payload any    `json:"payload"`
}

type buttonTemplate struct {
	TemplateType string   `json:"template_type"`
	Text         string   `json:"text"`
	Buttons      []button `json:"buttons"`
}

type button struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"`
	URL     string `json:"url,omitempty"`
}

type quickTemplate struct {
	TemplateType string       `json:"template_type"`
	Text         string       `json:"text"`
	QuickReplies []quickReply `json:"quick_replies"`
}

type quickReply struct {
	ContentType string `json:"content_type"`
	Title       string `json:"title"`
	Payload     string `json:"payload"`
}

type carouselTemplate struct {
	TemplateType string        `json:"template_type"`
	Text         string        `json:"text"`
	Elements     []cardElement `json:"elements"`
}

type cardElement struct {
	Title    string `json:"title"`
	Subtitle string `json:"subtitle"`
	ImageURL string `json:"image_url,omitempty"`
	// Buttons is always there: a list or carousel without it was only seen to
	// work in W10.
	Buttons []button `json:"buttons"`
}

type mediaAddress struct {
	URL  string `json:"url"`
	Text string `json:"text,omitempty"`
}

// templateOf gives the {type, payload} object of content that is more than
// text: the payload of a component and the text of a history item. ok is false
// for what is shown as text.
func templateOf(c chat.Content) (t json.RawMessage, ok bool) {
	if native := c.Native[Name]; len(native) > 0 {
		return wrapNative(native)
	}
	switch {
	case c.Type == chat.TypeChoices && c.Choices != nil:
		return encodeTemplate("template", choicesTemplate(c))
	case c.Type == chat.TypeCards && len(c.Cards) > 0:
		return encodeTemplate("template", cardsTemplate(c))
	case c.Type == chat.TypeFile && c.File != nil && mediaKind(c.File.MIME) != "":
		return encodeTemplate(mediaKind(c.File.MIME), mediaAddress{URL: c.File.URL, Text: c.Text})
	}
	return nil, false
}

func encodeTemplate(typ string, payload any) (json.RawMessage, bool) {
	b, err := json.Marshal(component{Type: typ, Payload: payload})
	return b, err == nil
}

// wrapNative takes a channel's own form as {type, payload} or as the bare
// payload of a template.
func wrapNative(native json.RawMessage) (json.RawMessage, bool) {
	var head struct {
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(native, &head) != nil {
		return nil, false
	}
	if head.Type != "" && len(head.Payload) > 0 {
		return native, true
	}
	return encodeTemplate("template", native)
}

// componentOf gives the component of a frame for content that is more than
// text.
func componentOf(c chat.Content) ([]byte, bool) {
	inner, ok := templateOf(c)
	if !ok {
		return nil, false
	}
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(inner, &head) != nil {
		return nil, false
	}
	b, err := json.Marshal(component{Type: head.Type, Payload: inner})
	return b, err == nil
}

func choicesTemplate(c chat.Content) any {
	hasURL := false
	for _, o := range c.Choices.Options {
		hasURL = hasURL || o.URL != ""
	}
	// Quick replies cannot open an address.
	if c.Choices.Style == chat.StyleQuickReplies && !hasURL {
		t := quickTemplate{TemplateType: "quick_replies", Text: c.Text}
		for _, o := range c.Choices.Options {
			t.QuickReplies = append(t.QuickReplies, quickReply{ContentType: "text", Title: o.Title, Payload: o.Value})
		}
		return t
	}
	return buttonTemplate{TemplateType: "button", Text: c.Text, Buttons: buttons(c.Choices.Options)}
}

func buttons(options []chat.Option) []button {
	list := make([]button, 0, len(options))
	for _, o := range options {
		b := button{Type: "postback", Title: o.Title, Payload: o.Value}
		if o.URL != "" {
			b = button{Type: "web_url", Title: o.Title, URL: o.URL}
		}
		list = append(list, b)
	}
	return list
}

func cardsTemplate(c chat.Content) any {
	t := carouselTemplate{TemplateType: "carousel", Text: c.Text}
	for _, card := range c.Cards {
		t.Elements = append(t.Elements, cardElement{
			Title: card.Title, Subtitle: card.Subtitle, ImageURL: card.ImageURL, Buttons: buttons(card.Options),
		})
	}
	return t
}

// mediaKind names the component that shows a file inside the window; other
// files are shown as a link in the text.
func mediaKind(mime string) string {
	kind, _, _ := strings.Cut(mime, "/")
	switch kind {
	case "image", "audio", "video":
		return kind
	}
	return ""
}

// plainText is what a client without the template shows, never empty.
func plainText(c chat.Content) string {
	text := c.Text
	if c.Type == chat.TypeFile && c.File != nil && mediaKind(c.File.MIME) == "" {
		name := firstOf(c.File.Name, c.File.URL)
		link := "[" + name + "](" + c.File.URL + ")"
		if strings.TrimSpace(text) == "" {
			return link
		}
		return text + "\n\n" + link
	}
	if strings.TrimSpace(text) != "" {
		return text
	}
	if c.Type == chat.TypeFile && c.File != nil {
		return firstOf(c.File.Name, c.File.URL)
	}
	return text
}
