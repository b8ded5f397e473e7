package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/internal/catalog"
	"parley/internal/channel"
	"parley/internal/fault"
)

// Link is the state of the connection that a channel holds.
type Link struct {
	// Channel is the channel's name.
	Channel   string
	Connected bool
	// Since is when Connected last changed, LastEvent when the far side was
	// last heard; zero for never.
	Since, LastEvent time.Time
	// Standby says that another node has the connection.
	Standby bool
	// Live, CatchingUp and Gone count rooms.
	Live, CatchingUp, Gone int
	// Recovered and Late count posts since the start of the process: picked up
	// after an outage, and too old to be answered.
	Recovered, Late int64
	// Problem says what is wrong; empty when nothing is.
	Problem string
	// GaveUp says that a further try would do harm.
	GaveUp bool
}

// Promises names the finding of what a channel's type cannot promise.
const Promises = "promises"

const (
	// testsAtOnce bounds the channels tested side by side, testTime each.
	testsAtOnce = 8
	testTime    = 30 * time.Second
	// quiet is how long a link may be down before that is a failure, not a
	// restart of the far side.
	quiet = time.Minute
)

// channels tries every channel in service against what it connects to.
func (d *Doctor) channels(ctx context.Context) []Finding {
	listed, err := d.Catalog.Channels(ctx)
	if err != nil {
		return nil // said by the check of the catalog
	}
	listed = slices.DeleteFunc(listed, func(c catalog.Channel) bool { return c.Demo || c.Disabled })
	links := map[string]Link{}
	if d.Links != nil {
		for _, l := range d.Links() {
			links[l.Channel] = l
		}
	}
	found := make([][]Finding, len(listed))
	var tests errgroup.Group
	tests.SetLimit(testsAtOnce)
	for i, c := range listed {
		tests.Go(func() error {
			found[i] = d.channel(ctx, c, links)
			return nil
		})
	}
	_ = tests.Wait() // they return none
	var all []Finding
	for _, some := range found {
		all = append(all, some...)
	}
	return append(all, d.callbacks(listed, all)...)
}

// channel is everything about one channel.
func (d *Doctor) channel(ctx context.Context, c catalog.Channel, links map[string]Link) []Finding {
	l, linked := links[c.Name]
	var all []Finding
	if linked && l.GaveUp {
		all = append(all, Finding{Name: "test", Level: Warn, Text: "not tried: the account was refused, and each try counts until it is locked",
			Mend: "mend what stands below, then: parley channel test " + c.Name})
	} else {
		all = d.test(ctx, c)
	}
	if linked {
		all = append(all, d.link(l))
	}
	if text := d.Exceptions[c.Type]; text != "" {
		all = append(all, Finding{Name: Promises, Level: OK, Text: text})
	}
	for i := range all {
		all[i].Name = c.Name + "/" + all[i].Name
	}
	return all
}

func (d *Doctor) test(ctx context.Context, c catalog.Channel) []Finding {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	tested, err := d.Catalog.TestChannel(ctx, c.Name)
	if err != nil {
		return []Finding{{Name: "test", Level: Fail, Text: "the channel cannot be tested: " + fault.Message(err), Mend: "see the server's log"}}
	}
	var all []Finding
	for _, f := range tested {
		if f.Name == "advice" {
			continue // said once, for all channels
		}
		all = append(all, Finding{Name: f.Name, Level: levelOf(f.Level), Text: f.Text, Mend: f.Mend})
	}
	return all
}

func levelOf(l channel.Level) Level {
	switch l {
	case channel.LevelOK:
		return OK
	case channel.LevelWarn:
		return Warn
	default:
		return Fail
	}
}

// link says how the connection of a channel does.
func (d *Doctor) link(l Link) Finding {
	f := Finding{Name: "link", Level: OK}
	now := d.Now()
	var told []string
	tell := func(n int64, one, many string) {
		switch {
		case n == 1:
			told = append(told, "1 "+one)
		case n > 1:
			told = append(told, fmt.Sprintf("%d %s", n, many))
		}
	}
	switch {
	case l.Standby:
		f.Text = "another node has the connection; this one takes it when that one ends"
		return f
	case !l.Connected:
		f.Level, f.Text = Warn, "not connected yet"
		if !l.Since.IsZero() {
			f.Text = "down for " + ago(now, l.Since)
			if now.Sub(l.Since) >= quiet {
				f.Level = Fail
			}
		}
		f.Mend = "mend what the other lines about this channel say; it connects again by itself"
		if l.GaveUp {
			f.Level, f.Mend = Fail, "give the right password and apply the catalog again"
		}
		if l.Problem != "" {
			f.Text += ": " + l.Problem
		}
		return f
	}
	told = append(told, "connected for "+ago(now, l.Since), fmt.Sprintf("%d rooms live", l.Live))
	tell(int64(l.CatchingUp), "catching up", "catching up")
	tell(l.Recovered, "post recovered after outages", "posts recovered after outages")
	tell(l.Late, "post too old to be answered", "posts too old to be answered")
	if !l.LastEvent.IsZero() {
		told = append(told, "last heard "+ago(now, l.LastEvent)+" ago")
	}
	f.Text = strings.Join(told, ", ")
	if l.Problem != "" {
		f.Level, f.Text, f.Mend = Warn, f.Text+"; "+l.Problem, "see the server's log"
	}
	return f
}

// ago is how long ago something was, in words short enough to read.
func ago(now, then time.Time) string {
	d := max(now.Sub(then), 0)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// callbacks looks for far sides that call us at an address they cannot know.
func (d *Doctor) callbacks(listed []catalog.Channel, found []Finding) []Finding {
	if d.Settings.PublicURL != "" {
		return nil
	}
	var unsure []string
	for _, c := range listed {
		reached := slices.ContainsFunc(found, func(f Finding) bool { return f.Name == c.Name+"/callback" && f.Level == OK })
		if slices.Contains(d.Callers, c.Type) && !reached {
			unsure = append(unsure, c.Name)
		}
	}
	if len(unsure) == 0 {
		return nil
	}
	return []Finding{{Name: "callbacks", Level: Warn,
		Text: fmt.Sprintf("no public_url is set, and the far side of %s calls Parley: only one on this machine reaches it", strings.Join(unsure, ", ")),
		Mend: "set public_url to the address at which the far side reaches this server"}}
}
