package mattermost

import (
	"fmt"
	"net/url"
	"strings"

	"parley/internal/channel"
)

// Guide says what is left to do in Mattermost. Nothing has to be pasted there:
// the account is invited, and Mattermost has to be allowed to call an address
// inside the owner's network.
func (Kind) Guide(c channel.Configured, publicURL string) []channel.Shown {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil // the settings are shown beside this; that they are unreadable shows there
	}
	name := "NAME"
	if body.User != "" && !strings.Contains(body.User, "@") {
		name = body.User
	}
	paste := []channel.Shown{
		{Label: "write in each channel where it should answer", Value: "/invite @" + name},
		{Label: "or write to it directly, at", Value: body.Server},
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return paste
	}
	paste = append(paste, channel.Shown{Label: "Mattermost calls for buttons", Value: strings.TrimRight(publicURL, "/")})
	if isPrivateName(u.Hostname()) {
		paste = append(paste, channel.Shown{
			Label: "so add to System Console, Environment, Developer, Allow untrusted internal connections to", Value: u.Hostname(),
		})
	}
	return paste
}

// Advise says what works but is unwise.
func (Kind) Advise(c channel.Configured) []string {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil
	}
	var all []string
	if u, err := url.Parse(body.Server); err == nil && u.Scheme == "http" && !isLocal(u.Hostname()) {
		all = append(all, fmt.Sprintf("server %s is not encrypted: the token and all messages can be read on the way; use https://", body.Server))
	}
	if body.CatchUp > 0 {
		all = append(all, fmt.Sprintf("catch_up bounds what is read after an outage to %d posts a channel: older ones are lost; leave it out to lose nothing", body.CatchUp))
	}
	if body.LoopLimit == 0 {
		all = append(all, "loop_limit is 0: nothing stops two programs that answer each other; leave it out for the default")
	}
	return all
}
