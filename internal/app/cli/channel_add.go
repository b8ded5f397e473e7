package cli

import (
	"encoding/json"
	"fmt"
	"net/http"

	"parley/internal/adminapi"
	"parley/internal/catalog"
)

type channelAddCmd struct {
	Type      string   `arg:"" help:"The type of channel, such as rtm or mattermost."`
	Name      string   `arg:"" optional:"" help:"A name for it; left out, one is made from the type."`
	Assistant string   `placeholder:"NAME" help:"Who answers; may be left out when there is only one assistant."`
	Set       []string `placeholder:"KEY=VALUE" sep:"none" help:"A setting, such as server=https://chat.example.com. KEY=@FILE reads a file; $${env:NAME} in VALUE, an environment variable. May be given more than once."`
	Force     bool     `help:"Store it although its test fails."`
}

// Run asks for what is missing, and adds the channel.
func (c *channelAddCmd) Run(r *run) error {
	server, _, err := r.connect()
	if err != nil {
		return err
	}
	defer server.close()
	form, err := c.form(r, server)
	if err != nil {
		return err
	}
	settings, err := form.fill(c.Set)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	added, err := call[catalog.Added](r.ctx, server, http.MethodPost, "/channels", nil, adminapi.AddChannelRequest{
		Name: form.name, Force: c.Force,
		Channel: catalog.ChannelSpec{Type: c.Type, Assistant: form.assistant, Settings: raw},
	})
	if err != nil {
		return form.located(err)
	}
	return c.show(r, server, form.name, added)
}

// show says what the test found and what to do next.
func (c *channelAddCmd) show(r *run, server *client, name string, added catalog.Added) error {
	if !added.Stored {
		err := r.answer(added, func() {
			r.showFindings(added.Findings)
			r.say("nothing was stored; mend what failed and try again, or say --force")
		})
		if err != nil {
			return err
		}
		return errQuiet(ExitFailed)
	}
	d, err := call[adminapi.ChannelAnswer](r.ctx, server, http.MethodGet, "/channels"+pathOf(name), nil, nil)
	if err != nil {
		return err
	}
	answer := struct {
		catalog.Added
		Channel adminapi.ChannelAnswer `json:"channel"`
	}{added, d}
	return r.answer(answer, func() {
		r.showFindings(added.Findings)
		r.showResult(added.Result)
		r.say("")
		r.showChannel(d)
	})
}
