package browser_test

import (
	"os"
	"path/filepath"
	"testing"

	"parley/internal/testkit/browser"
	"parley/internal/testkit/program"
	"parley/internal/testkit/wait"
)

func TestDemoPageWhenTheServerGoesAway(t *testing.T) {
	t.Parallel()
	server := parley.Serve(t, program.Options{})
	demo := demoApp(t, server)
	b := browser.Start(t)

	t.Run("a killed server", func(t *testing.T) { testKilled(t, openChat(t, b.For(t), server.URL), server, demo) })
	t.Run("a message written while away outlives its page", func(t *testing.T) {
		testPageGone(t, openChat(t, b.For(t), server.URL), server, demo)
	})
	t.Run("a lost acknowledgement", func(t *testing.T) { testLostAck(t, b.For(t), server, demo) })
	t.Run("what others said while away", func(t *testing.T) { testOthersMeanwhile(t, b.For(t), server, demo) })
	t.Run("the demo makes room for a real app", func(t *testing.T) { testDemoGone(t, b.For(t), server) })
}

func (c chat) waitAway() {
	c.t.Helper()
	c.Wait(`document.querySelector("#status").dataset.state === "away"`, soon, "the page to notice")
	c.WaitText("#status", soon, "what you write is kept")
}

// write types a message that nobody can take now.
func (c chat) write(text string) {
	c.t.Helper()
	c.Type("#text", text+"\r")
	c.WaitText("#log .mine:last-child .note", soon, "not sent yet")
}

func (c chat) waitSent() {
	c.t.Helper()
	c.Wait(`document.querySelector("#log .mine") && !document.querySelector("#log .note")`, later, "everything to be sent")
}

func testKilled(t *testing.T, c chat, server *program.Server, demo app) {
	c.say("Hi")
	server.Kill()
	c.waitAway()
	c.write("first while away")
	c.write("second while away")
	c.Screenshot("demo-away")
	server.Start()
	c.waitSent()
	c.ready()
	v := arrive(t, demo, server.URL, c.visitor())
	c.waitTheirs(4)
	c.sameAsLog(v)
	c.say("Hi")
	c.sameAsLog(v)
}

func testPageGone(t *testing.T, c chat, server *program.Server, demo app) {
	c.say("Hi")
	server.Kill()
	c.waitAway()
	c.write("kept over a reload")
	c.Go("about:blank")
	server.Start()
	c.reload(server.URL)
	c.waitSent()
	v := arrive(t, demo, server.URL, c.visitor())
	c.waitTheirs(3)
	c.sameAsLog(v)
	if n := v.count("kept over a reload"); n != 1 {
		t.Errorf("the server holds the message %d times, want once", n)
	}
}

func testLostAck(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app) {
	wire := newCable(t, server.Addr)
	c := openChat(t, tabs, wire.URL)
	v := arrive(t, demo, server.URL, c.visitor())
	wire.Deafen()
	c.write("acknowledged in vain")
	wait.For(t, soon, func() bool { return v.count("acknowledged in vain") > 0 }, "the message on the server")
	wire.Cut()
	c.waitAway()
	wire.Mend()
	c.waitSent()
	c.ready()
	c.waitTheirs(2)
	c.sameAsLog(v)
	if n := v.count("acknowledged in vain"); n != 1 {
		t.Errorf("the server holds the message %d times, want once", n)
	}
}

func testOthersMeanwhile(t *testing.T, tabs *browser.Tabs, server *program.Server, demo app) {
	wire := newCable(t, server.Addr)
	c := openChat(t, tabs, wire.URL)
	c.say("Hi")
	v := arrive(t, demo, server.URL, c.visitor())
	wire.Cut()
	c.waitAway()
	v.sayAll(numbered(3, "from another tab")...)
	wire.Mend()
	c.ready()
	c.waitTheirs(5)
	c.sameAsLog(v)
	v.sayAll("seen live")
	c.waitTheirs(6)
	c.sameAsLog(v)
}

const realApp = `
assistants:
  helper:
    kind: flow
    definition: helper.flow.yaml
channels:
  website:
    type: rtm
    assistant: helper
    bot: { name: Real }
`

const realFlow = `
flow: 1
languages: [en]
welcome:
  say: "Welcome to the real thing."
not_understood:
  say: "Noted."
`

// applyRealApp puts the owner's first app in place, which ends the demo, and
// returns what the command printed.
func applyRealApp(t *testing.T, server *program.Server, catalog string) program.Result {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"catalog.yaml": catalog, "helper.flow.yaml": realFlow} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := parley.Run(t, nil, "apply", "-f", filepath.Join(dir, "catalog.yaml"), "--data", server.Data)
	if r.Code != 0 {
		t.Fatalf("parley apply: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	return r
}

func testDemoGone(t *testing.T, tabs *browser.Tabs, server *program.Server) {
	open := openChat(t, tabs, server.URL)
	applyRealApp(t, server, realApp)
	open.WaitText("#status", later, "the demo is gone")
	fresh := tabs.Open(server.URL + "/")
	fresh.WaitText("#status", soon, "the demo is gone")
	fresh.Screenshot("demo-gone")
	for _, p := range []*browser.Page{open.Page, fresh} {
		if !browser.Eval[bool](p, `document.querySelector("#form").inert`) {
			t.Error("the page still offers to write to a demo that is gone")
		}
	}
}
