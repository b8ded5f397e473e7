package flow

import (
	"fmt"
	"io"
	"strings"

	"parley/internal/chat"
)

// Report is what [Check] found.
type Report struct {
	File string `json:"file"`
	// Errors keep the definition from being used.
	Errors []Problem `json:"errors"`
	// Warnings are what works, but probably not as meant.
	Warnings  []Problem `json:"warnings"`
	Languages []string  `json:"languages"`
	// Entries is the number of FAQ entries.
	Entries int `json:"entries"`
}

// OK reports whether the definition can be used.
func (r Report) OK() bool { return len(r.Errors) == 0 }

// WriteTo writes the report for a terminal: a line for each finding as
// file:line:column: ..., and a summary.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, p := range r.Errors {
		fmt.Fprintf(&b, "%s\n", p)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(&b, "%s:%d:%d: warning: %s\n", p.File, p.Line, p.Column, p.about())
	}
	fmt.Fprintf(&b, "%s: ", r.File)
	if r.OK() {
		fmt.Fprintf(&b, "%s in %s, ", count(r.Entries, "FAQ entry", "FAQ entries"), strings.Join(r.Languages, ", "))
	}
	fmt.Fprintf(&b, "%s, %s\n", count(len(r.Errors), "error", "errors"), count(len(r.Warnings), "warning", "warnings"))
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func count(n int, one, many string) string {
	switch n {
	case 0:
		return "no " + many
	case 1:
		return "1 " + one
	default:
		return fmt.Sprintf("%d %s", n, many)
	}
}

// Check reads a definition and reports everything that is wrong with it, and
// what is likely to surprise its author: phrasings that two entries share,
// choices that nothing answers, missing translations, entries nothing leads to.
// file is the name to use in findings.
func Check(file string, definition []byte) Report {
	d, wrong, odd := parse(file, definition)
	r := Report{File: file, Errors: append([]Problem{}, wrong.sorted()...), Warnings: []Problem{}}
	if d == nil {
		return r
	}
	r.Entries, r.Languages = len(d.entries), d.languages
	c := checker{file: file, def: d, warnings: odd}
	if r.OK() {
		c.find = newFinder(d)
		c.shared()
		c.confused()
		c.options()
		c.unreachable()
		c.translations()
	}
	r.Warnings = append(r.Warnings, c.warnings.sorted()...)
	return r
}

type checker struct {
	file     string
	def      *definition
	find     *finder
	warnings problems
}

func (c *checker) warn(p place, format string, args ...any) {
	c.warnings = append(c.warnings, p.problem(c.file, format, args...))
}

// shared warns of phrasings that stand twice.
func (c *checker) shared() {
	for lang := range c.def.languages {
		lines := map[string]int{}
		for i, e := range c.def.entries {
			for _, p := range e.ask[lang] {
				key := normal(p.text)
				owner := c.find.exact[lang][key]
				switch first, twice := lines[key]; {
				case !twice:
					lines[key] = p.line
				case owner == i:
					c.warn(p.place, "stands in line %d too; keep one", first)
				default:
					c.warn(p.place, "is a phrasing of %s too, in line %d, which answers it; keep one", c.def.entries[owner].id, first)
				}
			}
		}
	}
}

// maxCompared is how many phrasings are searched for; it keeps a check of the
// largest definition within seconds.
const maxCompared = 3000

// confused warns of phrasings that, said a little differently, would lead to
// another entry: the search by itself puts that one first.
func (c *checker) confused() {
	searches := 0
	for lang := range c.def.languages {
		for i, e := range c.def.entries {
			for _, p := range e.ask[lang] {
				if c.find.exact[lang][normal(p.text)] != i {
					continue
				}
				if searches++; searches > maxCompared {
					c.warn(p.place, "and what follows was not compared with the other entries; only the first %d phrasings are", maxCompared)
					return
				}
				best := c.find.ranker.rank(p.text, lang)
				if len(best) > 0 && best[0].entry != i {
					c.warn(p.place, "is so close to %s that a small change of words leads there; give both more phrasings of their own", c.def.entries[best[0].entry].id)
				}
			}
		}
	}
}

// options warns of buttons and choices that nothing answers.
func (c *checker) options() {
	for m := range c.def.messages() {
		for _, o := range m.options() {
			if o.url == "" {
				c.option(o)
			}
		}
	}
}

func (c *checker) option(o option) {
	if o.value != "" {
		if _, _, ok := c.find.literal(o.value, 0, true); !ok {
			c.warn(o.place, "sends %s, which is no id and no phrasing of an entry; name the entry it should lead to", quoted(o.value))
		}
		return
	}
	for lang, tag := range c.def.languages {
		title := o.sends(lang)
		f := c.find.find(chat.ClickContent(title, title), nil, lang)
		if f.entry >= 0 {
			continue
		}
		what := "nothing answers it"
		if len(f.near) > 0 && c.def.suggest {
			what = `it gets a "did you mean" at best`
		}
		c.warn(o.place, "sends %s in %s, and %s; give an entry that phrasing, or name its id with value", quoted(title), tag, what)
		return
	}
}

// unreachable warns of entries that nothing leads to.
func (c *checker) unreachable() {
	led := map[int]bool{}
	for m := range c.def.messages() {
		for _, o := range m.options() {
			for lang := range c.def.languages {
				if e, _, ok := c.find.literal(o.sends(lang), lang, true); ok && o.url == "" {
					led[e] = true
				}
			}
		}
	}
	for i, e := range c.def.entries {
		if !e.asked() && !led[i] {
			c.warn(e.place, "nothing leads to %s; give it phrasings with ask, or a choice with value: %s", e.id, e.id)
		}
	}
}

// translations warns of texts that some of the flow's languages lack. A title
// without a language is taken to be the same in all.
func (c *checker) translations() {
	c.translated(c.def.suggestSay, false)
	c.translated(c.def.suggestNone, false)
	for m := range c.def.messages() {
		c.translated(m.say, false)
		for _, o := range m.options() {
			c.translated(o.title, true)
		}
		if m.image != nil {
			c.translated(m.image.alt, true)
		}
	}
	for _, e := range c.def.entries {
		var missing []string
		for lang, tag := range c.def.languages {
			if len(e.ask[lang]) == 0 {
				missing = append(missing, tag)
			}
		}
		if e.asked() && len(missing) > 0 {
			p := e.place
			p.path += ".ask"
			c.warn(p, "has no phrasing in %s; people who write that are not understood", strings.Join(missing, ", "))
		}
	}
}

func (c *checker) translated(t texts, plainForAll bool) {
	if t.line == 0 || t.plain && plainForAll {
		return // built in, or the same everywhere
	}
	var missing []string
	for lang, tag := range c.def.languages {
		if lang >= len(t.by) || t.by[lang] == "" {
			missing = append(missing, tag)
		}
	}
	if len(missing) > 0 {
		_, used := t.in(len(c.def.languages))
		c.warn(t.place, "is not there in %s; people who write that get it in %s", strings.Join(missing, ", "), c.def.languages[used])
	}
}
