package rtm

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"parley/internal/fault"
)

func levelOf(kind fault.Kind) slog.Level {
	if kind == fault.Internal {
		return slog.LevelError
	}
	return slog.LevelWarn
}

func attr(key, value string) slog.Attr { return slog.String(key, value) }

// owned are the beginnings of the paths this driver answers, unknown ones below
// them with a JSON 404.
var owned = []string{
	"/api/oAuth/", "/api/rtm/", "/api/botmessages/", "/api/websdkthemes/", "/api/attachment/",
	"/api/users/", "/api/botmeta/", "/api/chathistory/", "/api/platform/", "/api/1.1/",
	"/rtm/", "/chatbot/v2/", "/assets/websdkthemes/",
}

// Owns reports whether the driver answers a path. Ask with the path as it came:
// clients write "//api/rtm/start" and "/api//attachment/file", and a redirect,
// the habit of common routers, breaks their POST and preflight.
func Owns(path string) bool {
	path = CleanPath(path)
	for _, prefix := range owned {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// CleanPath turns every run of slashes into one and drops a trailing one.
func CleanPath(path string) string {
	if !strings.Contains(path, "//") && (path == "/" || !strings.HasSuffix(path, "/")) {
		return path
	}
	var b strings.Builder
	b.Grow(len(path))
	for i := range len(path) {
		if path[i] == '/' && i > 0 && path[i-1] == '/' {
			continue
		}
		b.WriteByte(path[i])
	}
	if s := b.String(); len(s) > 1 {
		return strings.TrimSuffix(s, "/")
	}
	return "/"
}

// Handler serves everything [Owns] names. It must get requests before any
// router that redirects paths.
func (d *Driver) Handler() http.Handler {
	routes := map[string]map[string]http.Handler{}
	add := func(method, name string, h handler, paths ...string) {
		for _, p := range paths {
			if routes[p] == nil {
				routes[p] = map[string]http.Handler{}
			}
			routes[p][method] = d.serve(name, h)
		}
	}
	// The mobile SDKs use 1.1 on grant; 1.1 on start is only documented.
	add(http.MethodPost, "grant", d.grant, "/api/oAuth/token/jwtgrant", "/api/1.1/oAuth/token/jwtgrant")
	add(http.MethodPost, "grant", d.anonymousGrant, "/api/oAuth/token/jwtgrant/anonymous", "/api/1.1/oAuth/token/jwtgrant/anonymous")
	add(http.MethodPost, "start", d.start, "/api/rtm/start", "/api/1.1/rtm/start")
	add(http.MethodGet, "socket", d.upgrade, "/rtm/bot")
	add(http.MethodGet, "history", d.history, "/api/botmessages/rtm", "/api/1.1/botmessages/rtm")
	theme, unknown := d.serve("theme", activeTheme), d.serve("unknown", unknownPath)
	return CORS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := CleanPath(r.URL.Path)
		methods, known := routes[path]
		switch {
		case isTheme(path) && r.Method == http.MethodGet:
			theme.ServeHTTP(w, r)
		case !known:
			unknown.ServeHTTP(w, r)
		case methods[r.Method] == nil:
			writeError(w, http.StatusMethodNotAllowed, "this address takes "+strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		default:
			methods[r.Method].ServeHTTP(w, r)
		}
	}))
}

func unknownPath(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.NotFound, "nothing is served at this address")
}

// isTheme matches /api/websdkthemes/{botId}/activetheme.
func isTheme(path string) bool {
	rest, ok := strings.CutPrefix(path, "/api/websdkthemes/")
	bot, last, two := strings.Cut(rest, "/")
	return ok && two && bot != "" && last == "activetheme"
}

// activeTheme answers what web SDK 11.26.0 needs to show its window at all: a
// 404, and an empty object too, leave the page without one.
func activeTheme(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, struct {
		ActiveTheme bool `json:"activeTheme"`
	}{true})
	return nil
}
