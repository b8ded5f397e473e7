package rtm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parley/internal/channel"
	"parley/internal/channel/rtm"
	"parley/internal/channel/rtm/rtmtest"
)

// checkError holds an error answer against the form clients survive.
func checkError(t *testing.T, resp *http.Response, body string, status int, msg string) {
	t.Helper()
	var e struct {
		Errors []struct {
			Msg  string
			Code json.Number
		}
	}
	dec := json.NewDecoder(strings.NewReader(body))
	if err := dec.Decode(&e); err != nil || len(e.Errors) == 0 {
		t.Fatalf("status %d, body %q has no errors array", resp.StatusCode, body)
	}
	if resp.StatusCode != status || !strings.Contains(body, fmt.Sprintf(`"code":%d`, status)) {
		t.Errorf("status %d body %s, want %d with the code as a number", resp.StatusCode, body, status)
	}
	if !strings.Contains(e.Errors[0].Msg, msg) {
		t.Errorf("msg %q does not say %q", e.Errors[0].Msg, msg)
	}
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("an error without CORS headers is hidden from the page")
	}
}

func TestRefusals(t *testing.T) {
	other := "st-00000000-0000-4000-8000-000000000001"
	off := configure(t, "off", json.RawMessage(`{"bot":{"id":"st-off"},"apps":[{"id":"cs-off","secret":"s"}]}`))
	off.Disabled = true
	k := start(t, nil, configure(t, "website", settings(nil)),
		configure(t, "second", json.RawMessage(`{"bot":{"id":"`+other+`"},"apps":[{"id":"cs-second","secret":"s"}]}`)), off)
	c := k.client("ann")
	good, _ := c.JWT(nil)
	offClient := &rtmtest.Client{App: "cs-off", Secret: "s", User: "ann"}
	offJWT, _ := offClient.JWT(nil)
	grant := func(assertion, bot string) string {
		return fmt.Sprintf(`{"assertion":%q,"botInfo":{"taskBotId":%q},"token":{}}`, assertion, bot)
	}
	token := k.grant("ann")
	bearer := map[string]string{"Authorization": "bearer " + token}
	tests := []struct {
		name, method, path string
		header             map[string]string
		body               string
		status             int
		msg                string
	}{
		{"no jwt", "POST", "/api/oAuth/token/jwtgrant", nil, `{"botInfo":{"taskBotId":"` + botID + `"}}`, 400, "assertion"},
		{"garbage jwt", "POST", "/api/oAuth/token/jwtgrant", nil, grant("x.y.z", botID), 401, "error verifying the jwt: "},
		{"jwe", "POST", "/api/oAuth/token/jwtgrant", nil, grant("a.b.c.d.e", botID), 401, "JWE"},
		{"unknown bot", "POST", "/api/oAuth/token/jwtgrant", nil, grant(good, "st-nobody"), 404, "no such bot"},
		{"bot of another app", "POST", "/api/oAuth/token/jwtgrant", nil, grant(good, other), 403, "may not use"},
		{"bot off", "POST", "/api/oAuth/token/jwtgrant", nil, grant(offJWT, "st-off"), 403, "switched off"},
		{"no bot", "POST", "/api/oAuth/token/jwtgrant", nil, grant(good, ""), 400, "botInfo.taskBotId"},
		{"malformed", "POST", "/api/oAuth/token/jwtgrant", nil, `{"assertion":`, 400, "JSON"},
		{"array", "POST", "/api/oAuth/token/jwtgrant", map[string]string{"Content-Type": "application/json"}, `[1]`, 400, "object"},
		{"deep", "POST", "/api/oAuth/token/jwtgrant", nil, `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400, "JSON"},
		{"large", "POST", "/api/oAuth/token/jwtgrant", nil, `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "larger"},
		{"many fields", "POST", "/api/oAuth/token/jwtgrant", nil, strings.Repeat("a[b][c]=1&", 5000), 413, "fields"},
		{"empty", "POST", "/api/oAuth/token/jwtgrant", nil, ``, 400, "assertion"},
		{"anonymous", "POST", "/api/oAuth/token/jwtgrant/anonymous", nil, `{"assertion":{"issuer":"` + appID + `","subject":"u"}}`, 401, "signed JWT"},
		{"anonymous object", "POST", "/api/oAuth/token/jwtgrant", nil, `{"assertion":{"issuer":"` + appID + `","subject":"u"}}`, 401, "signed JWT"},
		{"start without token", "POST", "/api/rtm/start", nil, `{}`, 401, "bearer"},
		{"start with garbage", "POST", "/api/1.1/rtm/start", map[string]string{"Authorization": "bearer abc"}, `{}`, 401, "token expired"},
		{"start for another bot", "POST", "/api/rtm/start", bearer, `{"botInfo":{"taskBotId":"` + other + `"}}`, 403, "another bot"},
		{"history without token", "GET", "/api/botmessages/rtm?botId=" + botID, nil, ``, 401, "bearer"},
		{"history of another bot", "GET", "/api/botmessages/rtm?botId=" + other, bearer, ``, 403, "botId"},
		{"socket without upgrade", "GET", "/rtm/bot?sid=x", nil, ``, 400, "WebSocket"},
		{"upload", "POST", "/api/1.1/attachment/file/token", bearer, ``, 404, "nothing"},
		{"push", "POST", "/api/users/u-1/sdknotifications/subscribe", bearer, ``, 404, "nothing"},
		{"webhook mode", "POST", "/chatbot/v2/webhook/" + botID, bearer, ``, 404, "nothing"},
		{"no theme", "GET", "/api/websdkthemes/x/other", nil, ``, 404, "nothing"},
		{"grant with GET", "GET", "/api/oAuth/token/jwtgrant", nil, ``, 405, "POST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := k.do(tt.method, tt.path, tt.header, tt.body)
			checkError(t, resp, body, tt.status, tt.msg)
			if strings.Contains(body, good) || strings.Contains(body, secret1) {
				t.Errorf("a secret is in the answer: %s", body)
			}
		})
	}
}

