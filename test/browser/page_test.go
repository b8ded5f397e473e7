package browser_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"parley/internal/testkit/browser"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"
)

// chat is the demo page, open.
type chat struct {
	*browser.Page
	t *testing.T
}

// openChat opens the page and waits until it has shown what there is.
func openChat(t *testing.T, tabs *browser.Tabs, url string) chat {
	t.Helper()
	c := chat{tabs.Open(url + "/"), t}
	c.ready()
	return c
}

func (c chat) ready() {
	c.t.Helper()
	c.Wait(`document.querySelector("#status").dataset.state === "open"`, soon, "the connection")
	c.Wait(`document.querySelector("#log .entry")`, soon, "the first entry")
}

func (c chat) reload(url string) {
	c.t.Helper()
	c.Go(url + "/")
	c.ready()
}

// visitor is who the page made of its reader.
func (c chat) visitor() string {
	c.t.Helper()
	return browser.Eval[string](c.Page, `localStorage.getItem("parley.visitor")`)
}

const (
	mineBubbles  = "#log .mine .bubble"
	theirBubbles = "#log .entry:not(.mine, .typing) .bubble"
)

// mine are the visitor's own words on the page, oldest first.
func (c chat) mine() []string {
	c.t.Helper()
	return browser.Eval[[]string](c.Page, `[...document.querySelectorAll("`+mineBubbles+`")].map(e => e.textContent)`)
}

// theirs counts what others said.
func (c chat) theirs() int {
	c.t.Helper()
	return browser.Eval[int](c.Page, `document.querySelectorAll("`+theirBubbles+`").length`)
}

// say writes as a person does, and waits for the answer.
func (c chat) say(text string) {
	c.t.Helper()
	before := c.theirs()
	c.Type("#text", text+"\r")
	c.waitTheirs(before + 1)
}

func (c chat) waitTheirs(n int) {
	c.t.Helper()
	c.Wait(fmt.Sprintf(`document.querySelectorAll("%s").length >= %d`, theirBubbles, n), soon, "answer "+strconv.Itoa(n))
}

// sameAsLog fails unless the page shows exactly what the server holds.
func (c chat) sameAsLog(v *visitor) {
	c.t.Helper()
	var mine []string
	theirs := 0
	for _, s := range v.history() {
		if s.Type == "incoming" {
			mine = append(mine, s.shown())
		} else {
			theirs++
		}
	}
	if diff := cmp.Diff(mine, c.mine()); diff != "" {
		c.t.Errorf("own messages, on the server - and on the page +:\n%s", diff)
	}
	if got := c.theirs(); got != theirs {
		c.t.Errorf("the page shows %d answers, the server holds %d", got, theirs)
	}
}

func TestDemoPage(t *testing.T) {
	t.Parallel()
	server := parley.Serve(t, program.Options{})
	demo := demoApp(t, server)
	b := browser.Start(t)

	t.Run("a talk", func(t *testing.T) { testTalk(t, openChat(t, b.For(t), server.URL), server.URL, demo) })
	t.Run("a long history", func(t *testing.T) { testLongHistory(t, b.For(t), server.URL, demo) })
	t.Run("keyboard only", func(t *testing.T) { testKeyboard(t, openChat(t, b.For(t), server.URL)) })
	t.Run("hostile text", func(t *testing.T) { testHostileText(t, openChat(t, b.For(t), server.URL), server.URL) })
	t.Run("a hostile name", func(t *testing.T) { testHostileName(t, b.For(t)) })
	t.Run("a telephone", func(t *testing.T) { testTelephone(t, openChat(t, b.For(t), server.URL)) })
	t.Run("a new visitor", func(t *testing.T) { testNewVisitor(t, openChat(t, b.For(t), server.URL)) })
}

func testTalk(t *testing.T, c chat, url string, demo app) {
	if n := c.theirs(); n != 1 {
		t.Errorf("%d entries greet a new visitor, want 1", n)
	}
	c.Screenshot("demo-welcome")
	c.say("Hi")
	c.say("buttons")
	title := c.Text(theirBubbles + " .options:not(.quick) button")
	c.clickOption("button", title)
	c.say("quick replies")
	title = c.Text("#log .entry:last-child .quick button")
	c.Resize(820, 860)
	c.Screenshot("demo") // docs/images/demo.png
	c.Resize(1280, 800)
	c.clickOption("quick", title)
	if n := browser.Eval[int](c.Page, `[...document.querySelectorAll(".quick")].filter(e => e.checkVisibility() && !e.closest(".entry:last-child")).length`); n != 0 {
		t.Error("the quick replies are still offered after one was taken")
	}
	v := arrive(t, demo, url, c.visitor())
	c.sameAsLog(v)
	c.reload(url)
	c.sameAsLog(v)
	c.Screenshot("demo-reloaded")
	browser.Eval[bool](c.Page, `(document.documentElement.style.colorScheme = "dark", true)`)
	c.Screenshot("demo-dark")
	if rgb := browser.Eval[[]int](c.Page, `getComputedStyle(document.querySelector("main")).backgroundColor.match(/\d+/g).slice(0, 3).map(Number)`); rgb[0]+rgb[1]+rgb[2] > 300 {
		t.Errorf("the dark page has the background %v", rgb)
	}
	c.NoErrors()
	onlyAsks(t, c.Page, url)
}

