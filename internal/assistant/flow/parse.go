package flow

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parser reads a definition.
type parser struct {
	reader
	languages []string
	ids       map[string]int // the line each id of an entry is in
}

// keysOfFlow are the keys a definition may have.
var keysOfFlow = []string{"flow", "languages", "welcome", "faq", "did_you_mean", "not_understood", "nobody"}

// parse reads a definition and returns it with all problems and warnings; with
// problems it is not fit to be used.
func parse(file string, src []byte) (d *definition, wrong, odd problems) {
	root, problem := parseYAML(file, src)
	if problem != nil {
		if strings.Contains(problem.Text, "is empty") {
			problem.Text += "; a flow begins with the lines flow: 1 and languages: [en]"
		}
		return nil, problems{*problem}, nil
	}
	p := &parser{reader: reader{file: file}, ids: map[string]int{}}
	d = p.flow(at{root, ""})
	return d, p.problems, p.warnings
}

func (p *parser) flow(a at) *definition {
	d := &definition{suggest: true}
	fields, ok := p.flowFields(a)
	if !ok {
		return d
	}
	p.version(a, fields)
	p.readLanguages(a, fields)
	d.languages = p.languages
	if f, ok := fields["welcome"]; ok {
		m := p.message(f, partsOfMessage...)
		d.welcome = &m
	}
	if f, ok := fields["faq"]; ok {
		d.entries = p.entries(f)
	}
	p.readNotUnderstood(fields, d)
	if f, ok := fields["nobody"]; ok {
		d.nobody = p.message(f, "say", "buttons", "choices")
	}
	if f, ok := fields["did_you_mean"]; ok {
		p.readDidYouMean(f, d)
	}
	d.fillDefaults()
	return d
}

// flowFields is object with a word about what does not exist yet.
func (p *parser) flowFields(a at) (map[string]at, bool) {
	if a.Kind != yaml.MappingNode {
		p.fail(a, "the file is %s; a flow begins with the lines flow: 1 and languages: [en]", kindOf(a.Node))
		return nil, false
	}
	return p.fields(a, func(key at) bool {
		switch {
		case slices.Contains(keysOfFlow, key.Value):
			return true
		case key.Value == "scripts":
			p.fail(key, "scripts come with a later version; until then answer with faq entries, and ask for a person with handover")
		default:
			p.fail(key, "is not a known key%s", instead(key.Value, keysOfFlow))
		}
		return false
	}), true
}

func (p *parser) version(a at, fields map[string]at) {
	f, ok := fields["flow"]
	if !ok {
		p.fail(at{a.Node, "flow"}, "is missing; a flow begins with the line flow: 1")
		return
	}
	if f.Kind != yaml.ScalarNode || f.ShortTag() != "!!int" || f.Value != "1" {
		p.fail(f, "is %s; this version reads flow: 1", kindOf(f.Node))
	}
}

func (p *parser) readLanguages(a at, fields map[string]at) {
	f, ok := fields["languages"]
	if !ok {
		p.fail(at{a.Node, "languages"}, "is missing; name the languages of the assistant, the default first, such as languages: [en, de]")
		return
	}
	for _, item := range p.list(f, maxLanguages) {
		tag := p.text(item, maxName)
		switch {
		case tag == "":
		case !isLanguage(tag):
			p.fail(item, "%s is not a language; write its code, such as en, de or pt-BR", quoted(tag))
		case slices.ContainsFunc(p.languages, func(l string) bool { return strings.EqualFold(l, tag) }):
			p.fail(item, "%s is named twice; keep one", tag)
		default:
			p.languages = append(p.languages, tag)
		}
	}
}

// isLanguage reports whether a tag has the form of BCP 47: a language of two or
// three letters and sub-tags.
func isLanguage(tag string) bool {
	for i, part := range strings.Split(tag, "-") {
		if i == 0 && (len(part) < 2 || len(part) > 3 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz") != "") {
			return false
		}
		if i > 0 && (len(part) < 2 || len(part) > 8 || !isName(part) || strings.ContainsAny(part, "._")) {
			return false
		}
	}
	return true
}

func (p *parser) readNotUnderstood(fields map[string]at, d *definition) {
	f, ok := fields["not_understood"]
	if !ok {
		return
	}
	parts, ok := p.object(f, "say", "buttons", "choices", "suggest", "handover")
	if !ok {
		return
	}
	d.notUnderstood = p.messageOf(f, parts, false)
	if s, ok := parts["suggest"]; ok {
		d.suggest = p.flag(s)
	}
	h, ok := parts["handover"]
	if !ok {
		return
	}
	rule, ok := p.object(h, "after", "queue")
	if !ok {
		return
	}
	d.handover = &escalation{after: 1}
	if n, ok := rule["after"]; ok {
		d.handover.after = p.number(n, 1, maxAfter)
	} else {
		p.fail(h, "after is missing; say how many misunderstandings in a row bring a person, such as after: 2")
	}
	if q, ok := rule["queue"]; ok {
		d.handover.queue = p.name(q, "a queue")
	} else {
		p.fail(h, "queue is missing; name the queue the person waits in, such as queue: support")
	}
}

func (p *parser) readDidYouMean(f at, d *definition) {
	parts, ok := p.object(f, "say", "none")
	if !ok {
		return
	}
	if s, ok := parts["say"]; ok {
		d.suggestSay = p.texts(s, maxSay)
	}
	if s, ok := parts["none"]; ok {
		d.suggestNone = p.texts(s, maxTitle)
	}
	if len(parts) == 0 {
		p.fail(f, "is empty; write say, none or both, or leave it out")
	}
}
