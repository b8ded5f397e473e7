package browser_test

import (
	"net/http"
	"strings"
	"testing"

	"parley/internal/testkit/browser"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// shortLived is an app with ids and a secret of the owner's, as when an
// existing integration moves here, and tokens that live as short as can be.
const shortLived = `
assistants:
  helper:
    kind: flow
    definition: helper.flow.yaml
channels:
  website:
    type: rtm
    assistant: helper
    bot: { id: st-0b1a4f9e-6f0e-4a6e-8d0c-0a4b5c6d7e8f, name: Helper }
    apps:
      - id: cs-1c2b5a0f-7a1f-4b7f-9e1d-1b5c6d7e8f90
        secret: a-secret-that-an-owner-brings-along-0123456789
        token_life: 1m
`

func TestWebSDKWhenItsTokenExpires(t *testing.T) {
	t.Parallel()
	server := parley.Serve(t, program.Options{})
	applyRealApp(t, server, shortLived)
	a := app{
		BaseURL: server.URL, ClientID: "cs-1c2b5a0f-7a1f-4b7f-9e1d-1b5c6d7e8f90", ClientSecret: "a-secret-that-an-owner-brings-along-0123456789",
		BotID: "st-0b1a4f9e-6f0e-4a6e-8d0c-0a4b5c6d7e8f", BotName: "Helper",
	}
	site, wire, b := newSite(t, a), newCable(t, server.Addr), browser.Start(t)
	w := openWindow(t, b.For(t), site.page(a, wire.URL, site.URL+"/jwt", "late"))
	welcome := w.answer(1)
	w.say("Hi")

	// A token granted after the SDK's has run out, so the SDK's has too.
	younger := arrive(t, a, server.URL, "somebody else")
	wait.For(t, later, func() bool { return younger.status("/api/botmessages/rtm?botId="+a.BotID) == http.StatusUnauthorized }, "the token to expire")
	w.say("The socket is still open")
	if n := site.signed.Load(); n != 1 {
		t.Errorf("the SDK asked for %d JWTs while its socket was open, want 1", n)
	}

	n, starts := w.theirs(), w.asked("/api/rtm/start")
	other := arrive(t, a, server.URL, "late")
	wire.Cut()
	other.sayAll("what is said meanwhile")
	wire.Mend()
	w.answer(n + 1)
	w.say("Hi again")
	if got := w.theirs(); got != n+2 {
		t.Errorf("the bot is shown %d times, want %d: %+v", got, n+2, w.lines())
	}
	if got := w.times(false, welcome); got != 1 {
		t.Errorf("the welcome is shown %d times, want once", got)
	}
	if got := site.signed.Load(); got != 2 {
		t.Errorf("the SDK asked for %d JWTs, want 2", got)
	}
	if got := w.asked("/api/rtm/start") - starts; got > 8 {
		t.Errorf("%d requests and preflights of rtm/start after one lost connection", got)
	}
	if last := w.lastSocket(); !strings.Contains(last, "isReconnect=true") {
		t.Errorf("the SDK opened %s, want a reconnect", last)
	}
}

// lastSocket is the address of the newest socket.
func (w window) lastSocket() string {
	w.t.Helper()
	last := ""
	for _, address := range w.Requests() {
		if strings.HasPrefix(address, "ws:") {
			last = address
		}
	}
	return last
}
