package rtm

import (
	"encoding/json"
	"fmt"

	"parley/internal/channel"
)

var (
	_ channel.Exporter = Kind{}
	_ channel.Asker    = Kind{}
)

// Export implements [channel.Exporter]. Everything is written out, ids too:
// clients in the field hold them.
func (Kind) Export(c channel.Configured) (map[string]any, error) {
	body, err := ParseBody(c.Body)
	if err != nil {
		return nil, err
	}
	var settings map[string]any
	if err := json.Unmarshal(c.Body, &settings); err != nil {
		return nil, fmt.Errorf("read rtm settings: %w", err)
	}
	apps := make([]any, len(body.Apps))
	for i, a := range body.Apps {
		raw, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("export app %s: %w", a.ID, err)
		}
		var app map[string]any
		if err := json.Unmarshal(raw, &app); err != nil {
			return nil, fmt.Errorf("export app %s: %w", a.ID, err)
		}
		if hasHMAC(a.Algorithms) {
			app["secret"] = channel.SecretRef(SecretID(body.Bot.ID, a.ID))
		}
		apps[i] = app
	}
	settings["apps"] = apps
	return settings, nil
}

// Questions implements [channel.Asker]. Nothing has to be answered: what is
// left out is made.
func (Kind) Questions() []channel.Question {
	return []channel.Question{
		{Key: "bot.name", Prompt: "name of the bot", Help: "what clients see; empty for the channel's name", Optional: true},
		{Key: "bot.id", Prompt: "bot id", Help: "st-...; bring the one your clients hold, or leave it empty to have one made", Optional: true},
		{Key: "apps[0].id", Prompt: "client id", Help: "cs-...; bring the one your clients hold, or leave it empty to have one made", Optional: true},
		{Key: "apps[0].secret", Prompt: "client secret", Help: "empty to have one made and shown once", Secret: true, Optional: true},
		{Key: "apps[0].origins", Prompt: "web pages that may connect", Help: "such as https://www.example.com, with commas between; empty for any", List: true, Optional: true},
	}
}
