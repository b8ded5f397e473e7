package flow

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// partsOfMessage are the keys of something to say.
var partsOfMessage = []string{"say", "buttons", "choices", "image"}

func (p *parser) message(a at, allowed ...string) message {
	fields, ok := p.object(a, allowed...)
	if !ok {
		return message{place: a.place()}
	}
	return p.messageOf(a, fields, true)
}

// messageOf reads the parts of a message from the fields of a mapping that may
// have others too. needed says that there must be something to say.
func (p *parser) messageOf(a at, fields map[string]at, needed bool) message {
	m := message{place: a.place()}
	say, said := fields["say"]
	if said {
		m.say = p.texts(say, maxSay)
	}
	buttons, hasButtons := fields["buttons"]
	choices, hasChoices := fields["choices"]
	if hasButtons {
		m.buttons = p.options(buttons, true)
	}
	if hasChoices {
		m.choices = p.options(choices, false)
	}
	if hasButtons && hasChoices {
		p.fail(choices, "one text has buttons or choices, not both; keep one of them")
	}
	img, pictured := fields["image"]
	if pictured {
		m.image = p.image(img)
	}
	switch {
	case said:
	case hasButtons || hasChoices:
		p.fail(a, "say is missing; buttons and choices stand under a text")
	case needed && !pictured:
		p.fail(a, "say is missing; write what the assistant says here")
	}
	return m
}

// texts reads a text, or one for each of some languages.
func (p *parser) texts(a at, limit int) texts {
	t := texts{place: a.place(), by: make([]string, max(len(p.languages), 1))}
	if a.Kind != yaml.MappingNode || !p.usable(a) {
		t.plain = true
		t.by[0] = p.text(a, limit)
		return t
	}
	for lang, f := range p.byLanguage(a) {
		t.by[lang] = p.text(f, limit)
	}
	return t
}

// byLanguage reads a mapping whose keys are languages of the flow.
func (p *parser) byLanguage(a at) map[int]at {
	fields := p.fields(a, func(key at) bool {
		switch {
		case len(p.languages) == 0: // told already
		case slices.Contains(p.languages, key.Value):
			return true
		case isLanguage(key.Value):
			p.fail(key, "%s is not one of the languages [%s]; add it there or take this out", key.Value, strings.Join(p.languages, ", "))
		default:
			p.fail(key, "a text, or one for each language, belongs here, and %s is not a language; text with a colon or in braces needs quotes", quoted(key.Value))
		}
		return false
	})
	if len(a.Content) == 0 {
		p.fail(a, "is empty; write a text, or one for each language, such as { en: Hello, de: Hallo }")
	}
	out := make(map[int]at, len(fields))
	for key, f := range fields {
		out[slices.Index(p.languages, key)] = f
	}
	return out
}

// options reads buttons or quick replies.
func (p *parser) options(a at, mayOpen bool) []option {
	items := p.list(a, maxOptions)
	out := make([]option, 0, len(items))
	for _, item := range items {
		if o, ok := p.option(item, mayOpen); ok {
			out = append(out, o)
		}
	}
	return out
}

// option reads one thing to press: a title alone, or a mapping.
func (p *parser) option(a at, mayOpen bool) (option, bool) {
	o := option{place: a.place()}
	if a.Kind != yaml.MappingNode || p.onlyLanguages(a) {
		o.title = p.texts(a, maxTitle)
		return o, true
	}
	fields, ok := p.object(a, "title", "value", "url")
	if !ok {
		return o, false
	}
	if f, ok := fields["title"]; ok {
		o.title = p.texts(f, maxTitle)
	} else {
		p.fail(a, "title is missing; write what stands on the button")
	}
	value, hasValue := fields["value"]
	address, hasURL := fields["url"]
	if hasValue {
		o.value = p.text(value, maxValue)
	}
	switch {
	case !hasURL:
	case hasValue:
		p.fail(address, "a button sends a value or opens a url, not both; keep one of them")
	case !mayOpen:
		p.fail(address, "a choice cannot open an address; make it one of the buttons instead")
	default:
		o.url = p.address(address, "http", "https", "mailto", "tel")
	}
	return o, true
}

// onlyLanguages reports whether a mapping is a text by language, without the
// key title around it.
func (p *parser) onlyLanguages(a at) bool {
	for i := 0; i < len(a.Content); i += 2 {
		if !slices.Contains(p.languages, a.Content[i].Value) {
			return false
		}
	}
	return len(a.Content) > 0
}

func (p *parser) image(a at) *image {
	if a.Kind != yaml.MappingNode {
		return &image{url: p.address(a, "http", "https")}
	}
	img := &image{}
	fields, ok := p.object(a, "url", "alt")
	if !ok {
		return img
	}
	if f, ok := fields["url"]; ok {
		img.url = p.address(f, "http", "https")
	} else {
		p.fail(a, "url is missing; write where the picture is, such as https://example.com/map.png")
	}
	if f, ok := fields["alt"]; ok {
		img.alt = p.texts(f, maxAlt)
	}
	return img
}

// address reads a URL of one of the schemes, "" after a problem.
func (p *parser) address(a at, schemes ...string) string {
	s := p.text(a, maxURL)
	if s == "" {
		return ""
	}
	scheme, rest, _ := strings.Cut(s, ":")
	if !slices.Contains(schemes, scheme) {
		p.fail(a, "%s does not begin with %s:; write the whole address, such as https://example.com/help", quoted(s), strings.Join(schemes, ":, "))
		return ""
	}
	u, err := url.Parse(s)
	web := scheme == "http" || scheme == "https"
	switch {
	case strings.ContainsFunc(s, unicode.IsSpace):
		p.fail(a, "has a space in it; write %%20 for it")
	case err != nil, web && u.Hostname() == "", !web && strings.Trim(rest, "/") == "":
		p.fail(a, "%s is not a whole address; write it such as https://example.com/help or mailto:help@example.com", quoted(s))
	default:
		return s
	}
	return ""
}
