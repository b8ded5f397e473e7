package setting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"parley/internal/fault"
)

const aGroup = "a group of keys"

// Form says in which words a driver refuses settings. The zero value is ready.
type Form struct {
	// Whole is said of settings that are not a group of keys; "the settings
	// should be a group of keys" when it is empty.
	Whole string
	// Unknown refuses a key that out has no field for; [Unknown] when it is nil.
	Unknown func(path, key string, known []string) error
}

// Decode decodes a JSON object into the struct that out points to. Each field
// that may be set has a json tag with its key. It refuses keys that the struct
// does not have, and values of another type than text, a whole number, a flag,
// a list or a group of keys, as the field wants; [fault.Invalid] with the path
// of the first of them, in the order of the keys. Absent settings and null
// leave out as it is.
func (f Form) Decode(raw []byte, out any) error {
	tree, err := parse(raw)
	if err != nil || tree == nil {
		return err
	}
	group, ok := tree.(map[string]any)
	if !ok {
		return f.notGroup()
	}
	if err := f.group("", group, reflect.TypeOf(out).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fault.Wrap(err, fault.Invalid, "the settings cannot be read")
	}
	return nil
}

// Group parses a JSON object and leaves its values to the caller. It is nil
// for absent settings and null. Anything else is refused with [fault.Invalid].
func Group(raw []byte) (map[string]any, error) {
	tree, err := parse(raw)
	if err != nil || tree == nil {
		return nil, err
	}
	group, ok := tree.(map[string]any)
	if !ok {
		return nil, Form{}.notGroup()
	}
	return group, nil
}

func parse(raw []byte) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the settings are not JSON")
	}
	return tree, nil
}

func (f Form) notGroup() error {
	whole := f.Whole
	if whole == "" {
		whole = "the settings should be " + aGroup
	}
	return fault.New(fault.Invalid, "%s", whole)
}

// value compares a decoded value with the type it is meant for.
func (f Form) value(path string, v any, t reflect.Type) error {
	if v == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fits, wanted := true, ""
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		if group, ok := v.(map[string]any); ok {
			return f.group(path, group, t)
		}
		fits, wanted = false, aGroup
	case reflect.Slice:
		if list, ok := v.([]any); ok {
			return f.list(path, list, t.Elem())
		}
		fits, wanted = false, "a list"
	case reflect.Int:
		n, ok := v.(float64)
		fits, wanted = ok && n == float64(int(n)), "a whole number"
	case reflect.String:
		_, fits = v.(string)
		wanted = "text"
	case reflect.Bool:
		_, fits = v.(bool)
		wanted = "true or false"
	}
	if !fits {
		return fault.Field(path, "should be %s", wanted)
	}
	return nil
}

func (f Form) group(path string, group map[string]any, t reflect.Type) error {
	known := fields(t)
	for _, key := range slices.Sorted(maps.Keys(group)) {
		at := Path(path, key)
		inner, ok := known[key]
		switch {
		case t.Kind() == reflect.Map:
			inner = t.Elem()
		case !ok:
			return f.unknown(at, key, slices.Sorted(maps.Keys(known)))
		}
		if err := f.value(at, group[key], inner); err != nil {
			return err
		}
	}
	return nil
}

func (f Form) list(path string, list []any, item reflect.Type) error {
	for i, v := range list {
		if err := f.value(fmt.Sprintf("%s[%d]", path, i), v, item); err != nil {
			return err
		}
	}
	return nil
}

// fields are the keys of a struct and what each holds; none for a map.
func fields(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for field := range t.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
				known[name] = field.Type
			}
		}
	}
	return known
}

func (f Form) unknown(path, key string, known []string) error {
	if f.Unknown != nil {
		return f.Unknown(path, key, known)
	}
	return Unknown(path, key, known)
}
