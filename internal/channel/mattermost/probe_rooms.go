package mattermost

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// count is a number with a word in the right form.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// few lists names, not more than a reader takes in.
func few(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// joined says which rooms the account hears.
func (p *probe) joined(rooms []mm.Channel, inTeam bool) {
	var invited, standard []string
	private, direct := 0, 0
	for _, r := range rooms {
		switch {
		case r.Name == p.me.ID+"__"+p.me.ID: // a test's, see Prober
		case r.Type == mm.DM, r.Type == mm.Group:
			direct++
		case slices.Contains(defaultRooms, r.Name):
			standard = append(standard, r.Name)
		default:
			invited = append(invited, r.Name)
			if r.Type == mm.Private {
				private++
			}
		}
	}
	slices.Sort(invited)
	switch {
	case len(invited) > 0:
		text := fmt.Sprintf("in %s (%d private): %s", count(len(invited), "channel"), private, few(invited))
		if direct > 0 {
			text += "; " + count(direct, "direct or group message")
		}
		p.ok(foundRooms, "%s", text)
	case inTeam:
		text := "it was invited to no channel, and hears nothing there but direct messages"
		if len(standard) > 0 {
			text = "it was invited to no channel; it is only in those that everybody is in (town-square, off-topic)"
		}
		p.warn(foundRooms, text, fmt.Sprintf("write in each channel where it should answer: /invite @%s", p.me.Username))
	}
}

// roomSettings finds keys of rooms that match nothing.
func (p *probe) roomSettings(ctx context.Context, teams []mm.Team, rooms []mm.Channel) {
	for _, key := range slices.Sorted(maps.Keys(p.body.Rooms)) {
		matches := slices.ContainsFunc(rooms, func(r mm.Channel) bool {
			return slices.ContainsFunc([]string{r.Name, r.DisplayName, r.ID}, func(name string) bool {
				ok, err := path.Match(key, name)
				return ok && err == nil && name != ""
			})
		})
		switch {
		case matches:
		case strings.ContainsAny(key, `*?[\`):
			p.warn(foundRoomSettings, fmt.Sprintf("rooms: the pattern %q matches no channel that the account is in", key),
				fmt.Sprintf("correct the pattern, or invite the account to such a channel: /invite @%s", p.me.Username))
		case p.exists(ctx, teams, key):
			p.warn(foundRoomSettings, fmt.Sprintf("rooms: there is a channel %q, but the account is not in it", key),
				fmt.Sprintf("write in that channel: /invite @%s", p.me.Username))
		default:
			p.warn(foundRoomSettings, fmt.Sprintf("rooms: no channel %q is to be seen; a private one shows only to its members", key),
				fmt.Sprintf("correct the name (as in the channel's address), or write in that channel: /invite @%s", p.me.Username))
		}
	}
}

// exists reports whether a public channel of the account's teams has a name.
func (p *probe) exists(ctx context.Context, teams []mm.Team, name string) bool {
	for _, t := range teams {
		if _, err := p.client.ChannelByName(ctx, t.ID, name); err == nil {
			return true
		}
	}
	return false
}

// alerts finds the room for alerts as the driver does.
func (p *probe) alerts(ctx context.Context) {
	if p.body.Alerts == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	_, err := findRoom(ctx, client{p.client}, p.body.Alerts)
	switch {
	case err == nil:
		p.ok(foundAlerts, "alerts are told in %s", p.body.Alerts)
	case fault.Is(err, fault.Invalid):
		p.fail(foundAlerts, "alerts would be told nowhere: "+strings.TrimPrefix(fault.Message(err), "alerts "),
			fmt.Sprintf("correct alerts (team/name, as in the channel's address), or write in that channel: /invite @%s", p.me.Username))
	default:
		p.failed(foundAlerts, err)
	}
}
