package rtm

import (
	"fmt"
	"strings"

	"parley/internal/fault"
)

// A rule checks one value of a template. Together they say which fields were
// the least that web SDK 10.1.12 rendered; with fewer, its window freezes.
type rule interface {
	check(path string, v any) error
}

type ruleFunc func(path string, v any) error

func (f ruleFunc) check(path string, v any) error { return f(path, v) }

// need is a field that must be there and pass its rule.
type need struct {
	key  string
	rule rule
}

// text is a string with something in it.
var text = ruleFunc(func(path string, v any) error {
	if s, ok := v.(string); !ok || strings.TrimSpace(s) == "" {
		return fault.Field(path, "is missing or empty; it must be text")
	}
	return nil
})

// anyText is a string, empty or not.
var anyText = ruleFunc(func(path string, v any) error {
	if _, ok := v.(string); !ok {
		return fault.Field(path, "is missing or not text")
	}
	return nil
})

// link is an address that runs no script.
var link = ruleFunc(func(path string, v any) error {
	if s, ok := v.(string); !ok || !isLink(s) {
		return fault.Field(path, "must begin with https:, http:, mailto: or tel:")
	}
	return nil
})

// scalar is text, a number or a truth value.
var scalar = ruleFunc(func(path string, v any) error {
	switch v.(type) {
	case string, float64, bool:
		return nil
	}
	return fault.Field(path, "is missing or not a plain value")
})

type objectRule []need

// hasFields is an object with at least the given fields.
func hasFields(needs ...need) rule { return objectRule(needs) }

func (o objectRule) check(path string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fault.Field(path, "is missing or not an object")
	}
	for _, n := range o {
		if err := n.rule.check(path+"."+n.key, m[n.key]); err != nil {
			return err
		}
	}
	return nil
}

type listRule struct {
	of    rule
	empty bool
}

// some is a list with at least one item; listOf may be empty.
func some(of rule) rule   { return listRule{of: of} }
func listOf(of rule) rule { return listRule{of: of, empty: true} }

func (l listRule) check(path string, v any) error {
	items, ok := v.([]any)
	switch {
	case !ok:
		return fault.Field(path, "is missing or not a list")
	case len(items) == 0 && !l.empty:
		return fault.Field(path, "is empty")
	case len(items) > maxOptions:
		return fault.Field(path, "has %d items; %d is the most", len(items), maxOptions)
	}
	for i, item := range items {
		if err := l.of.check(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
			return err
		}
	}
	return nil
}

// optional passes what is absent.
func optional(r rule) rule {
	return ruleFunc(func(path string, v any) error {
		if v == nil {
			return nil
		}
		return r.check(path, v)
	})
}

// pressable is a button: it sends its payload or opens its url.
var pressable = ruleFunc(func(path string, v any) error {
	if err := hasFields(need{"type", text}, need{"title", text}).check(path, v); err != nil {
		return err
	}
	m := v.(map[string]any)
	if url, has := m["url"]; has {
		return link.check(path+".url", url)
	}
	return text.check(path+".payload", m["payload"])
})

// action is what a tap on an element does. Without one, listView freezes.
var action = ruleFunc(func(path string, v any) error {
	if err := hasFields(need{"type", text}).check(path, v); err != nil {
		return err
	}
	m := v.(map[string]any)
	if url, has := m["url"]; has {
		return link.check(path+".url", url)
	}
	return hasFields(need{"title", text}, need{"payload", text}).check(path, v)
})

// templates lists the types W10 was seen to render, with their fields.
func templates() map[string]rule {
	row := some(some(scalar))
	return map[string]rule{
		"button": hasFields(need{"text", text}, need{"buttons", some(pressable)}),
		"quick_replies": hasFields(need{"text", text}, need{"quick_replies", some(hasFields(
			need{"content_type", text}, need{"title", text}, need{"payload", text}))}),
		"list": hasFields(need{"text", text}, need{"elements", some(hasFields(
			need{"title", text}, need{"subtitle", anyText}, need{"image_url", link},
			need{"default_action", action}, need{"buttons", listOf(pressable)}))}, need{"buttons", listOf(pressable)}),
		"carousel": hasFields(need{"elements", some(hasFields(
			need{"title", text}, need{"subtitle", anyText}, need{"image_url", optional(link)},
			need{"buttons", optional(listOf(pressable))}))}),
		"table": hasFields(need{"text", text}, need{"columns", row}, need{"table_design", text},
			need{"elements", some(hasFields(need{"Values", some(scalar)}))}),
		"mini_table": hasFields(need{"text", text}, need{"layout", text}, need{"elements", some(hasFields(
			need{"primary", row}, need{"additional", row}))}),
		"listView": hasFields(need{"text", text}, need{"heading", text}, need{"elements", some(hasFields(
			need{"title", text}, need{"subtitle", anyText}, need{"value", anyText}, need{"default_action", action}))}),
		"dropdown_template": hasFields(need{"heading", text}, need{"elements", some(hasFields())}),
		"multi_select":      hasFields(need{"heading", text}, need{"elements", some(hasFields())}, need{"buttons", some(hasFields())}),
		"form_template":     hasFields(need{"heading", text}, need{"formFields", some(hasFields())}, need{"fieldButton", hasFields()}),
		"cardTemplate":      hasFields(need{"cards", some(hasFields())}),
		"live_agent":        hasFields(need{"text", text}),
		"SYSTEM":            hasFields(need{"text", text}),
	}
}
