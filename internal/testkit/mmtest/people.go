package mmtest

import (
	"context"
	"errors"
	"net/http"
)

// CreateUser makes a person with a login session and adds them to the server's
// team. They are in no channel but the team's default ones.
func (s *Server) CreateUser(t T, username string) *User {
	t.Helper()
	s.register(t, s.Admin, username)
	u := s.Login(t, username, password)
	s.AddToTeam(t, s.Team.ID, u.ID)
	return u
}

// register makes an account; the first one of a server, made by nobody, becomes
// its administrator.
func (s *Server) register(t T, by *User, username string) {
	t.Helper()
	by.must(t, http.MethodPost, "/users", map[string]any{
		"username": username, "email": username + "@example.test", "password": password,
	}, nil)
}

// Login makes a new login session; older ones stay.
func (s *Server) Login(t T, username, password string) *User {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	u := &User{Username: username, Password: password, api: s.api}
	var account struct {
		ID string `json:"id"`
	}
	header, err := s.api.send(ctx, "", http.MethodPost, "/users/login",
		map[string]any{"login_id": username, "password": password}, &account)
	if err == nil && header.Get("Token") == "" {
		err = errors.New("the answer has no token")
	}
	if err != nil {
		t.Fatalf("Mattermost, login as %s: %v", username, err)
	}
	u.ID, u.Token = account.ID, header.Get("Token")
	return u
}

// CreateBot makes a bot account with an access token and adds it to the
// server's team; it is in no channel but the team's default ones.
func (s *Server) CreateBot(t T, username string) *User {
	t.Helper()
	var bot struct {
		UserID string `json:"user_id"`
	}
	s.Admin.must(t, http.MethodPost, "/bots", map[string]any{
		"username": username, "display_name": "Bot " + username,
	}, &bot)
	u := s.CreateToken(t, &User{ID: bot.UserID, Username: username})
	s.AddToTeam(t, s.Team.ID, u.ID)
	return u
}

// CreateToken makes a further access token for a person or a bot and returns
// the same user with it.
func (s *Server) CreateToken(t T, u *User) *User {
	t.Helper()
	var made struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	s.Admin.must(t, http.MethodPost, "/users/"+u.ID+"/tokens", map[string]any{"description": "test"}, &made)
	return &User{ID: u.ID, Username: u.Username, Password: u.Password, Token: made.Token, tokenID: made.ID, api: s.api}
}

// RevokeToken ends what u's token is good for: it revokes the access token, or,
// for a person who logged in, all of the person's sessions. REST refuses the
// token at once; a WebSocket stays open and silent (seen with server 11.4).
func (s *Server) RevokeToken(t T, u *User) {
	t.Helper()
	if u.tokenID == "" {
		s.Admin.must(t, http.MethodPost, "/users/"+u.ID+"/sessions/revoke/all", nil, nil)
		return
	}
	s.Admin.must(t, http.MethodPost, "/users/tokens/revoke", map[string]any{"token_id": u.tokenID}, nil)
}

// DisableBot makes the bot's tokens useless until [Server.EnableBot].
func (s *Server) DisableBot(t T, bot *User) {
	t.Helper()
	s.Admin.must(t, http.MethodPost, "/bots/"+bot.ID+"/disable", nil, nil)
}

// EnableBot makes the bot's tokens work again.
func (s *Server) EnableBot(t T, bot *User) {
	t.Helper()
	s.Admin.must(t, http.MethodPost, "/bots/"+bot.ID+"/enable", nil, nil)
}

// SetActive deactivates a person's account or activates it again.
func (s *Server) SetActive(t T, u *User, active bool) {
	t.Helper()
	s.Admin.must(t, http.MethodPut, "/users/"+u.ID+"/active", map[string]any{"active": active}, nil)
}

// CreateTeam makes an open team; the administrator is its only member.
func (s *Server) CreateTeam(t T, name string) Team {
	t.Helper()
	var team Team
	s.Admin.must(t, http.MethodPost, "/teams", map[string]any{
		"name": name, "display_name": "Team " + name, "type": "O",
	}, &team)
	return team
}

// AddToTeam adds people or bots to a team. A bot that is not in a channel's
// team is refused everywhere (seen with server 11.4).
func (s *Server) AddToTeam(t T, team string, users ...string) {
	t.Helper()
	for _, id := range users {
		s.Admin.must(t, http.MethodPost, "/teams/"+team+"/members",
			map[string]any{"team_id": team, "user_id": id}, nil)
	}
}

// RemoveFromTeam takes a person or bot out of a team and its channels.
func (s *Server) RemoveFromTeam(t T, team, user string) {
	t.Helper()
	s.Admin.must(t, http.MethodDelete, "/teams/"+team+"/members/"+user, nil, nil)
}
