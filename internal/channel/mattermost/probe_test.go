package mattermost_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/mattermost"
	"parley/internal/secret"
	"parley/internal/testkit/faultproxy"
	"parley/internal/testkit/mmtest"
)

// written settles what an owner would write.
func written(t *testing.T, settings map[string]any) channel.Configured {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	settled, err := mattermost.Kind{}.Settle("team", raw, nil)
	if err != nil {
		t.Fatalf("settle: %v", err)
	}
	return channel.Configured{ID: settled.ID, Name: "team", Body: settled.Body,
		Secret: func(id string) (string, error) { return settled.Secrets[id], nil }}
}

// tried tests a channel and checks what holds for every list of findings.
func tried(t *testing.T, with channel.Tester, settings map[string]any) []channel.Finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	found := with.Test(ctx, written(t, settings))
	if len(found) == 0 {
		t.Error("nothing was found")
	}
	for _, f := range found {
		if f.Name == "" || f.Text == "" || (f.Level == channel.LevelOK) != (f.Mend == "") {
			t.Errorf("a finding needs a name, a text, and a mend unless all is well: %+v", f)
		}
		for _, key := range []string{"token", "password"} {
			if value, _ := settings[key].(string); value != "" && strings.Contains(f.Text+f.Mend, value) {
				t.Errorf("a secret is shown: %+v", f)
			}
		}
	}
	return found
}

// wants looks for a finding; mend is a part of it.
func wants(t *testing.T, found []channel.Finding, level channel.Level, name, text, mend string) {
	t.Helper()
	for _, f := range found {
		if f.Name == name && f.Level == level && strings.Contains(f.Text, text) && strings.Contains(f.Mend, mend) {
			return
		}
	}
	var all strings.Builder
	for _, f := range found {
		fmt.Fprintf(&all, "\n%s %s: %s | %s", f.Level, f.Name, f.Text, f.Mend)
	}
	t.Errorf("no %s %s with %q and mend %q in:%s", level, name, text, mend, all.String())
}

// alone wants one failure and nothing after it: more questions would fail for
// the same reason.
func alone(t *testing.T, found []channel.Finding, name, text, mend string) {
	t.Helper()
	wants(t, found, channel.LevelFail, name, text, mend)
	if last := found[len(found)-1]; last.Name != name {
		t.Errorf("%s comes after %s", last.Name, name)
	}
}

func without(t *testing.T, found []channel.Finding, names ...string) {
	t.Helper()
	for _, f := range found {
		if slices.Contains(names, f.Name) {
			t.Errorf("unexpected %+v", f)
		}
	}
}

