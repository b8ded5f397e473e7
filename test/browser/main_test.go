// Package browser_test runs the whole program against real browsers: the demo
// page, and the web SDK that customers have in their pages today.
package browser_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/testkit/program"
)

const (
	// soon bounds what takes milliseconds on a quiet machine.
	soon = time.Minute
	// later bounds what a client's own back-off delays.
	later = 3 * time.Minute
)

var parley program.Binary

func TestMain(m *testing.M) { os.Exit(parley.Main(m)) }

// app is what an integrator knows of an app, as DATA/demo.json tells it.
type app struct {
	BaseURL      string `json:"base_url"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	BotName      string `json:"bot_name"`
	BotID        string `json:"bot_id"`
}

func demoApp(t *testing.T, s *program.Server) app {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a app
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("demo.json: %v", err)
	}
	if a.ClientID == "" || a.ClientSecret == "" || a.BotID == "" || a.BaseURL != s.URL {
		t.Fatalf("demo.json = %s, want all values and the base address %s", text, s.URL)
	}
	return a
}
