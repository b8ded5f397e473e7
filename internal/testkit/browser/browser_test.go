package browser

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/testkit/wait"
)

const pageText = `<!doctype html>
<title>A page</title>
<link rel="icon" href="data:,">
<input id="name"><button id="greet">Greet</button><p id="out"></p>
<x-box></x-box>
<script>
const out = document.getElementById("out");
document.getElementById("greet").onclick = (e) => {
	if (!e.isTrusted) throw new Error("not a real click");
	setTimeout(() => out.textContent = "Hello, " + document.getElementById("name").value, 30);
};
customElements.define("x-box", class extends HTMLElement {
	connectedCallback() {
		this.attachShadow({mode: "open"}).innerHTML = "<button>inside</button>";
		this.shadowRoot.querySelector("button").onclick = () => out.textContent = "from the shadow";
	}
});
</script>`

const brokenText = `<!doctype html>
<title>A broken page</title>
<link rel="icon" href="data:,">
<script>
console.log("fine");
console.error("this", 7, new Error("failed"));
new WebSocket("ws://" + location.host + "/socket");
setTimeout(() => { document.title = "done"; throw new TypeError("uncaught"); });
</script>
<img src="/missing.png"><img src="http://remote.example/pixel.png">`

// within bounds what takes milliseconds on a quiet machine.
const within = time.Minute

func site(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte(text))
		}
	}
	mux.HandleFunc("GET /{$}", page(pageText))
	mux.HandleFunc("GET /broken", page(brokenText))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestBrowser(t *testing.T) {
	server := site(t)
	b := Start(t)

	t.Run("a person's actions", func(t *testing.T) {
		p := b.For(t).Open(server.URL + "/")
		p.Type("#name", "Ana")
		p.Click("#greet")
		p.WaitText("#out", within, "Hello, Ana")
		if got := p.Text("#out"); got != "Hello, Ana" {
			t.Errorf("Text = %q, want Hello, Ana", got)
		}
		p.Click("x-box >>> button")
		p.Wait(`document.querySelector("#out").textContent === "from the shadow"`, within, "the click in the shadow root")
		p.NoErrors()
		if diff := cmp.Diff([]string{server.URL + "/"}, p.Requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})

	t.Run("values", func(t *testing.T) {
		p := b.For(t).Open(server.URL + "/")
		if got := Eval[string](p, "document.title"); got != "A page" {
			t.Errorf("title = %q", got)
		}
		if got := Eval[[]int](p, "Promise.resolve([1, 2])"); !cmp.Equal(got, []int{1, 2}) {
			t.Errorf("promise = %v", got)
		}
		p.Resize(390, 844)
		p.Wait("innerWidth === 390", within, "the page to have its new size")
	})

	t.Run("pages share no storage", func(t *testing.T) {
		tabs := b.For(t)
		Eval[bool](tabs.Open(server.URL+"/"), `localStorage.setItem("who", "first"), document.cookie = "who=first", true`)
		second := tabs.Open(server.URL + "/")
		if got := Eval[string](second, `(localStorage.getItem("who") ?? "") + document.cookie`); got != "" {
			t.Errorf("the second page sees %q of the first", got)
		}
	})

	t.Run("what goes wrong is told", func(t *testing.T) {
		p := b.For(t).Open(server.URL + "/broken")
		p.Wait(`document.title === "done"`, within, "the page's script")
		// Failed loads are told when they have failed, each at its time.
		told(t, "errors", p.Errors, "console: this 7 Error: failed", "exception: Uncaught TypeError: uncaught", "/missing.png", "remote.example")
		if all := strings.Join(p.Errors(), "\n"); strings.Contains(all, "fine") {
			t.Errorf("console.log counts as an error:\n%s", all)
		}
		told(t, "requests", p.Requests, "http://remote.example/pixel.png", "ws://"+strings.TrimPrefix(server.URL, "http://")+"/socket")
	})

	t.Run("screenshots are kept on request", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "shots")
		p := b.For(t).Open(server.URL + "/")
		t.Setenv(screenshots, dir)
		png := p.Screenshot("page")
		kept, err := os.ReadFile(filepath.Join(dir, "page.png"))
		if err != nil || !bytes.Equal(kept, png) || !bytes.HasPrefix(png, []byte("\x89PNG")) {
			t.Errorf("kept %d bytes (%v), took %d, want the same picture", len(kept), err, len(png))
		}
	})

	t.Run("failures name the action", func(t *testing.T) {
		p := b.For(t).Open(server.URL + "/")
		if _, err := evaluate[int](p, "no.such.thing"); err == nil || !strings.Contains(err.Error(), "ReferenceError") {
			t.Errorf("err = %v, want the page's exception", err)
		}
		rec := &recorder{TB: t}
		p.t = rec
		done := make(chan struct{})
		go func() { defer close(done); p.WaitText("#out", 50*time.Millisecond, "never") }()
		<-done
		if want := `"never" in #out; the last try said: the text of #out is ""`; !strings.Contains(rec.said, want) {
			t.Errorf("said %q, want %q in it", rec.said, want)
		}
	})
}

// told waits until a list holds texts with each of the words in them.
func told(t *testing.T, what string, list func() []string, words ...string) {
	t.Helper()
	wait.Succeed(t, within, func() error {
		all := strings.Join(list(), "\n")
		for _, want := range words {
			if !strings.Contains(all, want) {
				return fmt.Errorf("%s lack %q:\n%s", what, want, all)
			}
		}
		return nil
	}, what+" of the page")
}

func TestMissingChromiumNamesTheRemedy(t *testing.T) {
	_, err := findChromium(func(string) (string, error) { return "", errors.New("not found") })
	if err == nil || !strings.Contains(err.Error(), "apt-get install --no-install-recommends chromium") {
		t.Errorf("err = %v, want the line that installs Chromium", err)
	}
}

// recorder stands in for a test so that its failure can be looked at.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