// Everything that a real server can show.
func TestProbe(t *testing.T) {
	s := mmtest.Start(t)
	proxy := faultproxy.New(t, s.URL)
	bot := map[string]any{"server": s.URL, "token": s.Bot.Token}
	with := func(changes map[string]any) map[string]any {
		all := map[string]any{"server": s.URL, "token": s.Bot.Token}
		for k, v := range changes {
			all[k] = v
		}
		return all
	}
	kind := mattermost.Kind{}

	t.Run("well", func(t *testing.T) {
		found := tried(t, kind, bot)
		for _, f := range found {
			if f.Level != channel.LevelOK {
				t.Errorf("%+v", f)
			}
		}
		wants(t, found, channel.LevelOK, "server", "Mattermost 11.", "")
		wants(t, found, channel.LevelOK, "account", "@helperbot, a bot", "")
		wants(t, found, channel.LevelOK, "roles", "no extra role", "")
		wants(t, found, channel.LevelOK, "teams", "1 team: support", "")
		wants(t, found, channel.LevelOK, "rooms", "2 channels (1 private): lobby, secret", "")
		wants(t, found, channel.LevelOK, "websocket", "answers in", "")
		wants(t, found, channel.LevelOK, "clock", "agree", "")
		wants(t, found, channel.LevelOK, "site_url", "same address", "")
		wants(t, found, channel.LevelOK, "callback_not_tried", "not tried", "")
	})
	t.Run("people", func(t *testing.T) {
		wants(t, tried(t, kind, map[string]any{"server": s.URL, "token": s.Alice.Token}), channel.LevelOK, "account", "personal access token", "")
		wants(t, tried(t, kind, map[string]any{"server": s.URL, "user": "alice", "password": s.Alice.Password}), channel.LevelOK, "account", "with a password", "")
	})
	t.Run("credentials", func(t *testing.T) { probeCredentials(t, s) })
	t.Run("rights", func(t *testing.T) {
		b := s.CreateBot(t, "mighty")
		roles := func(roles string) []channel.Finding {
			if err := s.Admin.Do(t.Context(), http.MethodPut, "/users/"+b.ID+"/roles", map[string]any{"roles": roles}, nil); err != nil {
				t.Fatal(err)
			}
			return tried(t, kind, with(map[string]any{"token": b.Token}))
		}
		found := roles("system_user system_post_all")
		wants(t, found, channel.LevelWarn, "role_post_all", "private ones too", "post:all")
		without(t, found, "roles", "role_post_all_public", "role_admin")
		found = roles("system_user system_post_all_public")
		wants(t, found, channel.LevelWarn, "role_post_all_public", "every public channel", "post:channels")
		without(t, found, "roles", "role_post_all")
		wants(t, roles("system_user system_admin"), channel.LevelWarn, "role_admin", "whole server", "mmctl roles member mighty")
	})
	t.Run("places", func(t *testing.T) {
		b := s.CreateBot(t, "newcomer")
		wants(t, tried(t, kind, with(map[string]any{"token": b.Token})), channel.LevelWarn, "rooms", "invited to no channel", "/invite @newcomer")
		s.RemoveFromTeam(t, s.Team.ID, b.ID)
		found := tried(t, kind, with(map[string]any{"token": b.Token}))
		wants(t, found, channel.LevelWarn, "teams", "in no team", "mmctl team users add TEAM newcomer")
		without(t, found, "rooms")
	})
	t.Run("rooms that are named", func(t *testing.T) {
		s.Admin.CreateChannel(t, s.Team.ID, mmtest.Public, "elsewhere")
		answer := map[string]any{"answer": "always"}
		found := tried(t, kind, with(map[string]any{"rooms": map[string]any{
			"lobby": answer, "lob*": answer, "elsewhere": answer, "loby": answer, "dev-*": answer}}))
		wants(t, found, channel.LevelWarn, "room_settings", `there is a channel "elsewhere"`, "/invite @helperbot")
		wants(t, found, channel.LevelWarn, "room_settings", `no channel "loby"`, "correct the name")
		wants(t, found, channel.LevelWarn, "room_settings", `pattern "dev-*"`, "correct the pattern")
		for _, f := range found {
			if f.Name == "room_settings" && strings.Contains(f.Text, `"lob`) && !strings.Contains(f.Text, "loby") {
				t.Errorf("%+v", f)
			}
		}
	})
	t.Run("alerts", func(t *testing.T) {
		wants(t, tried(t, kind, with(map[string]any{"alerts": "support/lobby"})), channel.LevelOK, "alerts", "support/lobby", "")
		wants(t, tried(t, kind, with(map[string]any{"alerts": "elsewhere"})), channel.LevelFail, "alerts", "nowhere", "/invite @helperbot")
		wants(t, tried(t, kind, with(map[string]any{"alerts": "sales/lobby"})), channel.LevelFail, "alerts", `team "sales"`, "correct alerts")
	})
	t.Run("settings of the server", func(t *testing.T) {
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableBotAccountCreation": false, "SiteURL": "https://chat.example.com/"}})
		found := tried(t, kind, bot)
		wants(t, found, channel.LevelWarn, "bot_accounts", "goes on working", "EnableBotAccountCreation")
		wants(t, found, channel.LevelWarn, "site_url", "https://chat.example.com,", "Site URL")
		without(t, tried(t, kind, with(map[string]any{"token": s.Alice.Token})), "bot_accounts")
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableBotAccountCreation": true, "SiteURL": s.URL}})
	})
	t.Run("rate limit", func(t *testing.T) {
		proxy.Next(1, faultproxy.To("GET", "/api/v4/users/me"), faultproxy.Answer(200,
			http.Header{"X-Ratelimit-Limit": {"101"}, "X-Ratelimit-Remaining": {"99"}, "Content-Type": {"application/json"}},
			`{"id":"`+s.Bot.ID+`","username":"helperbot","is_bot":true,"roles":"system_user"}`))
		wants(t, tried(t, kind, with(map[string]any{"server": proxy.URL})), channel.LevelOK, "rate_limit", "101 at once", "")
		rule := proxy.On(faultproxy.To("GET", "/api/v4/system/ping"), faultproxy.Answer(429, http.Header{"Retry-After": {"60"}}, "limit exceeded"))
		defer rule.Lift()
		alone(t, tried(t, kind, with(map[string]any{"server": proxy.URL})), "rate_limit", "too many requests", "Rate Limiting")
	})
	t.Run("clock", func(t *testing.T) {
		for _, test := range []struct {
			by   time.Duration
			text string
		}{{150 * time.Second, "is 2m"}, {-150 * time.Second, "s ahead of"}} { // less what asking takes
			later := mattermost.NewProber(mattermost.ProbeOptions{CallbackBase: func() string { return "" }, Now: func() time.Time { return time.Now().Add(test.by) }})
			wants(t, tried(t, later, bot), channel.LevelWarn, "clock", test.text, "NTP")
		}
	})
	t.Run("server", func(t *testing.T) {
		ping := faultproxy.To("GET", "/api/v4/system/ping")
		well := http.Header{"Content-Type": {"application/json"}, "X-Version-Id": {"8.1.0.8.1.0.abc.false"}}
		for _, test := range []struct {
			name   string
			answer faultproxy.Fault
			level  channel.Level
			found  string
			text   string
			mend   string
		}{
			{"old", faultproxy.Answer(200, well, `{"status":"OK"}`), channel.LevelWarn, "version", "Mattermost 8", "update"},
			{"ill", faultproxy.Answer(200, well, `{"status":"OK","database_status":"UNHEALTHY"}`), channel.LevelWarn, "server_trouble", "database", "Server Logs"},
			{"proxy alone", faultproxy.Answer(502, http.Header{"Content-Type": {"text/html"}}, "<h1>Bad Gateway</h1>"), channel.LevelFail, "server_trouble", "502", "start Mattermost"},
			{"broken off", faultproxy.LoseRequest(), channel.LevelFail, "network", "cannot be reached", "network"},
		} {
			t.Run(test.name, func(t *testing.T) {
				rule := proxy.On(ping, test.answer)
				defer rule.Lift()
				wants(t, tried(t, kind, with(map[string]any{"server": proxy.URL})), test.level, test.found, test.text, test.mend)
			})
		}
	})
	t.Run("websocket", func(t *testing.T) { probeSockets(t, s, proxy) })
	t.Run("callback", func(t *testing.T) { probeCallback(t, s) })
}

