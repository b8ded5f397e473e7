package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/fault"
)

// form is a new channel being asked for.
type form struct {
	*run
	name, assistant string
	questions       []channel.Question
	terminal        Terminal
	hidden          hidden
}

// hidden are values that are not to be shown again.
type hidden []string

func (h *hidden) add(value string) {
	const shortest = 5 // shorter ones are no secrets and would blank half of a text
	if len(value) >= shortest {
		*h = append(*h, value)
	}
}

func (h hidden) blank(text string) string {
	// Longer ones first, so that no tail of a longer value is left over.
	for _, value := range slices.SortedFunc(slices.Values(h), func(a, b string) int { return len(b) - len(a) }) {
		text = strings.ReplaceAll(text, value, "[hidden]")
	}
	return text
}

func (c *channelAddCmd) form(r *run, server *client) (*form, error) {
	f := &form{run: r, name: c.Name, assistant: c.Assistant, terminal: r.openTerminal()}
	types, err := call[adminapi.TypeList](r.ctx, server, http.MethodGet, "/channel-types", nil, nil)
	if err != nil {
		return nil, err
	}
	var known []string
	for _, t := range types.Types {
		known = append(known, t.Name)
		if t.Name == c.Type {
			f.questions = t.Questions
		}
	}
	if !slices.Contains(known, c.Type) {
		return nil, unknown("type of channel", c.Type, known)
	}
	if err := f.chooseName(server, c.Type); err != nil {
		return nil, err
	}
	return f, f.chooseAssistant(server)
}

// chooseName makes a free name of the type when none is given.
func (f *form) chooseName(server *client, typ string) error {
	if f.name != "" {
		return nil
	}
	list, err := call[adminapi.ChannelList](f.ctx, server, http.MethodGet, "/channels", nil, nil)
	if err != nil {
		return err
	}
	f.name = typ
	for i := 2; slices.ContainsFunc(list.Channels, func(c catalog.Channel) bool { return c.Name == f.name }); i++ {
		f.name = fmt.Sprintf("%s-%d", typ, i)
	}
	return nil
}

// chooseAssistant takes the only one, or asks.
func (f *form) chooseAssistant(server *client) error {
	if f.assistant != "" {
		return nil
	}
	list, err := call[adminapi.AssistantList](f.ctx, server, http.MethodGet, "/assistants", nil, nil)
	if err != nil {
		return err
	}
	var names, own []string
	for _, a := range list.Assistants {
		if a.Version == 0 {
			continue
		}
		names = append(names, a.Name)
		if !a.Demo {
			own = append(own, a.Name)
		}
	}
	q := channel.Question{Key: "--assistant", Prompt: "assistant that answers", Help: "there is: " + strings.Join(names, ", ")}
	switch {
	case len(names) == 0:
		return fault.New(fault.NotFound, "there is no assistant yet that could answer; write one into a catalog and run parley apply first")
	case len(own) == 1:
		q.Default = own[0]
	case len(names) == 1:
		q.Default = names[0]
	}
	if f.terminal == nil && q.Default != "" {
		f.assistant = q.Default
		return nil
	}
	f.assistant, err = f.ask(q)
	return err
}

// fill makes the settings of what was given and what is answered.
func (f *form) fill(given []string) (map[string]any, error) {
	settings, answered := map[string]any{}, map[string]bool{}
	for _, one := range given {
		key, text, ok := strings.Cut(one, "=")
		if !ok {
			return nil, fault.New(fault.Invalid, "--set %q is not KEY=VALUE", key)
		}
		value, err := f.value(key, text)
		if err != nil {
			return nil, err
		}
		if err := catalog.SetSetting(settings, key, value); err != nil {
			return nil, err
		}
		answered[key] = true
	}
	for _, q := range f.questions {
		if answered[q.Key] || (q.Unless != "" && answered[q.Unless]) {
			continue
		}
		text, err := f.ask(q)
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		if err := catalog.SetSetting(settings, q.Key, answerOf(q, text)); err != nil {
			return nil, err
		}
		answered[q.Key] = true
	}
	return settings, nil
}

// value reads what stands behind KEY= on the command line. For a key that is
// not asked for it is YAML, so that true, 7 and [a, b] are what they look like.
func (f *form) value(key, text string) (any, error) {
	i := slices.IndexFunc(f.questions, func(q channel.Question) bool { return q.Key == key })
	if file, ok := strings.CutPrefix(text, "@"); ok {
		content, err := f.Host.ReadFile(file)
		if err != nil {
			return nil, fault.Field(key, "%s %v", file, err)
		}
		text = strings.TrimRight(string(content), "\r\n")
		f.hidden.add(text)
	} else {
		filled, err := catalog.Fill(f.Host, key, text)
		if err != nil {
			return nil, err
		}
		if filled != text {
			f.hidden.add(filled)
			if i < 0 {
				return filled, nil
			}
		}
		text = filled
	}
	if i >= 0 {
		if f.questions[i].Secret {
			f.hidden.add(text)
		}
		return answerOf(f.questions[i], text), nil
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return text, nil
	}
	if _, err := json.Marshal(v); err != nil || v == nil {
		return text, nil
	}
	return v, nil
}

func answerOf(q channel.Question, text string) any {
	if !q.List {
		return text
	}
	list := []any{}
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// ask puts one question. Without a terminal the default is the answer, and a
// question that has none is a mistake.
func (f *form) ask(q channel.Question) (string, error) {
	if f.terminal == nil {
		if q.Default == "" && !q.Optional {
			return "", missing(q)
		}
		return q.Default, nil
	}
	prompt := q.Prompt
	if q.Help != "" {
		prompt += " (" + q.Help + ")"
	}
	if q.Default != "" {
		prompt += " [" + q.Default + "]"
	}
	for {
		text, err := f.terminal.Ask(prompt+": ", q.Secret)
		if err != nil {
			return "", err
		}
		text = strings.TrimSpace(text)
		switch {
		case text != "":
			return text, nil
		case q.Default != "" || q.Optional:
			return q.Default, nil
		}
	}
}

func missing(q channel.Question) error {
	if strings.HasPrefix(q.Key, "--") {
		return fault.New(fault.Invalid, "%s is missing: %s; %s", q.Key, q.Prompt, q.Help)
	}
	hint := q.Key + "=..."
	if q.Secret {
		hint = q.Key + "=@FILE"
	}
	return fault.New(fault.Invalid, "%s is missing (%s), and there is no terminal to ask on; say --set %s", q.Key, q.Prompt, hint)
}

// located names settings as the command line does.
func (f *form) located(err error) error {
	found, ok := problemsOf(err)
	if !ok {
		return err
	}
	for i := range found {
		found[i].Path = strings.TrimPrefix(found[i].Path, "channels."+f.name+".")
	}
	return found
}

// unknown is the error for a word that is none of those there are.
func unknown(what, given string, known []string) error {
	text := fmt.Sprintf("there is no %s %q", what, given)
	if near := fault.Nearest(given, known); near != "" {
		return fault.New(fault.NotFound, "%s; did you mean %q?", text, near)
	}
	return fault.New(fault.NotFound, "%s; there is: %s", text, strings.Join(known, ", "))
}
