package browser_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/testkit/browser"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

// TestWebSDK runs the vendor's web SDK 10.1.12, unmodified, in a page that only
// knows other addresses than the vendor's.
func TestWebSDK(t *testing.T) {
	t.Parallel()
	server := parley.Serve(t, program.Options{})
	demo := demoApp(t, server)
	site := newSite(t, demo)
	b := browser.Start(t)

	t.Run("a talk as in the vendor's sample", func(t *testing.T) { testSDKTalk(t, b.For(t), server, demo, site) })
	t.Run("history", func(t *testing.T) { testSDKHistory(t, b.For(t), server, demo, site) })
	t.Run("a base address with a slash", func(t *testing.T) {
		// Integrators write it with and without; the SDK then asks for //api/...
		w := openWindow(t, b.For(t), site.page(demo, server.URL+"/", server.URL+"//api/users/sts", "slash"))
		w.say("Hi")
	})
	t.Run("two tabs", func(t *testing.T) { testSDKTabs(t, b.For(t), server, demo, site) })
	t.Run("a lost connection", func(t *testing.T) { testSDKLostConnection(t, b.For(t), server, demo, site) })
	t.Run("a wrong JWT", func(t *testing.T) { testSDKWrongJWT(t, b.For(t), server, demo, site) })
	t.Run("a killed server", func(t *testing.T) { testSDKServerGone(t, b.For(t), server, demo, site, server.Kill) })
	t.Run("a stopped server", func(t *testing.T) { testSDKServerGone(t, b.For(t), server, demo, site, server.Stop) })
}

func testSDKTalk(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site) {
	// As in the vendor's sample page the demo signs the JWT itself.
	w := openWindow(t, tabs, site.page(demo, server.URL, server.URL+"/api/users/sts", "talker"))
	welcome := w.answer(1)
	w.say("Hi")
	w.say("buttons")

	const button = ".buttonTmplContentChild[type=postback]"
	title := strings.TrimSpace(w.Text(button))
	value := browser.Eval[string](w.Page, `document.querySelector("`+button+`").getAttribute("value")`)
	n := w.theirs()
	w.press(button)
	w.answer(n + 1)
	if w.times(true, title) != 1 {
		t.Errorf("after a click the user does not see %q as their own words: %+v", title, w.lines())
	}

	w.say("quick replies")
	const quick = ".chat-container > li:last-of-type .quickReply"
	reply := strings.TrimSpace(w.Text(quick))
	n = w.theirs()
	w.Screenshot("sdk-talk")
	w.press(quick)
	w.answer(n + 1)
	if w.times(true, reply) != 1 {
		t.Errorf("after a click the user does not see %q as their own words: %+v", reply, w.lines())
	}
	if got := w.times(false, welcome); got != 1 {
		t.Errorf("the welcome is shown %d times, want once", got)
	}

	// The server holds the same talk, and what the click meant.
	all := arrive(t, demo, server.URL, "talker").history()
	if got, want := len(w.lines()), len(all); got != want {
		t.Errorf("the window shows %d messages, the server holds %d:\n%s", got, want, texts(all))
	}
	if log := showConversation(t, server, "talker"); !strings.Contains(log, title+" -> "+value) {
		t.Errorf("no click on %q with the value %q in the conversation:\n%s", title, value, log)
	}
	// Customers' own hooks (JWTAsertion) ask with JSON, which is preflighted.
	if jwt := browser.Eval[string](w.Page, `fetch("`+server.URL+`/api/users/sts", {
		method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ identity: "talker" }),
	}).then(r => r.json()).then(answer => answer.jwt)`); strings.Count(jwt, ".") != 2 {
		t.Errorf("a page elsewhere gets the JWT %q", jwt)
	}
	onlyAsks(t, w.Page, site.URL, server.URL)
	w.noErrors()
}