func probeCredentials(t *testing.T, s *mmtest.Server) {
	kind := mattermost.Kind{}
	token := func(token string) map[string]any { return map[string]any{"server": s.URL, "token": token} }
	login := func(user, password string) map[string]any {
		return map[string]any{"server": s.URL, "user": user, "password": password}
	}
	alone(t, tried(t, kind, token("nonsense-nonsense-nonsense")), "token", "does not accept the token", "Bot Accounts")
	b := s.CreateBot(t, "shortlived")
	s.DisableBot(t, b)
	alone(t, tried(t, kind, token(b.Token)), "token", "disabled", "mmctl bot enable")
	s.EnableBot(t, b)
	s.RevokeToken(t, b)
	alone(t, tried(t, kind, token(b.Token)), "token", "revoked", "mmctl token generate")

	alone(t, tried(t, kind, login("shortlived", "Guess-1-guess")), "bot_login", "bots cannot log in", "token")
	s.CreateUser(t, "carol")
	alone(t, tried(t, kind, login("carol", "Guess-1-guess")), "password", "wrong", "do not guess")
	alone(t, tried(t, kind, login("nobody-at-all", "Guess-1-guess")), "password", "nobody says which", "correct user and password")
	s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"MaximumLoginAttempts": 2}})
	tried(t, kind, login("carol", "Guess-2-guess"))
	alone(t, tried(t, kind, login("carol", "Guess-3-guess")), "locked", "refuses the right password too", "mmctl user change-password carol")
	s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"MaximumLoginAttempts": 10}})
	dave := s.CreateUser(t, "dave")
	s.SetActive(t, dave, false)
	alone(t, tried(t, kind, login("dave", dave.Password)), "deactivated", "deactivated", "mmctl user activate dave")

	probeSecondFactor(t, s)
	// What the server says is in its reader's language, and is not shown.
	proxy := faultproxy.New(t, s.URL)
	proxy.On(faultproxy.To("POST", "/api/v4/users/login"), faultproxy.Answer(401, http.Header{"Content-Type": {"application/json"}},
		`{"id":"mfa.validate_token.authenticate.app_error","message":"Jeton invalide","status_code":401}`))
	found := tried(t, kind, map[string]any{"server": proxy.URL, "user": "alice", "password": s.Alice.Password})
	alone(t, found, "second_factor", "second factor", "mmctl user resetmfa alice")
	for _, f := range found {
		if strings.Contains(f.Text, "Jeton") {
			t.Errorf("the server's translated text is shown: %+v", f)
		}
	}
}

