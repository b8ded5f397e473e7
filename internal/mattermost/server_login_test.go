package mattermost_test

import (
	"net/http"
	"testing"

	"parley/internal/fault"
	"parley/internal/mattermost"
	"parley/internal/testkit/mmtest"
)

func sessions(t *testing.T, mm *mmtest.Server, u *mmtest.User) int {
	t.Helper()
	var list []struct {
		ID string `json:"id"`
	}
	if err := mm.Admin.Do(soon(t), http.MethodGet, "/users/"+u.ID+"/sessions", nil, &list); err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func logins(t *testing.T, mm *mmtest.Server) {
	ctx := soon(t)
	relay := mm.CreateUser(t, "relay")
	before := sessions(t, mm, relay)
	c, err := mattermost.New(mattermost.Options{Server: mm.URL, Login: login("relay", relay.Password)})
	if err != nil {
		t.Fatal(err)
	}
	// Many at once make one session.
	done := make(chan error, 10)
	for range cap(done) {
		go func() { _, err := c.Me(ctx); done <- err }()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := sessions(t, mm, relay); n != before+1 {
		t.Errorf("%d sessions after ten calls, want %d", n, before+1)
	}
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := sessions(t, mm, relay); n != before {
		t.Errorf("%d sessions after Close, want %d", n, before)
	}
	if _, err := c.Me(ctx); err == nil {
		t.Error("a closed client still works")
	}
	if err := c.Close(ctx); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for _, test := range []struct{ what, user, password, id, shown string }{
		{"wrong password", "relay", "wrong", "api.user.login.invalid_credentials_email_username", "password is wrong"},
		{"unknown user", "nobody-here", "wrong", "api.user.login.invalid_credentials_email_username", "password is wrong"},
		{"bot", "helperbot", "wrong", "api.user.login.bot_login_forbidden.app_error", "give its token"},
	} {
		c := client(t, mattermost.Options{Server: mm.URL, Login: login(test.user, test.password)})
		for range 12 { // one attempt, however often it is asked: ten lock the account
			_, err := c.Me(ctx)
			refused(t, test.what, err, 401, test.id, test.shown)
		}
		if err := c.Typing(ctx, mm.Lobby.ID, ""); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	must(mm.Login(t, "relay", relay.Password), nil)(t) // not locked
	for range 10 {
		c := client(t, mattermost.Options{Server: mm.URL, Login: login("relay", "wrong")})
		_, _ = c.Me(ctx)
	}
	c = client(t, mattermost.Options{Server: mm.URL, Login: login("relay", relay.Password)})
	_, err = c.Me(ctx)
	refused(t, "locked account", err, 401, "api.user.check_user_login_attempts.too_many.app_error", "locked")
	leaver := mm.CreateUser(t, "leaver")
	mm.SetActive(t, leaver, false)
	c = client(t, mattermost.Options{Server: mm.URL, Login: login("leaver", leaver.Password)})
	_, err = c.Me(ctx)
	refused(t, "deactivated", err, 401, "api.user.login.inactive.app_error", "deactivated")
}

// A session that ends is replaced once; when the account is gone, that is told.
func sessionEnds(t *testing.T, mm *mmtest.Server) {
	ctx := soon(t)
	relay := mm.CreateUser(t, "relay-two")
	c := client(t, mattermost.Options{Server: mm.URL, Login: login("relay-two", relay.Password)})
	for range 3 {
		must(c.Me(ctx))(t)
		mm.RevokeToken(t, relay)
	}
	// Calls that all find the session gone log in once together.
	must(c.Me(ctx))(t)
	mm.RevokeToken(t, relay)
	done := make(chan error, 8)
	for range cap(done) {
		go func() { _, err := c.MyTeams(ctx); done <- err }()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := sessions(t, mm, relay); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	mm.SetActive(t, relay, false)
	for range 3 {
		_, err := c.Me(ctx)
		refused(t, "deactivated while logged in", err, 401, "api.user.login.inactive.app_error", "activate")
	}
}