// showConversation is what an operator sees of a user's conversation.
func showConversation(t *testing.T, server *program.Server, user string) string {
	t.Helper()
	command := func(args ...string) string {
		r := parley.Run(t, nil, append(args, "--data", server.Data)...)
		if r.Code != 0 {
			t.Fatalf("parley %s: exit code %d\n%s", strings.Join(args, " "), r.Code, r.Stderr)
		}
		return r.Stdout
	}
	var list struct {
		Conversations []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(command("conversation", "list", "--search", user, "--json")), &list); err != nil || len(list.Conversations) != 1 {
		t.Fatalf("conversations of %s: %+v (%v), want one", user, list, err)
	}
	return command("conversation", "show", list.Conversations[0].ID)
}

// sameAs fails unless the window shows exactly these items.
func (w window) sameAs(all []said) {
	w.t.Helper()
	var want []shownLine
	for _, s := range all {
		want = append(want, shownLine{Mine: s.Type == "incoming", Text: s.plain()})
	}
	if diff := cmp.Diff(want, w.lines()); diff != "" {
		w.t.Errorf("held by the server - and shown by the SDK +:\n%s", diff)
	}
}

// ownErrors are parts of errors that the SDK brings about itself, whatever the
// server sends: a click on a quick reply scrolls by icons that are not there, and
// a message that comes before its window is drawn looks for a part of it.
var ownErrors = []string{"(reading 'classList')", ".handleImagePreview "}

// noErrors fails the test when the page has met an error of another kind.
func (w window) noErrors() {
	w.t.Helper()
	for _, text := range w.Errors() {
		if !slices.ContainsFunc(ownErrors, func(own string) bool { return strings.Contains(text, own) }) {
			w.t.Errorf("in the page: %s", text)
		}
	}
}

func testSDKHistory(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site) {
	address := site.page(demo, server.URL, site.URL+"/jwt", "historian")
	w := openWindow(t, tabs, address)
	w.say("buttons")
	n := w.theirs()
	w.press(".buttonTmplContentChild[type=postback]")
	w.answer(n + 1)
	w.say("Hi")

	// A short history comes whole and in order. As with the vendor, a page that
	// is loaded anew is welcomed anew.
	v := arrive(t, demo, server.URL, "historian")
	w.Go(address)
	w.ready()
	w.waitSame(v.history())

	// A long one comes by tens while scrolling up.
	v.sayAll(numbered(14, "word")...)
	w.Go(address)
	w.ready()
	all := v.history()
	w.waitSame(all[len(all)-10:])
	for shown := 20; shown-10 < len(all); shown += 10 {
		w.scrollUp(min(shown, len(all)))
	}
	w.waitSame(all)
	w.say("Hi")
	w.noErrors()
}

// waitSame waits until the window shows these items and nothing else.
func (w window) waitSame(all []said) {
	w.t.Helper()
	w.waitLines(len(all))
	w.sameAs(all)
}

func (w window) waitLines(n int) {
	w.t.Helper()
	wait.Succeed(w.t, soon, func() error {
		if lines := w.lines(); len(lines) != n {
			return linesError(lines)
		}
		return nil
	}, "the history in the SDK's window")
}

// scrollUp does what a hand does until the window shows n messages.
func (w window) scrollUp(n int) {
	w.t.Helper()
	wait.Succeed(w.t, soon, func() error {
		browser.Eval[bool](w.Page, `(e => (e.scrollTop = 3, e.scrollTop = 0, true))(document.querySelector(".chat-container"))`)
		if lines := w.lines(); len(lines) < n {
			return linesError(lines)
		}
		return nil
	}, "older messages while scrolling up")
}

func testSDKTabs(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site) {
	address := site.page(demo, server.URL, site.URL+"/jwt", "two tabs")
	first := openWindow(t, tabs, address)
	first.say("Hi")
	second := openWindow(t, tabs, address)
	second.waitLines(4) // with the welcome of the second tab
	first.waitLines(4)
	n := second.theirs()
	first.say("written in the first tab")
	second.answer(n + 1)
	if got := second.times(true, "written in the first tab"); got != 1 {
		t.Errorf("the second tab shows the message %d times, want once: %+v", got, second.lines())
	}
	if got := first.times(true, "written in the first tab"); got != 1 {
		t.Errorf("the first tab shows its own message %d times, want once", got)
	}
	second.say("Hi")
	first.answer(n + 2)
}