// probeSecondFactor gives an account a second factor.
func probeSecondFactor(t *testing.T, s *mmtest.Server) {
	s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"EnableMultifactorAuthentication": true}})
	erin := s.CreateUser(t, "erin")
	var made struct {
		Secret string `json:"secret"`
	}
	if err := erin.Do(t.Context(), http.MethodPost, "/users/"+erin.ID+"/mfa/generate", nil, &made); err != nil {
		t.Fatal(err)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(made.Secret, "="))
	if err != nil {
		t.Fatal(err)
	}
	// The code of RFC 6238: 30 seconds, 6 digits.
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff % 1_000_000
	if err := erin.Do(t.Context(), http.MethodPut, "/users/"+erin.ID+"/mfa", map[string]any{"activate": true, "code": fmt.Sprintf("%06d", code)}, nil); err != nil {
		t.Fatal(err)
	}
	found := tried(t, mattermost.Kind{}, map[string]any{"server": s.URL, "user": "erin", "password": erin.Password})
	alone(t, found, "second_factor", "a program cannot give", "mmctl user resetmfa erin")
}

func probeSockets(t *testing.T, s *mmtest.Server, proxy *faultproxy.Proxy) {
	kind := mattermost.Kind{}
	behind := map[string]any{"server": proxy.URL, "token": s.Bot.Token}
	for _, test := range []struct {
		status int
		mend   string
	}{{400, "Upgrade and Connection"}, {403, "Origin"}, {426, "proxy_set_header Upgrade"}, {502, "/api/v4/websocket"}} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			rule := proxy.On(faultproxy.Upgrades, faultproxy.Answer(test.status, nil, "no"))
			defer rule.Lift()
			found := tried(t, kind, behind)
			wants(t, found, channel.LevelFail, "websocket_refused", fmt.Sprint("status ", test.status), test.mend)
			wants(t, found, channel.LevelWarn, "site_url", s.URL, "Site URL") // the rest is tried all the same
		})
	}
	t.Run("cut", func(t *testing.T) {
		rule := proxy.On(faultproxy.Upgrades, faultproxy.LoseRequest())
		defer rule.Lift()
		wants(t, tried(t, kind, behind), channel.LevelFail, "websocket_refused", "does not open", "network")
	})
	// These wait for what does not come, so they wait together.
	for _, test := range []struct {
		name       string
		silence    faultproxy.Direction
		text, mend string
	}{{"silent", faultproxy.ToClient, "stays silent", "proxy_buffering off"}, {"deaf", faultproxy.ToServer, "answers nothing", "unbuffered"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			own := faultproxy.New(t, s.URL)
			own.Silence(test.silence)
			found := tried(t, kind, map[string]any{"server": own.URL, "token": s.Bot.Token})
			wants(t, found, channel.LevelFail, "websocket_silent", test.text, test.mend)
		})
	}
}