func TestUnauthorizedSaysHTTPStatus(t *testing.T) {
	k := start(t, nil)
	if _, body := k.do("GET", "/api/botmessages/rtm?botId="+botID, nil, ""); !strings.Contains(body, `"httpStatus":"401"`) {
		t.Errorf("uploads look at httpStatus: %s", body)
	}
}

func TestPaths(t *testing.T) {
	k := start(t, nil)
	c := k.client("ann")
	signed, _ := c.JWT(nil)
	body := fmt.Sprintf(`{"assertion":%q,"botInfo":{"chatBot":"x","taskBotId":%q},"token":{}}`, signed, botID)
	for _, path := range []string{
		"/api/oAuth/token/jwtgrant", "//api/oAuth/token/jwtgrant", "/api//oAuth/token/jwtgrant/", "/api/1.1//oAuth///token/jwtgrant",
	} {
		for _, contentType := range []string{"application/json", "", "text/plain", "application/json; charset=UTF-8"} {
			resp, got := k.do("POST", path, map[string]string{"Content-Type": contentType}, body)
			if resp.StatusCode != 200 || !strings.Contains(got, `"token_type":"bearer"`) {
				t.Errorf("POST %s as %q: %d %s", path, contentType, resp.StatusCode, got)
			}
		}
		if !rtm.Owns(path) {
			t.Errorf("%s is not owned", path)
		}
	}
	for _, path := range []string{"/", "/healthz", "/admin/api", "/apix/oAuth/"} {
		if rtm.Owns(path) {
			t.Errorf("%s is owned", path)
		}
	}
	resp, got := k.do("GET", "//api/websdkthemes/"+botID+"/activetheme/", nil, "")
	if resp.StatusCode != 200 || got != `{"activeTheme":true}` {
		t.Errorf("activetheme: %d %s", resp.StatusCode, got)
	}
}

