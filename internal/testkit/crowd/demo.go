package crowd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"parley/internal/channel/rtm/rtmtest"
)

// App is what a client app holds: the form of demo.json.
type App struct {
	BaseURL  string `json:"base_url"`
	ClientID string `json:"client_id"`
	Secret   string `json:"client_secret"`
	BotName  string `json:"bot_name"`
	BotID    string `json:"bot_id"`
}

// Demo reads demo.json of a data folder.
func Demo(data string) (App, error) {
	var app App
	text, err := os.ReadFile(filepath.Join(data, "demo.json"))
	if err != nil {
		return app, err
	}
	if err := json.Unmarshal(text, &app); err != nil {
		return app, fmt.Errorf("demo.json: %w", err)
	}
	if app.BaseURL == "" || app.ClientID == "" || app.Secret == "" || app.BotID == "" || app.BotName == "" {
		return app, fmt.Errorf("demo.json lacks a field: it has base_url %q, client_id %q, bot_id %q, bot_name %q", app.BaseURL, app.ClientID, app.BotID, app.BotName)
	}
	return app, nil
}

// Client is one person in the app, at the app's address. client may be nil.
func (a App) Client(user string, client *http.Client) *rtmtest.Client {
	return &rtmtest.Client{
		Base: a.BaseURL, App: a.ClientID, Secret: a.Secret, Bot: a.BotID, BotName: a.BotName, User: user, HTTP: client,
	}
}
