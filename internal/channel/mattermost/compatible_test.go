package mattermost

import (
	"encoding/json"
	"strings"
	"testing"

	"parley/internal/channel"
	"parley/internal/fault"
)

func TestOneChannelPerAccount(t *testing.T) {
	settle := func(name, settings string) channel.Configured {
		t.Helper()
		settled, err := Kind{}.Settle(name, json.RawMessage(settings), nil)
		if err != nil {
			t.Fatal(err)
		}
		return channel.Configured{ID: settled.ID, Name: name, Body: settled.Body, Secret: func(id string) (string, error) { return settled.Secrets[id], nil }}
	}
	const bot, other = "abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"
	first := settle("team", `{"server":"https://mm.example.com","token":"`+bot+`"}`)
	twin := settle("second", `{"server":"https://mm.example.com","token":"`+bot+`"}`)
	resting := twin
	resting.Disabled = true
	cases := []struct {
		name    string
		all     []channel.Configured
		refused bool
	}{
		{"one account twice", []channel.Configured{first, twin}, true},
		{"one of them disabled", []channel.Configured{first, resting}, false},
		{"two accounts", []channel.Configured{first, settle("second", `{"server":"https://mm.example.com","token":"`+other+`"}`)}, false},
		{"two servers", []channel.Configured{first, settle("second", `{"server":"https://other.example.com","token":"`+bot+`"}`)}, false},
		{"one person twice", []channel.Configured{
			settle("team", `{"server":"https://mm.example.com","user":"ann","password":"one"}`),
			settle("second", `{"server":"https://mm.example.com","user":"ann","password":"one"}`),
		}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := Kind{}.Together(c.all)
			if !c.refused {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Message(err), `"second" and "team"`) {
				t.Errorf("error %v", err)
			}
		})
	}
}