func TestCORS(t *testing.T) {
	k := start(t, nil)
	for _, path := range []string{"/api/oAuth/token/jwtgrant", "//api/rtm/start", "/api/botmessages/rtm", "/api/attachment/file", "/nowhere"} {
		for _, headers := range []string{"content-type", "authorization,content-type", "authorization", "authorization,content-type,x-rtm-v"} {
			resp, body := k.do("OPTIONS", path, map[string]string{
				"Origin": "null", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers,
			}, "")
			if resp.StatusCode != 204 || body != "" {
				t.Errorf("preflight of %s: %d %s", path, resp.StatusCode, body)
			}
			allowed := resp.Header.Get("Access-Control-Allow-Headers")
			for _, h := range strings.Split(headers, ",") {
				if !strings.Contains(allowed, h) {
					t.Errorf("preflight of %s does not allow %s", path, h)
				}
			}
			methods := resp.Header.Get("Access-Control-Allow-Methods")
			if resp.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(methods, "PUT") || !strings.Contains(methods, "POST") {
				t.Errorf("preflight of %s: %v", path, resp.Header)
			}
		}
	}
}

func TestGrantAnswer(t *testing.T) {
	k := start(t, nil)
	first, err := k.client("user@example.com").Grant(k.ctx)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := k.client("user@example.com").Grant(k.ctx)
	other, _ := k.client("other").Grant(k.ctx)
	u := first.UserInfo
	if !strings.HasPrefix(u.UserID, "u-") || !strings.HasPrefix(u.OrgID, "o-") || len(u.AccountID) != 24 || u.Identity != appID+"/user@example.com" {
		t.Errorf("userInfo %+v", u)
	}
	if again.UserInfo != u || other.UserInfo.UserID == u.UserID || other.UserInfo.OrgID != u.OrgID {
		t.Errorf("ids are not stable: %+v, %+v, %+v", u, again.UserInfo, other.UserInfo)
	}
	a := first.Authorization
	issued, err1 := time.Parse(time.RFC3339, a.IssuedDate)
	expires, err2 := time.Parse(time.RFC3339, a.ExpiresDate)
	if err1 != nil || err2 != nil || !createdOn.MatchString(a.ExpiresDate) || expires.Sub(issued) != time.Hour {
		t.Errorf("dates %+v", a)
	}
	if strings.ContainsAny(a.AccessToken, "+/= ") {
		t.Errorf("the token is not URL-safe: %s", a.AccessToken)
	}
}

func TestTokenExpiry(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann")
	k.ahead.Store(int64(61 * time.Minute))
	_, err := k.client("ann").Start(k.ctx, token, "")
	if rtmtest.Status(err) != 401 || !strings.Contains(err.Error(), "token expired (code 401)") {
		t.Errorf("start with an expired token: %v", err)
	}
	if _, err := k.client("ann").History(k.ctx, token, ""); rtmtest.Status(err) != 401 {
		t.Errorf("history with an expired token: %v", err)
	}
	k.settle(s) // an open socket outlives its token
}

func TestSID(t *testing.T) {
	k := start(t, nil)
	c := k.client("ann")
	token := k.grant("ann")
	address, err := c.Start(k.ctx, token, "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "ws" || !strings.Contains(address, "?sid=") || u.Path != "/rtm/bot" {
		t.Fatalf("socket address %q", address)
	}
	s, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.listen(s)
	if _, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{}); rtmtest.Status(err) != 401 {
		t.Errorf("the second use of a sid: %v", err)
	}
	if _, err := rtmtest.Dial(k.ctx, address+"x", rtmtest.DialOptions{}); rtmtest.Status(err) != 401 {
		t.Errorf("a changed sid: %v", err)
	}
	late, err := c.Start(k.ctx, token, "")
	if err != nil {
		t.Fatal(err)
	}
	k.ahead.Store(int64(31 * time.Second))
	if _, err := rtmtest.Dial(k.ctx, late, rtmtest.DialOptions{}); rtmtest.Status(err) != 401 {
		t.Errorf("a sid after 31 s: %v", err)
	}
	// An access token is no sid and the other way round.
	if _, err := rtmtest.Dial(k.ctx, strings.Split(address, "sid=")[0]+"sid="+token, rtmtest.DialOptions{}); rtmtest.Status(err) != 401 {
		t.Errorf("an access token as sid: %v", err)
	}
	if _, err := c.Start(k.ctx, u.Query().Get("sid"), ""); rtmtest.Status(err) != 401 {
		t.Errorf("a sid as access token: %v", err)
	}
}