// clickOption clicks a button of the newest such entry and waits for the title
// as the visitor's own words and for an answer to it.
func (c chat) clickOption(kind, title string) {
	c.t.Helper()
	mine, theirs := len(c.mine()), c.theirs()
	selector := theirBubbles + " .options:not(.quick) button"
	if kind == "quick" {
		selector = "#log .entry:last-child .quick button"
	}
	c.Click(selector)
	c.waitTheirs(theirs + 1)
	if now := c.mine(); len(now) != mine+1 || now[mine] != title {
		c.t.Errorf("own messages after a click on %q: %q", title, now[mine:])
	}
}

func testLongHistory(t *testing.T, tabs *browser.Tabs, url string, demo app) {
	c := openChat(t, tabs, url)
	v := arrive(t, demo, url, c.visitor())
	v.sayAll(numbered(30, "early")...)
	c.reload(url)
	c.Wait(`document.querySelectorAll("#log .entry").length === 20`, soon, "the newest page alone")
	c.Wait(`(log => log.scrollTop + log.clientHeight >= log.scrollHeight - 2)(document.querySelector("#log"))`, soon, "the end of the talk in view")
	// Offsets count from the newest, which moves while the page is open.
	theirs := c.theirs()
	v.sayAll(numbered(25, "late")...)
	c.waitTheirs(theirs + 25)
	want := len(v.history())
	wait.For(t, later, func() bool {
		return browser.Eval[int](c.Page, `(document.querySelector("#log").scrollTop = 0, document.querySelectorAll("#log .entry").length)`) >= want
	}, "the whole history while scrolling up")
	c.sameAsLog(v)
	c.NoErrors()
}

func testKeyboard(t *testing.T, c chat) {
	active := func() string {
		return browser.Eval[string](c.Page, `(e => e === document.body ? "the browser" : (e.id || e.getAttribute("aria-label") || e.textContent) + (getComputedStyle(e).outlineStyle === "none" ? " without outline" : ""))(document.activeElement)`)
	}
	if got := active(); got != "text" {
		t.Fatalf("the focus is on %q when the page opens, want text", got)
	}
	c.Press("Hi\r")
	c.waitTheirs(2)
	c.Press("buttons\r")
	c.waitTheirs(3)
	if got := active(); got != "text" {
		t.Errorf("the focus is on %q after sending, want text", got)
	}
	option := c.Text(theirBubbles + " .options:not(.quick) button")
	passed := map[string]bool{}
	for range 30 {
		c.Press(kb.Tab)
		at := active()
		passed[at] = true
		if strings.HasSuffix(at, "without outline") {
			t.Errorf("nothing shows that the focus is on %q", at)
		}
		if at == option {
			break
		}
	}
	for _, want := range []string{"Send", "anew", "log", option} {
		if !passed[want] {
			t.Errorf("Tab never reaches %q, only %v", want, passed)
		}
	}
	mine := len(c.mine())
	c.Press("\r")
	c.waitTheirs(4)
	if now := c.mine(); len(now) != mine+1 || now[mine] != option {
		t.Errorf("after Enter on the option %q: %q", option, now[mine:])
	}
	c.NoErrors()
}

func testNewVisitor(t *testing.T, c chat) {
	first := c.visitor()
	c.say("Hi")
	c.Click("#anew")
	c.Wait(`(localStorage.getItem("parley.visitor") ?? "`+first+`") !== "`+first+`"`, soon, "another visitor")
	c.ready()
	if mine := c.mine(); len(mine) != 0 || c.theirs() != 1 {
		t.Errorf("a new visitor sees own messages %q and %d others, want the welcome alone", mine, c.theirs())
	}
	c.NoErrors()
}

func testTelephone(t *testing.T, c chat) {
	c.Resize(390, 844)
	c.say("https://example.com/" + strings.Repeat("a-very-long-path-", 20))
	c.say("buttons")
	c.say("quick replies")
	c.Screenshot("demo-phone")
	if got := browser.Eval[int](c.Page, `Math.max(...[...document.querySelectorAll("html, body, main, header, #log, form")].map(e => e.scrollWidth))`); got > 390 {
		t.Errorf("the page is %d pixels wide on a telephone of 390", got)
	}
	if bad := browser.Eval[[]string](c.Page, `[...document.querySelectorAll("button, textarea, .options a")].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43.9).map(e => e.id || e.textContent)`); len(bad) != 0 {
		t.Errorf("too small for a finger: %q", bad)
	}
	c.NoErrors()
}
