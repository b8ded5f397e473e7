package browser_test

import (
	"strings"
	"testing"

	"parley/internal/testkit/browser"
)

// onlyAsks fails when the page asked for anything outside the origins, each
// like http://127.0.0.1:8080, or their sockets.
func onlyAsks(t *testing.T, p *browser.Page, origins ...string) {
	t.Helper()
	asked := p.Requests()
	if len(asked) == 0 {
		t.Error("the browser reported no request at all")
	}
	for _, address := range asked {
		inside := false
		for _, origin := range origins {
			socket := "ws" + strings.TrimPrefix(origin, "http")
			inside = inside || strings.HasPrefix(address, origin+"/") || strings.HasPrefix(address, socket+"/")
		}
		if !inside {
			t.Errorf("the page asked for %s, outside of %v", address, origins)
		}
	}
}