func TestPublicAddress(t *testing.T) {
	k := start(t, func(_ *kit, o *rtm.Options) {
		o.Origin = func(*http.Request) *url.URL {
			return &url.URL{Scheme: "https", Host: "chat.example.com", Path: "/parley/"}
		}
	})
	address, err := k.client("ann").Start(k.ctx, k.grant("ann"), "")
	if err != nil || !strings.HasPrefix(address, "wss://chat.example.com/parley/rtm/bot?sid=") {
		t.Errorf("address %q, %v", address, err)
	}
}

func TestOrigins(t *testing.T) {
	k := start(t, nil, configure(t, "website", settings(map[string]any{"origins": []string{"https://www.example.com:443"}})))
	token := k.grant("ann")
	for _, tt := range []struct {
		origin string
		status int
	}{
		{"https://www.example.com", 0}, {"", 0}, {k.server.URL, 0},
		{"https://evil.example", 403}, {"null", 403}, {"http://www.example.com", 403},
	} {
		address, err := k.client("ann").Start(k.ctx, token, "")
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if tt.origin != "" {
			h.Set("Origin", tt.origin)
		}
		s, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{Header: h})
		if rtmtest.Status(err) != tt.status || (tt.status == 0 && err != nil) {
			t.Errorf("origin %q: %v, want status %d", tt.origin, err, tt.status)
		}
		if s != nil {
			_ = s.Drop()
		}
	}
}

func TestSingleUseJWT(t *testing.T) {
	k := start(t, nil, configure(t, "website", settings(map[string]any{"single_use_jwt": true})))
	c := k.client("ann")
	signed, _ := c.JWT(func(m jwt.MapClaims) { m["jti"] = "once" })
	if _, err := c.GrantJWT(k.ctx, signed); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GrantJWT(k.ctx, signed); rtmtest.Status(err) != 401 || !strings.Contains(err.Error(), "used before") {
		t.Errorf("the second use: %v", err)
	}
	k.SetDown(rtmtest.Unavailable())
	signed, _ = c.JWT(func(m jwt.MapClaims) { m["jti"] = "two" })
	if _, err := c.GrantJWT(k.ctx, signed); rtmtest.Status(err) != 503 {
		t.Errorf("a grant that cannot be recorded: %v", err)
	}
}

func TestStoreDown(t *testing.T) {
	k := start(t, nil)
	c := k.client("ann")
	s, token := k.login("ann")
	address, err := c.Start(k.ctx, token, "")
	if err != nil {
		t.Fatal(err)
	}
	k.SetDown(rtmtest.Unavailable())
	if _, err := c.Start(k.ctx, token, ""); rtmtest.Status(err) != 503 {
		t.Errorf("start: %v", err)
	}
	if _, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{}); rtmtest.Status(err) != 503 {
		t.Errorf("upgrade: %v", err)
	}
	if _, err := c.History(k.ctx, token, ""); rtmtest.Status(err) != 503 {
		t.Errorf("history: %v", err)
	}
	k.send(s, `{"clientMessageId":77,"resourceid":"/bot.message","message":{"body":"lost?"}}`)
	f := k.must(s.Expect(k.ctx, "the notice", func(f rtmtest.Frame) bool { return strings.Contains(f.Text(), "could not be stored") }))
	checkResponse(t, f)
	k.SetDown(nil)
	for _, f := range k.settle(s) {
		if f.Type == "ack" {
			t.Errorf("what was not stored was acknowledged: %s", f.Raw)
		}
	}
}

func TestRemovedBot(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann")
	k.put(configure(t, "website", json.RawMessage(`{"bot":{"id":"`+botID+`"},"apps":[{"id":"cs-new","secret":"x"}]}`)))
	if err := s.Ended(k.ctx); err == nil || k.ctx.Err() != nil {
		t.Errorf("the socket of a removed app stays open: %v", err)
	}
	// 401 would make W10 loop, since a new grant cures nothing.
	if _, err := k.client("ann").Start(k.ctx, token, ""); rtmtest.Status(err) != 403 {
		t.Errorf("start for a removed app: %v", err)
	}
	k.put()
	if _, err := k.client("ann").Start(k.ctx, token, ""); rtmtest.Status(err) != 403 {
		t.Errorf("start for a removed bot: %v", err)
	}
	if _, err := k.client("ann").Grant(k.ctx); rtmtest.Status(err) != 401 {
		t.Errorf("grant for a removed app: %v", err)
	}
}

