package catalog

import (
	"strconv"
	"strings"

	"parley/internal/fault"
)

// SetSetting puts a value into settings under a key such as "bot.name" or
// "apps[0].origins": keys joined by dots, and [N] for a place in a list. A list
// grows by one at a time. A key that does not fit is fault.Invalid.
func SetSetting(settings map[string]any, key string, value any) error {
	steps, err := settingSteps(key)
	if err != nil {
		return err
	}
	_, err = setAt(settings, steps, key, value, false)
	return err
}

// ChangeSetting is [SetSetting] for a key that may have a value already, which
// goes. An empty text takes any other value than a text away, and so does nil.
func ChangeSetting(settings map[string]any, key string, value any) error {
	steps, err := settingSteps(key)
	if err != nil {
		return err
	}
	_, err = setAt(settings, steps, key, value, true)
	return err
}

// settingSteps takes a key apart: strings for keys, ints for places.
func settingSteps(key string) ([]any, error) {
	var steps []any
	for part := range strings.SplitSeq(key, ".") {
		name, places, _ := strings.Cut(part, "[")
		if name == "" {
			return nil, fault.Field(key, "is not a key; write it like bot.name or apps[0].secret")
		}
		steps = append(steps, name)
		if places == "" && !strings.HasSuffix(part, "[") {
			continue
		}
		inner, closed := strings.CutSuffix(places, "]")
		if !closed {
			return nil, fault.Field(key, "holds [ without ]")
		}
		for text := range strings.SplitSeq(inner, "][") {
			n, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return nil, fault.Field(key, "%q is not a place in a list; they count from 0", text)
			}
			steps = append(steps, int(n))
		}
	}
	return steps, nil
}

// setAt returns at with the value put in; over says that there may be one.
func setAt(at any, steps []any, key string, value any, over bool) (any, error) {
	if len(steps) == 0 {
		_, isText := at.(string)
		switch {
		case at != nil && !over:
			return nil, fault.Field(key, "is given twice")
		case at != nil && !isText && value == "":
			return nil, nil
		}
		return value, nil
	}
	if name, isName := steps[0].(string); isName {
		m, ok := at.(map[string]any)
		if at != nil && !ok {
			return nil, fault.Field(key, "cannot be set: something before %q is given as a value", name)
		}
		if m == nil {
			m = map[string]any{}
		}
		inner, err := setAt(m[name], steps[1:], key, value, over)
		if err != nil {
			return nil, err
		}
		m[name] = inner
		return m, nil
	}
	i, ok := steps[0].(int)
	list, isList := at.([]any)
	switch {
	case !ok, at != nil && !isList:
		return nil, fault.Field(key, "cannot be set: something before [ is given as a value")
	case i > len(list):
		return nil, fault.Field(key, "leaves out place %d of the list", len(list))
	case i == len(list):
		list = append(list, nil)
	}
	inner, err := setAt(list[i], steps[1:], key, value, over)
	if err != nil {
		return nil, err
	}
	list[i] = inner
	return list, nil
}

// Fill replaces ${env:NAME} and ${file:PATH} in a text as it is done in
// catalogs; path names the text in problems. Relative files count from the
// folder the command runs in.
func Fill(env Environment, path, text string) (string, error) {
	r := &reader{env: env, out: &Reading{Positions: map[string]Position{}}}
	filled, _ := r.fill(&value{kind: isText, scalar: text}, path)
	if err := r.problems.asError(); err != nil {
		return "", r.out.Redacted(err)
	}
	return filled, nil
}
