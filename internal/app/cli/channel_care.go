package cli

import (
	"fmt"
	"net/http"

	"parley/internal/adminapi"
	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/channel/mmwebhook"
	"parley/internal/channel/rtm"
	"parley/internal/fault"
)

type channelTestCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run tests a channel.
func (c *channelTestCmd) Run(r *run) error {
	got, err := ask[adminapi.TestAnswer](r, http.MethodPost, "/channels"+pathOf(c.Name)+"/test", nil, nil)
	if err != nil {
		return err
	}
	if err := r.answer(got, func() { r.showFindings(got.Findings) }); err != nil {
		return err
	}
	if catalog.Failed(got.Findings) {
		return errQuiet(ExitFailed)
	}
	return nil
}

// showFindings writes what a test found, each with its mend.
func (r *run) showFindings(all []channel.Finding) {
	for _, f := range all {
		// A far side may have put words of its own into the text.
		r.say("%-4s  %-12s  %s", f.Level, f.Name, clean(f.Text))
		if f.Mend != "" {
			r.say("      %-12s  %s", "", clean(f.Mend))
		}
	}
}

type channelDisableCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run takes a channel out of service.
func (c *channelDisableCmd) Run(r *run) error {
	if err := r.change(http.MethodPost, "/channels"+pathOf(c.Name)+"/disable", nil); err != nil {
		return err
	}
	r.note("a catalog that names %s without disabled: true puts it back when it is applied", c.Name)
	return nil
}

type channelEnableCmd struct {
	Name string `arg:"" help:"The channel's name."`
}

// Run puts a channel back in service.
func (c *channelEnableCmd) Run(r *run) error {
	return r.change(http.MethodPost, "/channels"+pathOf(c.Name)+"/enable", nil)
}

type channelDeleteCmd struct {
	Name string `arg:"" help:"The channel's name."`
	Yes  bool   `help:"Really delete it."`
}

// cutOff is what deleting a channel of a type means for those who write to it.
func cutOff(typ string) string {
	switch typ {
	case rtm.Name:
		return "cuts its clients off"
	case mattermost.Name:
		return "lets its bot fall silent in Mattermost"
	case mmwebhook.Name:
		return "takes its callback URL out of use"
	default:
		return "answers nobody there any more"
	}
}

// Run deletes a channel. Its id and secrets cannot be had back, so that it is
// not done by a slip.
func (c *channelDeleteCmd) Run(r *run) error {
	if c.Yes {
		return r.change(http.MethodDelete, "/channels"+pathOf(c.Name), nil)
	}
	d, err := ask[adminapi.ChannelAnswer](r, http.MethodGet, "/channels"+pathOf(c.Name), nil, nil)
	if err != nil {
		return err
	}
	waiting := ""
	switch n := d.OpenDeliveries; {
	case n == 1:
		waiting = ", and drops 1 waiting delivery"
	case n > 1:
		waiting = fmt.Sprintf(", and drops %d waiting deliveries", n)
	}
	return fault.New(fault.Invalid, "deleting %s forgets its secrets and %s%s; conversations stay in the log. "+
		"Say --yes to delete it, or take it out of service: parley channel disable %s", c.Name, cutOff(d.Type), waiting, c.Name)
}
