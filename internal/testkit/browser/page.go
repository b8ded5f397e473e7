package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"parley/internal/testkit/wait"
)

// Page is one tab.
//
// Elements are named by CSS selectors; " >>> " steps into the shadow root of
// what was found so far, as in "parley-chat >>> button.send". Actions wait up to
// 20 seconds for their element.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	errors   []string
	requests []string
}

// Go loads another address in the page and returns when it has loaded.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Resize gives the page the size of another window in CSS pixels, for example
// that of a telephone.
func (p *Page) Resize(width, height int) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(int64(width), int64(height)))
}

// Eval runs a JavaScript expression in the page and returns its value; of a
// promise, what it resolves to.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	value, err := evaluate[T](p, expression)
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// Wait returns when a JavaScript expression is true in the page.
func (p *Page) Wait(expression string, within time.Duration, what string) {
	p.t.Helper()
	wait.Succeed(p.t, within, func() error {
		ok, err := evaluate[bool](p, "!!("+expression+")")
		if err == nil && !ok {
			err = fmt.Errorf("%s is false", expression)
		}
		return err
	}, what)
}

// WaitText returns when the text of an element contains want.
func (p *Page) WaitText(selector string, within time.Duration, want string) {
	p.t.Helper()
	wait.Succeed(p.t, within, func() error {
		text, err := evaluate[string](p, path(selector)+"?.textContent ?? ''")
		if err == nil && !strings.Contains(text, want) {
			err = fmt.Errorf("the text of %s is %q", selector, text)
		}
		return err
	}, fmt.Sprintf("%q in %s", want, selector))
}

// Text returns the visible text of an element, waiting for it to appear.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return run(p, "read "+selector, chromedp.Text(chromedp.JSPath(path(selector))))
}

// Click clicks an element with the mouse, waiting for it to be visible.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.JSPath(path(selector))))
}

// Type types text into an element with the keyboard. "\r" is the enter key.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.do("type into "+selector, chromedp.SendKeys(chromedp.JSPath(path(selector)), text))
}

// Press types keys into whatever has the focus; names are in chromedp's kb
// package, for example kb.Tab.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do("press keys", chromedp.KeyEvent(keys))
}

// Screenshot takes a picture of the visible part of the page, as PNG, and keeps
// it as NAME.png in the folder that PARLEY_SCREENSHOTS names, if any.
func (p *Page) Screenshot(name string) []byte {
	p.t.Helper()
	png := run(p, "take a screenshot", chromedp.CaptureScreenshot())
	if err := keep(name, png); err != nil {
		p.t.Errorf("keep a screenshot: %v", err)
	}
	return png
}

// Errors returns what went wrong in the page so far: calls of console.error,
// uncaught exceptions, and errors of the browser (failed loads, refused by
// policy).
func (p *Page) Errors() []string {
	p.t.Helper()
	p.settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.errors...)
}

// NoErrors fails the test, and lets it go on, when [Page.Errors] has any.
func (p *Page) NoErrors() {
	p.t.Helper()
	for _, text := range p.Errors() {
		p.t.Errorf("in the page: %s", text)
	}
}

// Requests returns the addresses the page asked for so far, of WebSockets too,
// whether they answered or not. Inline data: addresses are left out.
func (p *Page) Requests() []string {
	p.t.Helper()
	p.settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Close closes the tab before the test ends.
func (p *Page) Close() {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil && !errors.Is(err, context.Canceled) {
		p.t.Errorf("close the tab: %v", err)
	}
}

// settle makes one round trip: what the page reported before it has then been
// recorded.
func (p *Page) settle() {
	p.t.Helper()
	if _, err := evaluate[bool](p, "true"); err != nil {
		p.t.Fatalf("reach the page: %v", err)
	}
}

func (p *Page) do(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, what, action)
}

func run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, actWithin)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return value
}

func evaluate[T any](p *Page, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, actWithin)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// path turns a selector into a JavaScript expression that gives the element or
// null.
func path(selector string) string {
	steps, err := json.Marshal(strings.Split(selector, " >>> "))
	if err != nil {
		panic(err) // strings always encode
	}
	return "(" + string(steps) + ".reduce((from, css) => from && (from.shadowRoot ?? from).querySelector(css), document))"
}

// record keeps what the page reports. The browser's reader calls it, one event
// at a time.
func (p *Page) record(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			p.errors = append(p.errors, "console: "+words(e.Args))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			text += " " + words([]*runtime.RemoteObject{thrown})
		}
		p.errors = append(p.errors, "exception: "+text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.errors = append(p.errors, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			p.requests = append(p.requests, e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		p.requests = append(p.requests, e.URL)
	}
}

// words gives the arguments of a console call as the console shows them.
func words(args []*runtime.RemoteObject) string {
	var said []string
	for _, arg := range args {
		var text string
		switch {
		case json.Unmarshal(arg.Value, &text) == nil:
		case arg.Description != "":
			text = arg.Description
		default:
			text = string(arg.Value)
		}
		said = append(said, text)
	}
	return strings.Join(said, " ")
}
