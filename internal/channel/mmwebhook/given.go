package mmwebhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley/internal/fault"
	"parley/internal/setting"
)

// given is what an owner writes.
type given struct {
	id           string
	tokens, keys []proofGiven
	// incoming is nil when it is left out, which is not the same as empty.
	incoming  *string
	triggers  []string
	botName   string
	botIcon   string
	answer    string
	loopLimit *int
	caFile    string
	proxy     string
}

// proofGiven is a token or callback key, and until when it counts.
type proofGiven struct {
	field string
	value string
	until string
}

// readGiven reads settings and refuses keys it does not know and values of
// another type, by path and with a suggestion.
func readGiven(raw []byte) (given, error) {
	var g given
	top, err := setting.Group(raw)
	if err != nil {
		return g, err
	}
	return g, readGroup("", top, map[string]func(string, any) error{
		"id":             textInto(&g.id),
		"outgoing_token": proofsInto(&g.tokens, "token"),
		"callback_key":   proofsInto(&g.keys, "key"),
		"incoming_url": func(at string, v any) error {
			g.incoming = new(string)
			return textInto(g.incoming)(at, v)
		},
		"trigger_words": textsInto(&g.triggers),
		"bot": func(at string, v any) error {
			group, ok := v.(map[string]any)
			if !ok {
				return fault.Field(at, "should be a group of keys")
			}
			return readGroup(at, group, map[string]func(string, any) error{"name": textInto(&g.botName), "icon": textInto(&g.botIcon)})
		},
		"answer":     textInto(&g.answer),
		"loop_limit": numberInto(&g.loopLimit),
		"ca_file":    textInto(&g.caFile),
		"proxy":      textInto(&g.proxy),
	})
}

// readGroup hands each value to the reader of its key. A null is the same as a
// key left out.
func readGroup(at string, group map[string]any, readers map[string]func(string, any) error) error {
	for _, key := range slices.Sorted(maps.Keys(group)) {
		path := setting.Path(at, key)
		read, known := readers[key]
		if !known {
			return setting.Unknown(path, key, slices.Sorted(maps.Keys(readers)))
		}
		if group[key] == nil {
			continue
		}
		if err := read(path, group[key]); err != nil {
			return err
		}
	}
	return nil
}

func textInto(out *string) func(string, any) error {
	return func(at string, v any) error {
		s, ok := v.(string)
		if !ok {
			return fault.Field(at, "should be text")
		}
		*out = strings.TrimSpace(s)
		return nil
	}
}

func numberInto(out **int) func(string, any) error {
	return func(at string, v any) error {
		f, ok := v.(float64)
		n := int(f)
		if !ok || float64(n) != f {
			return fault.Field(at, "should be a whole number")
		}
		*out = &n
		return nil
	}
}

// textsInto reads one text or a list of texts.
func textsInto(out *[]string) func(string, any) error {
	return func(at string, v any) error {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for i, item := range list {
			s, ok := item.(string)
			if !ok {
				return fault.Field(fmt.Sprintf("%s[%d]", at, i), "should be text")
			}
			*out = append(*out, strings.TrimSpace(s))
		}
		return nil
	}
}

// proofsInto reads one secret or a list of them; each is a text, or a group
// with the secret under key and "until".
func proofsInto(out *[]proofGiven, key string) func(string, any) error {
	return func(at string, v any) error {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for i, item := range list {
			p := proofGiven{field: at}
			if isList {
				p.field = fmt.Sprintf("%s[%d]", at, i)
			}
			switch item := item.(type) {
			case string:
				p.value = strings.TrimSpace(item)
			case map[string]any:
				err := readGroup(p.field, item, map[string]func(string, any) error{key: textInto(&p.value), "until": textInto(&p.until)})
				if err != nil {
					return err
				}
				p.field += "." + key
			default:
				return fault.Field(p.field, "should be text, or a group with %s and until", key)
			}
			if p.value == "" {
				return fault.Field(p.field, "is empty")
			}
			*out = append(*out, p)
		}
		if len(list) == 0 {
			return fault.Field(at, "is an empty list")
		}
		return nil
	}
}
