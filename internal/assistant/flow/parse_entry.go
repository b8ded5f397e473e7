package flow

import (
	"go.yaml.in/yaml/v3"
)

func (p *parser) entries(a at) []entry {
	items := p.list(a, maxEntries)
	out := make([]entry, 0, len(items))
	for _, item := range items {
		if e, ok := p.entry(item); ok {
			out = append(out, e)
		}
	}
	return out
}

// entry reads one FAQ entry.
func (p *parser) entry(a at) (entry, bool) {
	fields, ok := p.object(a, "id", "ask", "say", "buttons", "choices", "image", "handover")
	if !ok {
		return entry{}, false
	}
	e := entry{ask: make([][]phrasing, max(len(p.languages), 1))}
	if f, ok := fields["id"]; ok {
		e.id = p.id(f)
	} else {
		p.fail(a, "id is missing; give the entry a short name, such as id: opening-hours")
	}
	if f, ok := fields["ask"]; ok {
		p.ask(f, e.ask)
	}
	queue, handsOver := fields["handover"]
	if handsOver {
		e.queue = p.name(queue, "the queue to hand over to")
	}
	e.message = p.messageOf(a, fields, !handsOver)
	return e, true
}

// ask reads phrasings: one, a list, or either by language.
func (p *parser) ask(a at, into [][]phrasing) {
	if a.Kind != yaml.MappingNode || !p.usable(a) {
		into[0] = p.phrasings(a)
		return
	}
	for lang, f := range p.byLanguage(a) {
		into[lang] = p.phrasings(f)
	}
}

func (p *parser) phrasings(a at) []phrasing {
	items := []at{a}
	if a.Kind == yaml.SequenceNode {
		items = p.list(a, maxPhrasings)
	}
	out := make([]phrasing, 0, len(items))
	for _, item := range items {
		if s := p.text(item, maxPhrasing); s != "" {
			out = append(out, phrasing{item.place(), s})
		}
	}
	return out
}

// id reads the id of an entry, which no other entry may have.
func (p *parser) id(a at) string {
	id := p.name(a, "an id")
	if id == "" {
		return ""
	}
	if first, twice := p.ids[id]; twice {
		p.fail(a, "%s is the id of the entry in line %d too; give each entry its own", id, first)
		return ""
	}
	p.ids[id] = a.Line
	return id
}
