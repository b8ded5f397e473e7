package doctor

import (
	"context"
	"fmt"
	"time"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

const (
	// slow is how long a delivery may wait before that is worth a word.
	slow = 5 * time.Minute
	// tokenSoon is how long before its end an API token is worth a word.
	tokenSoon = 14 * 24 * time.Hour
)

// state looks at deliveries, alerts and API tokens.
func (d *Doctor) state(ctx context.Context) []Finding {
	if d.State == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all := d.deliveries(ctx)
	all = append(all, d.alerts(ctx)...)
	return append(all, d.tokens(ctx)...)
}

func unreadable(name, what string, err error) []Finding {
	return []Finding{{Name: name, Level: Fail, Text: what + " cannot be read: " + fault.Message(err), Mend: "see the server's log"}}
}

// deliveries looks for what does not arrive.
func (d *Doctor) deliveries(ctx context.Context) []Finding {
	counts, err := d.State.DeliveryCounts(ctx)
	if err != nil {
		return unreadable("deliveries", "the deliveries", err)
	}
	names := map[chat.ChannelID]string{}
	if listed, err := d.Catalog.Channels(ctx); err == nil {
		for _, c := range listed {
			names[c.ID] = c.Name
		}
	}
	var all []Finding
	open := int64(0)
	for _, c := range counts {
		name := names[c.Channel]
		if name == "" {
			name = string(c.Channel)
		}
		open += c.Open
		if waited := d.Now().Sub(c.OldestOpen); c.Open > 0 && waited >= slow {
			all = append(all, Finding{Name: "deliveries", Level: Warn,
				Text: fmt.Sprintf("channel %s: %d wait to be sent, the oldest for %s", name, c.Open, ago(d.Now(), c.OldestOpen)),
				Mend: "see why: parley delivery list --channel " + name})
		}
		if c.Failed > 0 {
			all = append(all, Finding{Name: "deliveries", Level: Warn,
				Text: fmt.Sprintf("channel %s: %d were given up", name, c.Failed),
				Mend: fmt.Sprintf("see them: parley delivery list --status failed --channel %s; then parley delivery resend, or drop", name)})
		}
	}
	if len(all) > 0 {
		return all
	}
	text := "everything was sent"
	if open > 0 {
		text = fmt.Sprintf("%d under way, none for long", open)
	}
	return []Finding{{Name: "deliveries", Level: OK, Text: text}}
}

// alerts repeats what holds.
func (d *Doctor) alerts(ctx context.Context) []Finding {
	alerts, err := d.State.Alerts(ctx, d.Now())
	if err != nil {
		return unreadable("alerts", "the alerts", err)
	}
	var all []Finding
	for _, a := range alerts {
		if a.ClearedAt.IsZero() {
			all = append(all, Finding{Name: "alerts", Level: Warn, Text: fmt.Sprintf("for %s: %s", ago(d.Now(), a.RaisedAt), a.Text),
				Mend: "mend what it says; the alert ends by itself"})
		}
	}
	if len(all) == 0 {
		all = append(all, Finding{Name: "alerts", Level: OK, Text: "no alert holds"})
	}
	return all
}

// tokens looks for API tokens that stay for good, or end soon.
func (d *Doctor) tokens(ctx context.Context) []Finding {
	tokens, err := d.State.Tokens(ctx)
	if err != nil {
		return unreadable("api_tokens", "the API tokens", err)
	}
	var all []Finding
	living := 0
	for _, t := range tokens {
		if !t.Living(d.Now()) {
			continue
		}
		living++
		if f, wrong := d.token(t); wrong {
			all = append(all, f)
		}
	}
	if len(all) > 0 {
		return all
	}
	if living == 0 {
		return []Finding{{Name: "api_tokens", Level: OK, Text: "there is none"}}
	}
	return []Finding{{Name: "api_tokens", Level: OK, Text: fmt.Sprintf("%d, none without an end and none that ends soon", living)}}
}

func (d *Doctor) token(t store.Token) (Finding, bool) {
	f := Finding{Name: "api_tokens", Level: Warn}
	left := t.ExpiresAt.Sub(d.Now())
	switch {
	case t.ExpiresAt.IsZero():
		f.Text = fmt.Sprintf("token %s is good for ever: who finds it may use it for ever", t.Name)
		f.Mend = fmt.Sprintf("make one with an end and put it in its place: parley token create NAME --expires 90d --scope ...; then parley token revoke %s", t.Name)
	case left < tokenSoon:
		f.Text = fmt.Sprintf("token %s ends on %s", t.Name, t.ExpiresAt.UTC().Format(time.DateOnly))
		f.Mend = "make a new one and give it to whoever uses it: parley token create NAME --expires 90d --scope ..."
	default:
		return f, false
	}
	return f, true
}