// testSigner signs with a fresh key.
func testSigner(t *testing.T) *secret.Signer {
	t.Helper()
	box, err := secret.NewBox(secret.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewSigner(box)
}

func probeCallback(t *testing.T, s *mmtest.Server) {
	bot := map[string]any{"server": s.URL, "token": s.Bot.Token}
	base := ""
	prober := mattermost.NewProber(mattermost.ProbeOptions{CallbackBase: func() string { return base }, Signer: testSigner(t)})
	mux := http.NewServeMux()
	mux.Handle(mattermost.ProbePath, prober.Handler())
	here := httptest.NewServer(mux)
	defer here.Close()

	wants(t, tried(t, prober, bot), channel.LevelWarn, "callback", "does not know the address", "public_url")
	base = here.URL
	wants(t, tried(t, prober, bot), channel.LevelOK, "callback", "buttons work", "")
	wants(t, tried(t, prober, map[string]any{"server": s.URL, "token": s.Alice.Token}), channel.LevelOK, "callback_not_tried", "not tried", "")

	// Nothing is left behind that anybody sees.
	var dm struct {
		ID string `json:"id"`
	}
	if err := s.Bot.Do(t.Context(), http.MethodPost, "/channels/direct", []string{s.Bot.ID, s.Bot.ID}, &dm); err != nil {
		t.Fatal(err)
	}
	var left struct {
		Order []string `json:"order"`
	}
	if err := s.Bot.Do(t.Context(), http.MethodGet, "/channels/"+dm.ID+"/posts", nil, &left); err != nil || len(left.Order) != 0 {
		t.Errorf("posts %v are left, error %v", left.Order, err)
	}

	t.Run("filter", func(t *testing.T) {
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"AllowedUntrustedInternalConnections": ""}})
		wants(t, tried(t, prober, bot), channel.LevelWarn, "callback", "cannot call Parley at "+here.URL,
			`AllowedUntrustedInternalConnections "127.0.0.1"`)
		s.PatchConfig(t, map[string]any{"ServiceSettings": map[string]any{"AllowedUntrustedInternalConnections": "127.0.0.0/8"}})
		wants(t, tried(t, prober, bot), channel.LevelOK, "callback", "buttons work", "")
	})
	t.Run("somebody else", func(t *testing.T) {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
		defer other.Close()
		base = other.URL
		wants(t, tried(t, prober, bot), channel.LevelWarn, "callback", "something else", "public_url")
	})
	t.Run("another Parley", func(t *testing.T) {
		stranger := mattermost.NewProber(mattermost.ProbeOptions{CallbackBase: func() string { return base }, Signer: testSigner(t)})
		other := httptest.NewServer(stranger.Handler())
		defer other.Close()
		base = other.URL
		wants(t, tried(t, prober, bot), channel.LevelWarn, "callback", "cannot call Parley", "curl -i")
	})
	t.Run("nobody", func(t *testing.T) {
		gone := httptest.NewServer(http.NotFoundHandler())
		gone.Close()
		base = gone.URL
		wants(t, tried(t, prober, bot), channel.LevelWarn, "callback", "words beside them work", "healthz")
	})
}

// What calls the handler without being asked learns nothing.
func TestProbeHandler(t *testing.T) {
	signer := testSigner(t)
	prober := mattermost.NewProber(mattermost.ProbeOptions{CallbackBase: func() string { return "" }, Signer: signer})
	call := func(method, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		prober.Handler().ServeHTTP(w, httptest.NewRequest(method, mattermost.ProbePath, strings.NewReader(body)))
		return w
	}
	probe := func(purpose string, expires time.Time) string {
		return `{"context":{"probe":"` + signer.Sign(purpose, []byte("nonce"), expires) + `"}}`
	}
	later := time.Now().Add(time.Minute)
	for _, test := range []struct {
		name, method, body string
		status             int
	}{
		{"ours", "POST", probe("mattermost probe", later), 200},
		{"get", "GET", "", 405},
		{"empty", "POST", "", 403},
		{"no JSON", "POST", "payload=1", 403},
		{"no token", "POST", `{"context":{}}`, 403},
		{"forged", "POST", `{"context":{"probe":"AAAA"}}`, 403},
		{"of another kind", "POST", probe("mattermost button", later), 403},
		{"the proof itself", "POST", probe("mattermost probe proof", later), 403},
		{"expired", "POST", probe("mattermost probe", time.Now().Add(-time.Second)), 403},
		{"too long", "POST", `{"context":{"probe":"` + strings.Repeat("A", 20<<10) + `"}}`, 413},
	} {
		if w := call(test.method, test.body); w.Code != test.status {
			t.Errorf("%s: status %d, want %d: %s", test.name, w.Code, test.status, w.Body)
		}
	}
}
