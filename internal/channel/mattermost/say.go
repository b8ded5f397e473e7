package mattermost

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	mm "parley/internal/mattermost"
)

// Alerting reports whether a channel in force has a room for alerts.
func (d *Driver) Alerting() bool { return len(d.alerting()) > 0 }

func (d *Driver) alerting() []*link {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*link
	for _, l := range d.links {
		if l.settings.Load().body.Alerts != "" {
			all = append(all, l)
		}
	}
	return all
}

// Say posts one line into every room that an owner has named for alerts, once
// per key. The line is stored first and delivered as soon as Mattermost can be
// reached. The error joins those of all rooms; said again with the same key,
// only what failed is repeated.
func (d *Driver) Say(ctx context.Context, key, text string) error {
	var failed error
	for _, l := range d.alerting() {
		if err := l.say(ctx, key, text); err != nil {
			failed = errors.Join(failed, fmt.Errorf("alerts of channel %s: %w", l.settings.Load().name, err))
		}
	}
	return failed
}

func (l *link) say(ctx context.Context, key, text string) error {
	room, err := l.alertsRoom(ctx)
	if err != nil {
		return err
	}
	at := place{kind: alertsPlace, room: room}
	o, err := l.d.Gateway.Open(ctx, channel.Place{
		Channel: l.id(), Type: Name, Key: at.key(),
		Person: chat.Person{ExternalID: "alerts", Verified: true, Name: "Alerts"}, Mode: chat.LegPush,
	})
	if err != nil {
		return err
	}
	return l.d.Gateway.Notice(ctx, channel.Notice{Conversation: o.Conversation, Content: chat.TextContent(text), Key: "alert:" + key})
}

// alertsRoom finds the id of the room for alerts, among those we are in.
func (l *link) alertsRoom(ctx context.Context) (string, error) {
	name := l.settings.Load().body.Alerts
	l.mu.Lock()
	known := l.alertsIn
	l.mu.Unlock()
	if known.name == name && known.id != "" {
		return known.id, nil
	}
	id, err := findRoom(ctx, l.client, name)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alertsIn = namedRoom{name, id}
	return id, nil
}

// namedRoom is a room an owner has named, and its id.
type namedRoom struct{ name, id string }

// findRoom finds a room by "team/name" or name among those the account is in.
func findRoom(ctx context.Context, client api, name string) (string, error) {
	team, room, both := strings.Cut(name, "/")
	if !both {
		team, room = "", name
	}
	teamID := ""
	if team != "" {
		teams, err := client.MyTeams(ctx)
		if err != nil {
			return "", err
		}
		for _, t := range teams {
			if t.Name == team {
				teamID = t.ID
			}
		}
		if teamID == "" {
			return "", fault.Field("alerts", "the account is not in a team %q; add it there, or name another room", team)
		}
	}
	rooms, err := client.MyChannels(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	for _, c := range rooms {
		if c.Type == mm.DM || c.Type == mm.Group || c.Name != room || teamID != "" && c.TeamID != teamID {
			continue
		}
		if found != "" {
			return "", fault.Field("alerts", "there is a room %q in more than one team; write team/%s", room, room)
		}
		found = c.ID
	}
	if found == "" {
		return "", fault.Field("alerts", "the account is in no room %q; add it to that room, or name another one", name)
	}
	return found, nil
}
