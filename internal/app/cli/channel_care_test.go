package cli

import (
	"strings"
	"testing"
)

// What deleting does depends on who writes there: only rtm has clients.
func TestCutOff(t *testing.T) {
	for typ, want := range map[string]string{
		"rtm": "clients", "mattermost": "bot", "mattermost-webhook": "callback URL", "one of a newer parley": "nobody",
	} {
		if got := cutOff(typ); !strings.Contains(got, want) || (typ != "rtm" && strings.Contains(got, "clients")) {
			t.Errorf("%s: %q, want it to say %s", typ, got, want)
		}
	}
}