func testSDKLostConnection(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site) {
	wire := newCable(t, server.Addr)
	w := openWindow(t, tabs, site.page(demo, wire.URL, site.URL+"/jwt", "unlucky"))
	welcome := w.answer(1)
	w.say("Hi")
	sockets := w.sockets()
	n := w.theirs()

	wire.Cut()
	arrive(t, demo, server.URL, "unlucky").sayAll("what is said meanwhile")
	wire.Mend()
	missed := w.answer(n + 1)

	if got := w.sockets(); got <= sockets {
		t.Errorf("the SDK opened %d sockets before and %d after, want another", sockets, got)
	}
	w.say("Hi")
	if got := w.theirs(); got != n+2 {
		t.Errorf("the bot is shown %d times, want %d: %+v", got, n+2, w.lines())
	}
	if got := w.times(false, missed); got != 1 {
		t.Errorf("the missed answer %q is shown %d times, want once", missed, got)
	}
	if got := w.times(false, welcome); got != 1 {
		t.Errorf("the welcome is shown %d times after a reconnect, want once", got)
	}
	onlyAsks(t, w.Page, site.URL, wire.URL)
}

// sockets counts the sockets the page has opened.
func (w window) sockets() int {
	w.t.Helper()
	return w.asked("/rtm/bot?")
}

// asked counts the page's requests whose address contains part, without the
// preflights that the browser makes of itself.
func (w window) asked(part string) int {
	w.t.Helper()
	n := 0
	for _, address := range w.Requests() {
		if strings.Contains(address, part) {
			n++
		}
	}
	return n
}

func testSDKServerGone(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site, end func()) {
	identity := "survivor of " + t.Name()
	w := openWindow(t, tabs, site.page(demo, server.URL, site.URL+"/jwt", identity))
	welcome := w.answer(1)
	w.say("Hi")
	sockets, n := w.sockets(), w.theirs()
	end()
	server.Start()
	// Another tab of the same user is back first.
	arrive(t, demo, server.URL, identity).sayAll("said before the first tab is back")
	w.answer(n + 1)
	wait.For(t, later, func() bool { return w.sockets() > sockets }, "another socket")
	w.say("Hi")
	if got := w.theirs(); got != n+2 {
		t.Errorf("the bot is shown %d times, want %d: %+v", got, n+2, w.lines())
	}
	if got := w.times(false, welcome); got != 1 {
		t.Errorf("the welcome is shown %d times after a restart, want once", got)
	}
	if got := w.asked("/api/oAuth/token/jwtgrant"); got > 2 {
		t.Errorf("the SDK asked for %d grants, want only the first and its preflight: tokens outlive the server", got)
	}
}

func testSDKWrongJWT(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app, site *site) {
	wrong := demo
	wrong.ClientSecret = "not the secret of this app"
	other := newSite(t, wrong)
	p := tabs.Open(other.page(demo, server.URL, other.URL+"/jwt", "stranger"))
	p.WaitText(".errorMsgBlock.showError", soon, "error verifying the jwt")
	p.Screenshot("sdk-wrong-jwt")
	w := window{p, t}
	before := w.asked(server.URL)
	// W10 retries after 3, 6 and 9 seconds; a loop shows itself in the first.
	quiet(t, 5*time.Second, func() bool { return w.asked(server.URL) < before+3 && w.asked("/jwtgrant") < 5 }, "the SDK asks again and again")
	if text := w.Text(".errorMsgBlock.showError"); strings.Contains(text, "eyJ") {
		t.Errorf("the error shows the token: %s", text)
	}
	onlyAsks(t, p, other.URL, server.URL)
}
