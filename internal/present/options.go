package present

import (
	"net/url"
	"strings"

	"parley/internal/chat"
)

// Options returns everything that can be pressed in c, in the order in which
// [Plain] and [Markdown] number it: the first one is number 1. For cards the
// count goes on from card to card.
func Options(c chat.Content) []chat.Option {
	var out []chat.Option
	if c.Type == chat.TypeChoices && c.Choices != nil {
		out = append(out, c.Choices.Options...)
	}
	if c.Type == chat.TypeCards {
		for _, card := range c.Cards {
			out = append(out, card.Options...)
		}
	}
	return out
}

// title is what an option is called: its title, or what it stands for.
func title(o chat.Option) string {
	for _, s := range []string{o.Title, o.Value, o.URL} {
		if s = oneLine(s); s != "" {
			return s
		}
	}
	return ""
}

// oneLine makes text fit into a list: line breaks and runs of spaces become
// one space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// address returns s as an address that may stand in a link, or "" when it is
// none that a person should be sent to.
func address(s string) string {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		if u.Host == "" {
			return ""
		}
	case "mailto", "tel":
	default:
		return ""
	}
	return addressEscapes.Replace(s)
}

// addressEscapes keeps an address whole inside (...) of Markdown.
var addressEscapes = strings.NewReplacer(" ", "%20", "(", "%28", ")", "%29", "<", "%3C", ">", "%3E",
	"\\", "%5C", "`", "%60", "\"", "%22", "\t", "%09", "\n", "", "\r", "")
