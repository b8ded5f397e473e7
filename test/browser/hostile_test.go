package browser_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"parley/internal/testkit/browser"
	"parley/internal/webui"
)

const hostile = `<img src=x onerror="hacked=1"><script>hacked=1</script>[x](javascript:hacked=1)`

// hostileParts are what an assistant under a stranger's influence might say, in
// every form the page draws.
const hostileParts = `(() => {
	const text = '<img src=x onerror="hacked=1"><svg onload="hacked=1">[x](javascript:hacked=1) [y](data:text/html,<script>hacked=1</script>) **<b onclick="hacked=1">**';
	const button = { type: "web_url", title: text, url: "javascript:hacked=1" };
	return [
		{ type: "text", payload: { text } },
		{ type: "error", payload: { text, color: '"><script>hacked=1</script>' } },
		{ type: "image", payload: { payload: { url: "http://elsewhere.example/pixel.png" }, text } },
		{ type: "image", payload: { payload: { url: "javascript:hacked=1" } } },
		{ type: "template", payload: { payload: { template_type: "button", text, buttons: [button] } } },
		{ type: "template", payload: { payload: { template_type: "quick_replies", text, quick_replies: [{ title: text, payload: text }] } } },
		{ type: "template", payload: { payload: { template_type: "carousel", elements: [{ title: text, subtitle: text, image_url: "http://elsewhere.example/pixel.png", buttons: [button] }] } } },
		{ type: "template", payload: { payload: { template_type: text } } },
		{}, { type: "template" }, { type: "image" },
	];
})()`

func testHostileText(t *testing.T, c chat, url string) {
	c.say(hostile)
	c.reload(url)
	if mine := c.mine(); len(mine) != 1 || mine[0] != hostile {
		t.Errorf("own words %q are shown as %q", hostile, mine)
	}

	drawn := browser.Eval[int](c.Page, `import("/view.js").then(view => {
		const log = document.querySelector("#log");
		for (const part of `+hostileParts+`) log.append(view.component(part, () => {}));
		for (const e of log.querySelectorAll("a, button, b, img, svg")) if (!e.href?.startsWith("http")) e.click?.();
		return log.querySelectorAll(".bubble").length;
	})`)
	if drawn < 11 {
		t.Errorf("%d parts were drawn, want all 11", drawn)
	}
	// What the clicks started has run when a later task runs.
	browser.Eval[bool](c.Page, `new Promise(done => setTimeout(() => requestAnimationFrame(() => done(true)), 100))`)
	if browser.Eval[bool](c.Page, `"hacked" in window`) {
		t.Error("text of others ran as a script")
	}
	if bad := browser.Eval[[]string](c.Page, `[...document.querySelectorAll("#log *")].filter(e =>
		e.matches("script, svg, iframe, [onerror], [onload], [onclick]") || e.matches("a") && !/^https?:/.test(e.href) || e.matches("img") && new URL(e.src).origin !== location.origin).map(e => e.outerHTML)`); len(bad) != 0 {
		t.Errorf("markup of others is in the page: %q", bad)
	}
	onlyAsks(t, c.Page, url)
}

// hostileDemo is a demo whose bot has a hostile name.
type hostileDemo struct{}

func (hostileDemo) App() (webui.DemoApp, bool) {
	return webui.DemoApp{ClientID: "cs-1", BotID: "st-1", BotName: hostile}, true
}

func (hostileDemo) SignJWT(string) (string, error) { return "a.b.c", nil }

func testHostileName(t *testing.T, tabs *browser.Tabs) {
	mux := http.NewServeMux()
	webui.Register(mux, hostileDemo{})
	server := httptest.NewServer(mux)
	defer server.Close()
	p := tabs.Open(server.URL + "/")
	p.WaitText("#name", soon, hostile)
	if browser.Eval[bool](p, `document.querySelector("#name").childElementCount > 0 || "hacked" in window`) {
		t.Error("the bot's name is markup in the page")
	}
	onlyAsks(t, p, server.URL)
	p.Close() // before its server, whose absence it would report
}
