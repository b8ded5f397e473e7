package rtm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"parley/internal/fault"
)

// shape says what a value is: text, a flag, a group of keys, or a list of one
// of them.
type shape struct {
	word string
	keys map[string]shape
	item *shape
}

var (
	textShape = shape{word: "text"}
	flagShape = shape{word: "true or false"}
)

func groupOf(keys map[string]shape) shape { return shape{word: "a group of keys", keys: keys} }
func listOfShape(item shape) shape        { return shape{word: "a list", item: &item} }

// settingsShape is what an owner may write.
func settingsShape() shape {
	return groupOf(map[string]shape{
		"bot": groupOf(map[string]shape{"id": textShape, "name": textShape, "icon": textShape}),
		"apps": listOfShape(groupOf(map[string]shape{
			"id": textShape, "secret": textShape, "public_key": textShape, "algorithms": listOfShape(textShape),
			"origins": listOfShape(textShape), "token_life": textShape, "single_use_jwt": flagShape,
		})),
	})
}

// decodeStrict decodes raw into v and refuses what s does not allow. Its errors
// are fault.Invalid and name the path of the field. An absent or null value is
// the same as none.
func decodeStrict(raw []byte, s shape, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return fault.Wrap(err, fault.Invalid, "the settings are not JSON")
	}
	if err := s.check("", tree); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.Wrap(err, fault.Invalid, "the settings cannot be read")
	}
	return nil
}

func (s shape) check(path string, v any) error {
	fits := v == nil
	switch t := v.(type) {
	case string:
		fits = s.word == textShape.word
	case bool:
		fits = s.word == flagShape.word
	case []any:
		if s.item == nil {
			break
		}
		for i, item := range t {
			if err := s.item.check(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		if s.keys == nil {
			break
		}
		return s.checkKeys(path, t)
	}
	if !fits {
		return fault.Field(path, "should be %s", s.word)
	}
	return nil
}

func (s shape) checkKeys(path string, given map[string]any) error {
	for _, key := range sortedKeys(given) {
		at := key
		if path != "" {
			at = path + "." + key
		}
		inner, known := s.keys[key]
		if !known {
			return fault.Field(at, "is not a known key%s", suggest(key, sortedKeys(s.keys)))
		}
		if err := inner.check(at, given[key]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// suggest names the nearest known key, or lists them all when none is near.
func suggest(key string, known []string) string {
	if best := fault.Nearest(key, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Sprintf("; known are %v", known)
}
