package catalog

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/channel"
)

// settingsWriter writes the settings of one channel.
type settingsWriter struct {
	*exporter
	channel string
}

func (w settingsWriter) node(key string, v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case channel.SecretRef:
		return text("${env:" + w.variable(w.channel, key) + "}"), nil
	case string:
		return text(strings.ReplaceAll(v, "${", "$${")), nil
	case map[string]any:
		m := mapping()
		for _, k := range keys(v) {
			inner, err := w.node(joinPath(key, k), v[k])
			if err != nil {
				return nil, err
			}
			put(m, k, inner)
		}
		return m, nil
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i, item := range v {
			inner, err := w.node(fmt.Sprintf("%s[%d]", key, i), item)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, inner)
		}
		return list, nil
	case float64:
		if whole := int64(v); float64(whole) == v {
			return w.node(key, whole) // JSON made it one; 1e+06 would stay a fraction
		}
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}, nil
	}
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &n, nil
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

func put(m *yaml.Node, key string, v *yaml.Node) { m.Content = append(m.Content, text(key), v) }

// text is a string; the writer quotes it where it would be read as something
// else.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}
