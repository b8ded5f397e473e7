package cli

import (
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"parley/internal/adminapi"
	"parley/internal/catalog"
)

type channelCmd struct {
	List   channelListCmd   `cmd:"" help:"List channels."`
	Show   channelShowCmd   `cmd:"" help:"Show a channel: what to paste where, and its settings."`
	Delete channelDeleteCmd `cmd:"" help:"Delete a channel and its secrets. Conversations stay."`
}

type channelListCmd struct{}

// Run lists channels.
func (*channelListCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	list, err := call[adminapi.ChannelList](r.ctx, server, http.MethodGet, "/channels", nil, nil)
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
	return strings.Join(notes, ", ")
}

type channelShowCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run shows a channel.
func (c *channelShowCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	d, err := call[catalog.ChannelDetails](r.ctx, server, http.MethodGet, "/channels"+pathOf(c.Name), nil, nil)
	if err != nil {
		return err
	}
	return r.answer(d, func() {
		r.table(nil, [][]string{
			{"name", d.Name}, {"type", d.Type}, {"assistant", d.Assistant},
			{"version", number(d.Version)}, {"notes", orDash(channelNotes(d.Channel))},
		})
		if len(d.Paste) > 0 {
			r.say("\nPaste into your client:")
			rows := make([][]string, len(d.Paste))
			for i, p := range d.Paste {
				rows[i] = []string{"  " + p.Label, p.Value}
			}
			r.table(nil, rows)
		}
		r.say("\nSettings (secrets are never shown again):")
		r.say("%s", indent(settingsText(d)))
	})
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

type channelDeleteCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run deletes a channel.
func (c *channelDeleteCmd) Run(r *run) error { return r.remove("/channels" + pathOf(c.Name)) }

type assistantCmd struct {
	List   assistantListCmd   `cmd:"" help:"List assistants."`
	Delete assistantDeleteCmd `cmd:"" help:"Delete an assistant that no channel uses."`
}

type assistantListCmd struct{}

// Run lists assistants.
func (*assistantListCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	list, err := call[adminapi.AssistantList](r.ctx, server, http.MethodGet, "/assistants", nil, nil)
	if err != nil {
		return err
	}
	return r.answer(list, func() {
		rows := make([][]string, len(list.Assistants))
		for i, a := range list.Assistants {
			rows[i] = []string{a.Name, a.Kind, number(a.Version), orDash(strings.Join(a.UsedBy, ", "))}
		}
		r.table([]string{"NAME", "KIND", "VERSION", "ANSWERS ON"}, rows)
	})
}

type assistantDeleteCmd struct {
	Name string `arg:"" help:"The assistant's name."`
}

// Run deletes an assistant.
func (c *assistantDeleteCmd) Run(r *run) error { return r.remove("/assistants" + pathOf(c.Name)) }

func (r *run) remove(path string) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	result, err := call[catalog.Result](r.ctx, server, http.MethodDelete, path, nil, nil)
	if err != nil {
		return err
	}
	return r.answer(result, func() { r.showResult(result) })
}
