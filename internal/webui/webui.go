// Package webui serves the pages Parley brings along: for now the demo page,
// which chats with the demo assistant through the RTM API, and the demo's JWT
// service, without which no client SDK starts.
//
// Both work only while the demo exists, and the JWT service only for programs
// on this machine: it signs for whoever asks.
package webui

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"parley/internal/fault"
)

//go:embed page
var files embed.FS

// DemoApp is what a client needs to chat with the demo assistant.
type DemoApp struct {
	ClientID string
	BotID    string
	BotName  string
}

// Demo is the demo app, while there is one.
type Demo interface {
	// App returns the demo's app; ok is false once the demo is gone.
	App() (app DemoApp, ok bool)
	// SignJWT returns a JWT of the demo's app for identity.
	SignJWT(identity string) (string, error)
}

// contentPolicy lets the page load its own files and talk to its own server,
// nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// JWTPath is where client SDKs ask for a JWT.
const JWTPath = "/api/users/sts"

// Register adds the pages to the mux.
func Register(mux *http.ServeMux, demo Demo) {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	static := http.FileServerFS(page)
	serve := func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		static.ServeHTTP(w, r)
	}
	mux.HandleFunc("GET /{$}", serve)
	for _, f := range pageFiles(page) {
		mux.HandleFunc("GET /"+f, serve)
	}
	mux.HandleFunc("GET /demo.json", func(w http.ResponseWriter, _ *http.Request) { describe(w, demo) })
	mux.HandleFunc("POST "+JWTPath, func(w http.ResponseWriter, r *http.Request) { sign(w, r, demo) })
}

// pageFiles are the names of what the page loads.
func pageFiles(page fs.FS) []string {
	entries, err := fs.ReadDir(page, ".")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "index.html" {
			names = append(names, e.Name())
		}
	}
	return names
}

func describe(w http.ResponseWriter, demo Demo) {
	app, ok := demo.App()
	if !ok {
		refuse(w, http.StatusNotFound, "the demo is gone: this Parley has channels of its own now")
		return
	}
	answer(w, http.StatusOK, map[string]string{"client_id": app.ClientID, "bot_id": app.BotID, "bot_name": app.BotName})
}

// sign is the demo's JWT service, in the forms client SDKs ask one: JSON, or a
// form with the same fields (observed with web SDK 10.1.12 and in the mobile
// SDKs' sources). The client secret they send is not looked at: whoever reaches
// this is on this machine and may chat with the demo.
func sign(w http.ResponseWriter, r *http.Request, demo Demo) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if !local(r) {
		refuse(w, http.StatusForbidden, "the demo's JWT service answers only programs on this machine; your own back end signs JWTs for your apps")
		return
	}
	app, ok := demo.App()
	if !ok {
		refuse(w, http.StatusNotFound, "the demo is gone, and its JWT service with it")
		return
	}
	asked, err := readIdentity(w, r)
	if err != nil {
		refuse(w, fault.HTTPStatus(fault.KindOf(err)), fault.Message(err))
		return
	}
	if asked.ClientID != "" && asked.ClientID != app.ClientID {
		refuse(w, http.StatusForbidden, "clientId: is not the demo's app; your own back end signs JWTs for your apps")
		return
	}
	jwt, err := demo.SignJWT(asked.Identity)
	if err != nil {
		refuse(w, fault.HTTPStatus(fault.KindOf(err)), fault.Message(err))
		return
	}
	answer(w, http.StatusOK, map[string]string{"jwt": jwt})
}

type askedIdentity struct {
	ClientID string `json:"clientId"`
	Identity string `json:"identity"`
}

const maxIdentity = 256

func readIdentity(w http.ResponseWriter, r *http.Request) (askedIdentity, error) {
	var asked askedIdentity
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			return asked, fault.Wrap(err, fault.Invalid, "the body is not the JSON this service takes: clientId and identity, both text")
		}
	} else {
		if err := r.ParseForm(); err != nil {
			return asked, fault.Wrap(err, fault.Invalid, "the body is not a form")
		}
		asked.ClientID, asked.Identity = r.PostForm.Get("clientId"), r.PostForm.Get("identity")
	}
	if asked.Identity == "" || len(asked.Identity) > maxIdentity {
		return asked, fault.Field("identity", "must be 1 to %d bytes long", maxIdentity)
	}
	return asked, nil
}

// local reports whether the request comes from this machine and was meant for
// it: the peer and the name it used are loopback, and no proxy stands between.
// The name is checked because a page elsewhere can point its own name at
// 127.0.0.1.
func local(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"errors": []map[string]any{{"msg": message, "code": status}}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The peer may have left; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(body)
}
