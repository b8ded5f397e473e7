package catalog

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/channel"
)

// Exported is the catalog that would make what is in force.
type Exported struct {
	// Catalog is YAML. It holds no secret: each is a ${env:NAME}.
	Catalog string `json:"catalog"`
	// Definitions are the files that Catalog names, by name.
	Definitions map[string]string `json:"definitions"`
	// Secrets are what has to be in the environment when it is applied.
	Secrets []ExportedSecret `json:"secrets"`
	// LeftOut is what the catalog does not say, such as drafts.
	LeftOut []string `json:"left_out,omitempty"`
}

// ExportedSecret names a secret that an owner has to bring.
type ExportedSecret struct {
	// Variable is the environment variable.
	Variable string `json:"variable"`
	Channel  string `json:"channel"`
	// Key is where it stands in the channel, such as apps[0].secret.
	Key string `json:"key"`
}

// Export writes down what is in force. Applying it to the same data changes
// nothing, as long as the secrets are the same.
func (s *Service) Export(ctx context.Context) (Exported, error) {
	now, err := s.load(ctx)
	if err != nil {
		return Exported{}, err
	}
	e := &exporter{service: s, now: now, used: map[string]bool{}, out: Exported{
		Definitions: map[string]string{}, Secrets: []ExportedSecret{},
	}}
	channels, err := e.channels()
	if err != nil {
		return Exported{}, err
	}
	root := mapping()
	if assistants := e.assistants(); len(assistants.Content) > 0 {
		put(root, "assistants", assistants)
	}
	if len(channels.Content) > 0 {
		put(root, "channels", channels)
	}
	var b bytes.Buffer
	b.WriteString(e.head())
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return Exported{}, fmt.Errorf("write catalog: %w", err)
	}
	e.out.Catalog = b.String()
	return e.out, nil
}

type exporter struct {
	service *Service
	now     contents
	out     Exported
	// used are the variables that are taken.
	used map[string]bool
}

// head tells how to use the file.
func (e *exporter) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Revision %d, as parley catalog export wrote it.\n", e.now.revision)
	if len(e.out.Secrets) > 0 {
		b.WriteString("# Secrets are not in it; have them in the environment when you apply it:\n")
		for _, one := range e.out.Secrets {
			fmt.Fprintf(&b, "#   %s: channel %s, %s\n", one.Variable, one.Channel, one.Key)
		}
	}
	for _, text := range e.out.LeftOut {
		b.WriteString("# Left out: " + text + "\n")
	}
	return b.String()
}

func (e *exporter) leaveOut(format string, args ...any) {
	e.out.LeftOut = append(e.out.LeftOut, fmt.Sprintf(format, args...))
}

func (e *exporter) assistants() *yaml.Node {
	all := mapping()
	for _, name := range e.now.assistantNames() {
		a, inForce := e.now.assistants[name]
		if _, drafted := e.now.drafts[name]; drafted {
			e.leaveOut("the draft of assistant %s", name)
		}
		if !inForce || (a.Demo && len(e.realUsers(name)) == 0) {
			continue
		}
		file := name + "." + a.Kind + ".yaml"
		e.out.Definitions[file] = a.Definition
		one := mapping()
		put(one, "kind", text(a.Kind))
		put(one, "definition", text(file))
		put(all, name, one)
	}
	return all
}

// realUsers are the channels of an assistant without the demo's.
func (e *exporter) realUsers(name string) []string {
	var real []string
	for _, user := range usersOf(e.now.channels, name) {
		if !e.now.channels[user].Demo {
			real = append(real, user)
		}
	}
	return real
}

func (e *exporter) channels() (*yaml.Node, error) {
	all := mapping()
	for _, name := range keys(e.now.channels) {
		c := e.now.channels[name]
		if c.Demo {
			e.leaveOut("the demo, channel %s", name)
			continue
		}
		able, ok := e.service.types[c.Type].(channel.Exporter)
		if !ok {
			e.leaveOut("channel %s: channels of type %s cannot be written down", name, c.Type)
			continue
		}
		settings, err := able.Export(c.configured(name, e.service.sealer, nil))
		if err != nil {
			return nil, fmt.Errorf("export channel %s: %w", name, err)
		}
		if c.AssistantVersion > 0 {
			e.leaveOut("channel %s stays with version %d of %s (parley assistant publish)", name, c.AssistantVersion, c.Assistant)
		}
		one := mapping()
		put(one, "type", text(c.Type))
		put(one, "assistant", text(c.Assistant))
		if c.Disabled {
			put(one, "disabled", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
		}
		w := settingsWriter{e, name}
		for _, key := range keys(settings) {
			node, err := w.node(key, settings[key])
			if err != nil {
				return nil, fmt.Errorf("export channel %s: %w", name, err)
			}
			put(one, key, node)
		}
		put(all, name, one)
	}
	return all, nil
}

// variable makes the name of the environment variable for a secret, such as
// WEBSITE_APPS_0_SECRET.
func (e *exporter) variable(name, key string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case r == ']':
			return -1
		default:
			return '_'
		}
	}, name+"_"+key)
	if clean[0] >= '0' && clean[0] <= '9' {
		clean = "_" + clean
	}
	variable := clean
	for i := 2; e.used[variable]; i++ {
		variable = fmt.Sprintf("%s_%d", clean, i)
	}
	e.used[variable] = true
	e.out.Secrets = append(e.out.Secrets, ExportedSecret{Variable: variable, Channel: name, Key: key})
	return variable
}
