package webui_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"parley/internal/webui"
)

type demo struct{ gone bool }

func (d demo) App() (webui.DemoApp, bool) {
	return webui.DemoApp{ClientID: "cs-1", BotID: "st-1", BotName: "Demo"}, !d.gone
}

func (d demo) SignJWT(identity string) (string, error) { return "jwt-of-" + identity, nil }

func serve(t *testing.T, d demo, r *http.Request) (int, http.Header, string) {
	t.Helper()
	mux := http.NewServeMux()
	webui.Register(mux, d)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

func ask(body, contentType string) *http.Request {
	r := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/users/sts", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Content-Type", contentType)
	return r
}

const form = "application/x-www-form-urlencoded; charset=UTF-8"

func TestJWTServiceTakesTheFormsOfSDKs(t *testing.T) {
	for _, r := range []*http.Request{
		ask(`{"clientId":"cs-1","clientSecret":"x","identity":"ann@example.com","aud":"","isAnonymous":false}`, "application/json"),
		ask("clientId=cs-1&clientSecret=x&identity=ann%40example.com&aud=&isAnonymous=false", form),
		ask(`{"identity":"ann@example.com"}`, "application/json; charset=utf-8"),
	} {
		code, header, body := serve(t, demo{}, r)
		if code != 200 || strings.TrimSpace(body) != `{"jwt":"jwt-of-ann@example.com"}` || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%d %s", code, body)
		}
	}
}

func TestJWTServiceRefuses(t *testing.T) {
	remote := ask("identity=a", form)
	remote.RemoteAddr = "192.0.2.1:40000"
	rebound := ask("identity=a", form)
	rebound.Host = "evil.example.com"
	proxied := ask("identity=a", form)
	proxied.Header.Set("X-Forwarded-For", "192.0.2.1")
	tests := []struct {
		name string
		r    *http.Request
		d    demo
		code int
		says string
	}{
		{"a peer elsewhere", remote, demo{}, 403, "on this machine"},
		{"a name that was pointed at loopback", rebound, demo{}, 403, "on this machine"},
		{"a proxy on this machine", proxied, demo{}, 403, "on this machine"},
		{"no demo", ask("identity=a", form), demo{gone: true}, 404, "gone"},
		{"another app", ask("identity=a&clientId=cs-2", form), demo{}, 403, "clientId"},
		{"no identity", ask("clientId=cs-1", form), demo{}, 400, "identity"},
		{"a huge identity", ask("identity="+strings.Repeat("x", 300), form), demo{}, 400, "identity"},
		{"broken JSON", ask(`{"identity":`, "application/json"), demo{}, 400, "JSON"},
		{"a huge body", ask("identity="+strings.Repeat("x", 20<<10), form), demo{}, 400, "form"},
	}
	for _, tt := range tests {
		code, _, body := serve(t, tt.d, tt.r)
		var got struct {
			Errors []struct {
				Msg  string
				Code int
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Errors) != 1 {
			t.Errorf("%s: %s", tt.name, body)
			continue
		}
		if code != tt.code || got.Errors[0].Code != tt.code || !strings.Contains(got.Errors[0].Msg, tt.says) {
			t.Errorf("%s: %d %s", tt.name, code, body)
		}
	}
}

func TestPageLoadsNothingFromElsewhere(t *testing.T) {
	code, header, body := serve(t, demo{}, httptest.NewRequest("GET", "/", nil))
	if code != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", code, header)
	}
	for _, ref := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		if strings.Contains(ref[1], "//") {
			t.Errorf("the page refers to %s", ref[1])
		}
		if code, _, _ := serve(t, demo{}, httptest.NewRequest("GET", "/"+ref[1], nil)); code != 200 {
			t.Errorf("%s: %d", ref[1], code)
		}
	}
	files, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := strings.TrimPrefix("/"+f.Name(), "/index.html")
		if code, header, _ := serve(t, demo{}, httptest.NewRequest("GET", "/"+strings.TrimPrefix(path, "/"), nil)); code != 200 || header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d", f.Name(), code)
		}
		b, err := os.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s uses %s", f.Name(), bad)
			}
		}
	}
}

func TestDescription(t *testing.T) {
	code, _, body := serve(t, demo{}, httptest.NewRequest("GET", "/demo.json", nil))
	if code != 200 || strings.Contains(body, "secret") || !strings.Contains(body, `"bot_id":"st-1"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _, body = serve(t, demo{gone: true}, httptest.NewRequest("GET", "/demo.json", nil)); code != 404 {
		t.Errorf("%d %s", code, body)
	}
}
