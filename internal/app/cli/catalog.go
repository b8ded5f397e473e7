package cli

import (
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/adminapi"
	"parley/internal/catalog"
)

type channelCmd struct {
	List    channelListCmd    `cmd:"" help:"List channels."`
	Show    channelShowCmd    `cmd:"" help:"Show a channel: what to paste where, and its settings."`
	Add     channelAddCmd     `cmd:"" help:"Add a channel: asks for what is missing, tests it, and stores it when nothing fails."`
	Set     channelSetCmd     `cmd:"" help:"Change single settings of a channel, such as its token: tests it, and stores it when nothing fails."`
	Test    channelTestCmd    `cmd:"" help:"Test a channel and say what to mend. Changes nothing."`
	Disable channelDisableCmd `cmd:"" help:"Take a channel out of service. Settings, secrets and conversations stay."`
	Enable  channelEnableCmd  `cmd:"" help:"Put a channel back in service."`
	Delete  channelDeleteCmd  `cmd:"" help:"Delete a channel and its secrets. Conversations stay."`
}

type channelListCmd struct{}

// Run lists channels.
func (*channelListCmd) Run(r *run) error {
	list, err := ask[adminapi.ChannelList](r, http.MethodGet, "/channels", nil, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Channels))
		for i, c := range list.Channels {
			rows[i] = []string{c.Name, c.Type, c.Assistant, string(c.ID), channelNotes(c)}
		}
		r.table([]string{"NAME", "TYPE", "ASSISTANT", "ID", ""}, rows)
	})
}

func channelNotes(c catalog.Channel) string {
	var notes []string
	if c.Disabled {
		notes = append(notes, "disabled")
	}
	if c.Demo {
		notes = append(notes, "demo")
	}
	if c.AssistantVersion > 0 {
		notes = append(notes, "stays with version "+number(c.AssistantVersion))
	}
	return strings.Join(notes, ", ")
}

type channelShowCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run shows a channel.
func (c *channelShowCmd) Run(r *run) error {
	d, err := ask[adminapi.ChannelAnswer](r, http.MethodGet, "/channels"+pathOf(c.Name), nil, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() { r.showChannel(d) })
}

func (r *run) showChannel(d adminapi.ChannelAnswer) {
	rows := [][]string{
		{"name", d.Name}, {"type", d.Type}, {"assistant", d.Assistant},
		{"version", number(d.Version)}, {"notes", orDash(channelNotes(d.Channel))},
	}
	switch n := d.OpenDeliveries; {
	case n == 1:
		rows = append(rows, []string{"waiting", "1 delivery"})
	case n > 1:
		rows = append(rows, []string{"waiting", number(n) + " deliveries"})
	}
	r.table(nil, rows)
	if len(d.Paste) > 0 {
		r.say("\nWhat to paste where:")
		rows := make([][]string, len(d.Paste))
		for i, p := range d.Paste {
			rows[i] = []string{"  " + p.Label, p.Value}
		}
		r.table(nil, rows)
	}
	r.say("\nSettings (secrets are never shown again):")
	r.say("%s", indent(settingsText(d.ChannelDetails)))
}

// settingsText is the settings as an owner would write them.
func settingsText(d catalog.ChannelDetails) string {
	// JSON is YAML, and reading it as YAML keeps whole numbers whole.
	var v any
	if err := yaml.Unmarshal(d.Settings, &v); err != nil {
		return string(d.Settings)
	}
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return string(d.Settings)
	}
	return strings.TrimRight(b.String(), "\n")
}
