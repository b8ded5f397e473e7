package mmtest

import "golang.org/x/sync/errgroup"

// setUp makes the people, the team, its channels and the hook.
func (s *Server) setUp() error {
	err := Try(func(t T) {
		s.register(t, &User{Username: "nobody", api: s.api}, "admin")
		s.Admin = s.Login(t, "admin", password)
		s.Team = s.CreateTeam(t, teamName)
		s.Lobby = s.Admin.CreateChannel(t, s.Team.ID, Public, lobbyName)
		s.Secret = s.Admin.CreateChannel(t, s.Team.ID, Private, secretName)
		s.IncomingHook = s.CreateIncomingHook(t, s.Lobby.ID)
	})
	if err != nil {
		return err
	}
	// Side by side: the server takes its time over passwords.
	var all errgroup.Group
	all.Go(func() error { return Try(func(t T) { s.Alice = s.welcome(t, s.CreateUser(t, "alice")) }) })
	all.Go(func() error { return Try(func(t T) { s.Bob = s.welcome(t, s.CreateUser(t, "bob")) }) })
	all.Go(func() error { return Try(func(t T) { s.Bot = s.welcome(t, s.CreateBot(t, botName)) }) })
	return all.Wait()
}

// welcome makes a user a member of both channels.
func (s *Server) welcome(t T, u *User) *User {
	t.Helper()
	s.Admin.AddMember(t, s.Lobby.ID, u.ID)
	s.Admin.AddMember(t, s.Secret.ID, u.ID)
	return u
}
