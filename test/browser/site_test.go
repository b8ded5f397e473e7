package browser_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"parley/internal/testkit/browser"
	"parley/internal/testkit/koresdk"
	"parley/internal/testkit/wait"
)

//go:embed testdata/sdk.html
var sdkPage []byte

// site is a customer's web site, on another origin than Parley: a page with the
// vendor's SDK, and a JWT service of its own.
type site struct {
	URL string
	// signed counts the JWTs that were asked for.
	signed atomic.Int64
}

// newSite serves a site whose JWT service signs with the app's secret.
func newSite(t *testing.T, a app) *site {
	t.Helper()
	s := &site{}
	sdk := koresdk.Bundle(t)
	mux := http.NewServeMux()
	serve := func(contentType string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body) // the page may be closed already
		}
	}
	mux.HandleFunc("GET /{$}", serve("text/html; charset=utf-8", sdkPage))
	mux.HandleFunc("GET /sdk.js", serve("text/javascript; charset=utf-8", sdk))
	// The SDK puts the bot's icon there when it has none.
	mux.HandleFunc("GET /undefined", serve("image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)))
	mux.HandleFunc("POST /jwt", func(w http.ResponseWriter, r *http.Request) {
		s.signed.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"jwt": signJWT(t, a, r.PostFormValue("identity"))})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// page gives the address of the page for a user. api and jwt are what the
// integrator sets as koreAPIUrl (without /api/) and JWTUrl.
func (s *site) page(a app, api, jwt, identity string) string {
	config, err := json.Marshal(map[string]string{
		"api": api, "jwt": jwt, "identity": identity,
		"botName": a.BotName, "botId": a.BotID, "clientId": a.ClientID, "clientSecret": a.ClientSecret,
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return s.URL + "/?config=" + url.QueryEscape(string(config))
}

// window is the SDK's chat window.
type window struct {
	*browser.Page
	t *testing.T
}

// openWindow opens the page and waits until the SDK takes messages.
func openWindow(t *testing.T, tabs *browser.Tabs, address string) window {
	t.Helper()
	w := window{tabs.Open(address), t}
	w.ready()
	return w
}

func (w window) ready() {
	w.t.Helper()
	w.Wait(`document.querySelector(".kore-chat-window .chatInputBox")`, soon, "the SDK's window")
	w.Wait(shownLines+`.some(l => !l.mine)`, soon, "the first message in the SDK's window")
	w.Wait(`getComputedStyle(document.querySelector(".chat-container")).display !== "none"`, soon, "the history in the SDK's window")
}

// shownLines are the messages in the window, in order, each with its text and
// whether it is the user's own.
const shownLines = `[...document.querySelectorAll(".kore-chat-window .chat-container li[id]:is(.fromOtherUsers, .fromCurrentUser)")].map(e => ({
	mine: e.classList.contains("fromCurrentUser"),
	text: (e.querySelector(".messageBubble, .buttonTmplContentHeading, .quickReplyHeading") ?? e).textContent.trim().replaceAll("*", ""),
}))`

type shownLine struct {
	Mine bool   `json:"mine"`
	Text string `json:"text"`
}

func (w window) lines() []shownLine {
	w.t.Helper()
	return browser.Eval[[]shownLine](w.Page, shownLines)
}

// times counts the messages with a text.
func (w window) times(mine bool, text string) int {
	w.t.Helper()
	n := 0
	for _, l := range w.lines() {
		if l.Mine == mine && l.Text == text {
			n++
		}
	}
	return n
}

// theirs counts what the bot said.
func (w window) theirs() int {
	w.t.Helper()
	return browser.Eval[int](w.Page, shownLines+`.filter(l => !l.mine).length`)
}

// say types a message and returns the answer, the next thing the bot says.
func (w window) say(text string) string {
	w.t.Helper()
	before := w.theirs()
	w.Type(".chatInputBox", text+"\r")
	return w.answer(before + 1)
}

// answer waits for the n-th thing the bot says, counted from 1.
func (w window) answer(n int) string {
	w.t.Helper()
	w.waitTheirs(n)
	for _, l := range w.lines() {
		if !l.Mine {
			if n--; n == 0 {
				return l.Text
			}
		}
	}
	w.t.Fatal("an answer has gone from the window")
	return ""
}

func (w window) waitTheirs(n int) {
	w.t.Helper()
	wait.For(w.t, later, func() bool { return w.theirs() >= n }, fmt.Sprintf("%d messages of the bot in the SDK's window", n))
}

// press clicks an element of the window. The SDK scrolls by an animation of
// seconds, so it waits until the element rests in view, on top, while the
// browser draws: on a busy machine frames may be rare.
func (w window) press(selector string) {
	w.t.Helper()
	wait.For(w.t, soon, func() bool {
		return browser.Eval[bool](w.Page, `new Promise(done => {
			const e = document.querySelector("`+selector+`");
			if (!e) return done(false);
			const at = e.getBoundingClientRect(), began = performance.now();
			let frames = 0;
			requestAnimationFrame(function drawn() {
				if (++frames < 6 || performance.now() - began < 100) return requestAnimationFrame(drawn);
				const now = e.getBoundingClientRect();
				const top = document.elementFromPoint(now.left + now.width / 2, now.top + now.height / 2);
				done(e.isConnected && now.top === at.top && (top === e || e.contains(top)));
			});
		})`)
	}, selector+" to rest in view")
	w.Click(selector)
}