func TestPrepareKeepsOldOnFailure(t *testing.T) {
	k := start(t, nil)
	broken := configure(t, "website", settings(nil))
	broken.Secret = func(string) (string, error) { return "", fmt.Errorf("sealed with a lost key") }
	if _, err := k.driver.Prepare([]channel.Configured{broken}); err == nil {
		t.Error("a channel without its secret was taken")
	}
	one := configure(t, "website", settings(nil))
	if _, err := k.driver.Prepare([]channel.Configured{one, one}); err == nil {
		t.Error("two channels of one bot were taken")
	}
	k.grant("ann")
}

func TestDrain(t *testing.T) {
	k := start(t, nil)
	s, token := k.login("ann")
	address, _ := k.client("ann").Start(k.ctx, token, "")
	k.driver.Drain()
	if _, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{}); rtmtest.Status(err) != 503 {
		t.Errorf("upgrade while draining: %v", err)
	}
	if _, err := k.client("ann").Start(k.ctx, token, ""); rtmtest.Status(err) != 503 {
		t.Errorf("start while draining: %v", err)
	}
	k.settle(s) // open sockets go on
	ctx, cancel := context.WithTimeout(k.ctx, patience)
	defer cancel()
	if err := k.driver.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	// 1006: the only ending every SDK comes back from.
	if err := s.Ended(k.ctx); err == nil || strings.Contains(err.Error(), "StatusNormalClosure") || strings.Contains(err.Error(), "status = ") {
		t.Errorf("a restart ended with a close frame: %v", err)
	}
	if k.Subscribers() != 0 {
		t.Errorf("%d subscriptions are left", k.Subscribers())
	}
}

// Whoever watches a person sees that person's refusals too, although a refused
// token proves nothing about who sent it.
func TestRefusalsAreTracedToThePersonTheyClaim(t *testing.T) {
	k := start(t, nil)
	c := k.client("ann")
	c.Secret = "not the app's secret, and long enough"
	if _, err := c.Grant(k.ctx); rtmtest.Status(err) != 401 {
		t.Fatalf("grant with a wrong secret: %v", err)
	}
	token := k.grant("ann")
	k.ahead.Store(int64(61 * time.Minute))
	if _, err := k.client("ann").Start(k.ctx, token, ""); rtmtest.Status(err) != 401 {
		t.Fatalf("start with an expired token: %v", err)
	}
	var refused []string
	for _, r := range k.trace.Of(appID + "/ann") {
		if r.Kind == "refused" {
			refused = append(refused, r.Body+": "+r.Reason)
		}
	}
	if len(refused) != 2 || !strings.HasPrefix(refused[0], "grant: ") || !strings.HasPrefix(refused[1], "token: ") {
		t.Errorf("traced %q", refused)
	}
}

// One person cannot take everybody's places, not even with socket addresses
// collected in advance.
func TestSocketsOfOnePerson(t *testing.T) {
	k := start(t, nil)
	token := k.grant("ann")
	var addresses []string
	for range 53 {
		address, err := k.client("ann").Start(k.ctx, token, "")
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, address)
	}
	for i, address := range addresses {
		s, err := rtmtest.Dial(k.ctx, address, rtmtest.DialOptions{})
		switch {
		case i < 50 && err != nil:
			t.Fatalf("socket %d: %v", i+1, err)
		case i >= 50 && rtmtest.Status(err) != 403:
			t.Fatalf("socket %d: %v", i+1, err)
		case err == nil:
			k.listen(s)
		}
	}
	if _, err := k.client("ann").Start(k.ctx, token, ""); rtmtest.Status(err) != 403 {
		t.Errorf("start with 50 open sockets: %v", err)
	}
	if _, err := k.client("bob").Start(k.ctx, k.grant("bob"), ""); err != nil {
		t.Errorf("another person: %v", err)
	}
}
