package mattermost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"parley/internal/fault"
)

// decodeStrict decodes a JSON object into the struct that out points to, and
// refuses keys it does not have and values of another type, by path and with a
// suggestion. An absent or null value is the same as none.
func decodeStrict(raw []byte, out any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return fault.Wrap(err, fault.Invalid, "the settings are not JSON")
	}
	if tree == nil {
		return nil
	}
	if err := checkValue("", tree, reflect.TypeOf(out).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fault.Wrap(err, fault.Invalid, "the settings cannot be read")
	}
	return nil
}

// checkValue compares a decoded value with the type it is meant for.
func checkValue(at string, v any, t reflect.Type) error {
	if v == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		group, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "a group of keys")
		}
		return checkGroup(at, group, t)
	case reflect.Int:
		n, ok := v.(float64)
		if !ok || n != float64(int(n)) {
			return wrongType(at, "a whole number")
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			return wrongType(at, "text")
		}
	}
	return nil
}

func wrongType(at, wanted string) error {
	if at == "" {
		return fault.New(fault.Invalid, "the settings should be %s", wanted)
	}
	return fault.Field(at, "should be %s", wanted)
}

func checkGroup(at string, group map[string]any, t reflect.Type) error {
	known := map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			known[name] = t.Field(i).Type
		}
	}
	for _, key := range sortedKeys(group) {
		path := strings.TrimPrefix(at+"."+key, ".")
		inner, ok := known[key]
		switch {
		case t.Kind() == reflect.Map:
			inner = t.Elem()
		case !ok && at == "" && key == "access":
			return fault.Field(path, "is not built yet: everybody who can write to the account is answered; take it out")
		case !ok:
			return fault.Field(path, "is not a known key%s", suggest(key, sortedKeys(known)))
		}
		if err := checkValue(path, group[key], inner); err != nil {
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

// suggest names the nearest known word, or lists them all when none is near.
func suggest(word string, known []string) string {
	if best := fault.Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Sprintf("; known are %s", strings.Join(known, ", "))
}
