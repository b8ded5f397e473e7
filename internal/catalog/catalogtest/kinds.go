package catalogtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/secret"
)

// Box returns a box with a fresh key.
func Box() *secret.Box {
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		panic(err) // a fresh key always makes a box
	}
	return box
}

// Flow is a kind of assistant named "flow" whose definitions may hold any text
// but a line "BAD": each of those is a mistake.
type Flow struct{ Compiled atomic.Int64 }

// Name implements [assistant.Kind].
func (*Flow) Name() string { return "flow" }

// Compile implements [assistant.Kind].
func (f *Flow) Compile(file string, definition []byte) (assistant.Assistant, error) {
	f.Compiled.Add(1)
	var wrong []string
	for i, line := range strings.Split(string(definition), "\n") {
		if col := strings.Index(line, "BAD"); col >= 0 {
			wrong = append(wrong, fmt.Sprintf("%s:%d:%d: say: BAD is not a word", file, i+1, col+1))
		}
	}
	if len(wrong) > 0 {
		return nil, fault.New(fault.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	return Echo(definition), nil
}

// Echo is an assistant that says its definition.
type Echo string

// Answer implements [assistant.Assistant].
func (e Echo) Answer(context.Context, assistant.Turn) (assistant.Reply, error) {
	return assistant.Reply{Messages: []chat.Content{chat.TextContent(string(e))}}, nil
}

// Collects implements [assistant.Assistant].
func (Echo) Collects() bool { return false }

// RTM is a type of channel named "rtm" with a bot and apps. It also drives its
// channels: Live is what was put in force last.
type RTM struct {
	mu      sync.Mutex
	live    []channel.Configured
	applied int
	// broken, if set, is what Prepare fails with.
	broken error
}

var (
	_ channel.Exporter = (*RTM)(nil)
	_ channel.Tester   = (*RTM)(nil)
	_ channel.Asker    = (*RTM)(nil)
)

// Name implements [channel.Kind].
func (*RTM) Name() string { return "rtm" }

type rtmSettings struct {
	Apps []rtmApp `json:"apps"`
	Bot  struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"bot"`
}

type rtmApp struct {
	ID      string   `json:"id"`
	Origins []string `json:"origins,omitempty"`
	Secret  string   `json:"secret,omitempty"`
}

// Settle implements [channel.Kind]: a secret must have 8 bytes or more; an app
// without an id gets one made of the channel's name, and without a secret one
// that is shown once.
func (*RTM) Settle(name string, given json.RawMessage, stored []byte) (channel.Settled, error) {
	var wanted, old rtmSettings
	dec := json.NewDecoder(bytes.NewReader(given))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&wanted); err != nil {
		return channel.Settled{}, fault.Field("", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if stored != nil {
		if err := json.Unmarshal(stored, &old); err != nil {
			return channel.Settled{}, err
		}
	}
	out := channel.Settled{Secrets: map[string]string{}}
	if wanted.Bot.ID == "" {
		wanted.Bot.ID = old.Bot.ID
	}
	if wanted.Bot.ID == "" {
		wanted.Bot.ID = "st-" + name
	}
	out.ID = chat.ChannelID(wanted.Bot.ID)
	var wrong []error
	for i := range wanted.Apps {
		app := &wanted.Apps[i]
		if app.ID == "" {
			app.ID = fmt.Sprintf("cs-%s-%d", name, i)
		}
		had := slices.ContainsFunc(old.Apps, func(o rtmApp) bool { return o.ID == app.ID })
		switch {
		case app.Secret != "" && len(app.Secret) < 8:
			wrong = append(wrong, fault.Field(fmt.Sprintf("apps[%d].secret", i), "has fewer than 8 bytes"))
		case app.Secret != "":
			out.Secrets[app.ID] = app.Secret
		case !had:
			out.Secrets[app.ID] = "generated-for-" + app.ID
			out.Shown = append(out.Shown, channel.Shown{Label: "secret of app " + app.ID, Value: out.Secrets[app.ID]})
		}
		app.Secret = ""
	}
	for _, app := range old.Apps {
		if !slices.ContainsFunc(wanted.Apps, func(n rtmApp) bool { return n.ID == app.ID }) {
			out.Secrets[app.ID] = ""
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return channel.Settled{}, err
	}
	body, err := json.Marshal(wanted)
	out.Body = body
	return out, err
}

// Prepare implements [channel.Driver].
func (d *RTM) Prepare(channels []channel.Configured) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return nil, d.broken
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.live = slices.Clone(channels)
		d.applied++
	}, nil
}

// Break makes Prepare fail until it is given nil.
func (d *RTM) Break(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

// Live is what was put in force last, and how often something was.
func (d *RTM) Live() ([]channel.Configured, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.live), d.applied
}

// Export implements [channel.Exporter].
func (*RTM) Export(c channel.Configured) (map[string]any, error) {
	var s rtmSettings
	if err := json.Unmarshal(c.Body, &s); err != nil {
		return nil, err
	}
	apps := make([]any, len(s.Apps))
	for i, app := range s.Apps {
		one := map[string]any{"id": app.ID, "secret": channel.SecretRef(app.ID)}
		var origins []any
		for _, o := range app.Origins {
			origins = append(origins, o)
		}
		if len(origins) > 0 {
			one["origins"] = origins
		}
		apps[i] = one
	}
	return map[string]any{"apps": apps, "bot": map[string]any{"id": s.Bot.ID, "name": s.Bot.Name}}, nil
}

// Test implements [channel.Tester]: a bot named Wrong fails.
func (*RTM) Test(_ context.Context, c channel.Configured) []channel.Finding {
	var s rtmSettings
	if err := json.Unmarshal(c.Body, &s); err != nil || s.Bot.Name == "Wrong" {
		return []channel.Finding{{Level: channel.LevelFail, Name: "bot", Text: "the bot is wrong", Mend: "give it another name"}}
	}
	return []channel.Finding{{Level: channel.LevelOK, Name: "bot", Text: "the bot " + s.Bot.Name + " answers"}}
}

// Questions implements [channel.Asker].
func (*RTM) Questions() []channel.Question {
	return []channel.Question{
		{Key: "bot.name", Prompt: "name of the bot", Help: "what clients see"},
		{Key: "apps[0].id", Prompt: "client id", Default: "cs-asked"},
		{Key: "apps[0].secret", Prompt: "client secret", Secret: true},
		{Key: "apps[0].origins", Prompt: "pages", List: true, Optional: true},
		{Key: "bot.id", Prompt: "bot id", Optional: true, Unless: "apps[0].origins"},
	}
}

// Guide is the ability to say what to paste where.
func (*RTM) Guide(c channel.Configured, publicURL string) []channel.Shown {
	return []channel.Shown{{Label: "base URL", Value: publicURL}, {Label: "bot id", Value: string(c.ID)}}
}

// Advise is the ability to give advice: it wants secrets of 32 bytes.
func (*RTM) Advise(c channel.Configured) []string {
	var s rtmSettings
	if err := json.Unmarshal(c.Body, &s); err != nil {
		return []string{"the settings cannot be read"}
	}
	var all []string
	for _, app := range s.Apps {
		if value, err := c.Secret(app.ID); err == nil && len(value) < 32 {
			all = append(all, "the secret of app "+app.ID+" is short; use 32 bytes or more")
		}
	}
	return all
}

// TestToken is the ability to sign test tokens; these are not signed at all.
func (*RTM) TestToken(c channel.Configured, app, user string, now time.Time, life time.Duration) (string, error) {
	var s rtmSettings
	if err := json.Unmarshal(c.Body, &s); err != nil {
		return "", err
	}
	if app == "" && len(s.Apps) == 1 {
		app = s.Apps[0].ID
	}
	if _, err := c.Secret(app); err != nil {
		return "", fault.New(fault.NotFound, "channel %s has no app %q", c.Name, app)
	}
	return fmt.Sprintf("token of %s for %s until %s", app, user, now.Add(life).UTC().Format(time.TimeOnly)), nil
}
