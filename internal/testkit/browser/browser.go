// Package browser drives Debian's Chromium, headless, for tests of pages: the
// dashboard, the widget, and foreign clients pointed at Parley.
//
//	b := browser.Start(t)
//	page := b.Open(server.URL + "/")
//	page.Click("button.send")
//	page.WaitText("ol.log", 5*time.Second, "Hello")
//	page.NoErrors()
//
// The browser reaches 127.0.0.1 and nothing else, so a page that asks for a
// remote asset fails here and shows up in [Page.Requests]. A missing Chromium
// fails the test with the line that installs it.
//
// All methods fail the test when they cannot do what they say, and belong to
// the goroutine that runs the test.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	startWithin = 3 * time.Minute
	stopWithin  = time.Minute
	// actWithin bounds one action, and the wait for its element.
	actWithin = time.Minute

	width, height = 1280, 800
)

// Browser is one running Chromium with a profile of its own.
type Browser struct {
	t   testing.TB
	ctx context.Context
}

// Start starts a browser that ends with the test. A start takes about half a
// second; tests that can should share one through subtests.
func Start(t testing.TB) *Browser {
	t.Helper()
	program, err := findChromium(exec.LookPath)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	alloc, release := chromedp.NewExecAllocator(context.Background(), options(program, home)...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		defer release()
		defer cancel()
		ending, done := context.WithTimeout(ctx, stopWithin)
		defer done()
		if err := chromedp.Cancel(ending); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close Chromium: %v", err)
		}
	})
	// The context of the first call is the life of the browser, so its limit
	// cannot be a deadline.
	late := time.AfterFunc(startWithin, cancel)
	defer late.Stop()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return &Browser{t: t, ctx: ctx}
}

func findChromium(look func(string) (string, error)) (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := look(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium is installed; install it with\n" +
		"    apt-get install --no-install-recommends chromium")
}

// options are the command line. The profile folder is left to chromedp, which
// makes a new one and knows how to delete it while the browser's last
// processes still write there.
func options(program, home string) []chromedp.ExecAllocatorOption {
	return append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // root and containers have none; the pages are ours
		chromedp.DisableGPU,
		chromedp.WindowSize(width, height),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		// Nothing of the user's own browser is read or written.
		chromedp.Env(
			"HOME="+home,
			"XDG_CONFIG_HOME="+filepath.Join(home, "config"),
			"XDG_CACHE_HOME="+filepath.Join(home, "cache"),
			"TZ=UTC",
		),
	)
}

// Open opens a page in a tab of its own, with cookies and storage that no other
// page shares, and returns when it has loaded. The tab closes with the test.
func (b *Browser) Open(url string) *Page {
	b.t.Helper()
	return b.For(b.t).Open(url)
}

// For is the same browser for a subtest: its pages close, and its failures
// count, with t.
func (b *Browser) For(t testing.TB) *Tabs { return &Tabs{browser: b, t: t} }

// Tabs opens pages for one test.
type Tabs struct {
	browser *Browser
	t       testing.TB
}

// Open is [Browser.Open] for the subtest.
func (o *Tabs) Open(url string) *Page {
	o.t.Helper()
	ctx, cancel := chromedp.NewContext(o.browser.ctx, chromedp.WithNewBrowserContext())
	o.t.Cleanup(cancel)
	p := &Page{t: o.t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.record); err != nil {
		o.t.Fatalf("open a tab: %v", err)
	}
	p.Go(url)
	return p
}

// screenshots names the folder that screenshots are kept in; without it none
// is kept.
const screenshots = "PARLEY_SCREENSHOTS"

func keep(name string, png []byte) error {
	dir := os.Getenv(screenshots)
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%s: %w", screenshots, err)
	}
	return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
}
