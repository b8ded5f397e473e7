package mattermost

import (
	"slices"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Status is what an operator may see of a channel in force.
type Status struct {
	Channel chat.ChannelID `json:"channel"`
	Name    string         `json:"name"`
	Server  string         `json:"server"`
	// Account is the user name; empty until the server has told it.
	Account   string `json:"account,omitempty"`
	Connected bool   `json:"connected"`
	// Since is when Connected last changed.
	Since time.Time `json:"since"`
	// LastEvent is when the server was last heard; zero for never.
	LastEvent time.Time `json:"last_event,omitzero"`
	// Standby says that another node has the connection.
	Standby bool `json:"standby,omitempty"`
	// Live, CatchingUp and Gone count rooms.
	Live       int `json:"rooms_live"`
	CatchingUp int `json:"rooms_catching_up"`
	Gone       int `json:"rooms_gone"`
	// Recovered and Late count posts since the start of this process: those
	// picked up after an outage, and those too old to be answered.
	Recovered int64 `json:"recovered_posts"`
	Late      int64 `json:"late_posts"`
	// Loops counts how often the loop breaker stopped answering somebody.
	Loops int64 `json:"loops"`
	// Problem says what is wrong and what to do about it; empty when all is
	// well. It holds no secret.
	Problem string `json:"problem,omitempty"`
}

// Status returns the state of all channels in force, sorted by name.
func (d *Driver) Status() []Status {
	d.mu.Lock()
	links := make([]*link, 0, len(d.links))
	for _, l := range d.links {
		links = append(links, l)
	}
	d.mu.Unlock()
	all := make([]Status, 0, len(links))
	for _, l := range links {
		all = append(all, l.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (l *link) status() Status {
	l.mu.Lock()
	s, h, me := l.state, l.hold, l.me
	l.mu.Unlock()
	out := Status{
		Channel: l.id(), Name: l.settings.Load().name, Server: l.account.server, Account: me.Username,
		Connected: s.connected, Since: s.since, LastEvent: s.lastEvent, Standby: s.standby != "",
		Recovered: s.recovered, Late: s.late, Loops: s.loops, Problem: s.problem,
	}
	if h == nil {
		return out
	}
	for _, r := range h.all() {
		r.mu.Lock()
		status := r.status()
		if !r.entered && !r.out {
			status = store.RoomCatchingUp
		}
		r.mu.Unlock()
		switch status {
		case store.RoomLive:
			out.Live++
		case store.RoomCatchingUp:
			out.CatchingUp++
		default:
			out.Gone++
		}
	}
	return out
}

// problemText is what may be shown of an error.
func problemText(err error) string {
	if err == nil {
		return ""
	}
	if fault.KindOf(err) == fault.Internal {
		return strings.TrimSpace(err.Error())
	}
	return fault.Message(err)
}
