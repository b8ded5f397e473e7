package flow

import (
	"net/url"
	"path"
	"strings"

	"parley/internal/chat"
)

// contents renders a message in a language: the picture first, then the text
// with what can be pressed.
func (d *definition) contents(m message, lang int) []chat.Content {
	var out []chat.Content
	if m.image != nil {
		out = append(out, d.picture(*m.image, lang))
	}
	if !m.say.empty() {
		out = append(out, d.spoken(m, lang))
	}
	return out
}

// spoken renders the text of a message with its options.
func (d *definition) spoken(m message, lang int) chat.Content {
	text, in := m.say.in(lang)
	c := chat.TextContent(text)
	if len(m.buttons) > 0 {
		c = chat.ChoicesContent(text, chat.StyleButtons, pressable(m.buttons, lang)...)
	} else if len(m.choices) > 0 {
		c = chat.ChoicesContent(text, chat.StyleQuickReplies, pressable(m.choices, lang)...)
	}
	c.Lang = d.languages[in]
	return c
}

func pressable(options []option, lang int) []chat.Option {
	out := make([]chat.Option, len(options))
	for i, o := range options {
		out[i].Title, _ = o.title.in(lang)
		out[i].URL = o.url
		if o.url == "" {
			out[i].Value = o.sends(lang)
		}
	}
	return out
}

// sends returns what pressing the option says in a language.
func (o option) sends(lang int) string {
	if o.value != "" {
		return o.value
	}
	title, _ := o.title.in(lang)
	return title
}

func (d *definition) picture(img image, lang int) chat.Content {
	name := fileName(img.url)
	c := chat.Content{
		Version: chat.ContentVersion, Type: chat.TypeFile, Text: name,
		File: &chat.File{URL: img.url, Name: name, MIME: imageType(name)},
	}
	if alt, in := img.alt.in(lang); alt != "" {
		c.Text, c.Lang = alt, d.languages[in]
	}
	return c
}

// fileName returns the last part of an address, or "image".
func fileName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "image"
	}
	name := path.Base(u.Path)
	if name == "." || name == "/" {
		return "image"
	}
	return name
}

// imageType returns the media type of a picture by its name. Where the name
// does not tell, it is the range of all images: a client shows those as it
// shows any picture, and the bytes decide.
func imageType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".svg":
		return "image/svg+xml"
	case ".avif":
		return "image/avif"
	default:
		return "image/*"
	}
}
