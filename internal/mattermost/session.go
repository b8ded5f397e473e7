package mattermost

import (
	"context"
	"net/http"
	"sync"

	"parley/internal/fault"
)

// session holds the token that requests carry. A fixed token never changes;
// one made by a login is replaced when it has ended.
type session struct {
	login *Login
	// turn is held while logging in, so that one login serves all who wait.
	turn chan struct{}

	mu    sync.Mutex
	token string
	// good: the token was accepted once since it was made. A fresh one that is
	// refused would be refused again, and logging in over and over would lock
	// the account.
	good   bool
	dead   error // set once logging in is pointless
	closed bool
}

func newSession(o Options) *session {
	return &session{token: reveal(o.Token), login: o.Login, turn: make(chan struct{}, 1)}
}

var errClosed = fault.New(fault.Unavailable, "the Mattermost client is closed")

// current gives the token, or the reason why there will be none. Both empty:
// log in.
func (s *session) current() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return "", errClosed
	case s.dead != nil:
		return "", s.dead
	case s.token == "" && s.login == nil:
		return "", fault.New(fault.Unauthenticated, "no token and no login is set for this Mattermost account; give one of them")
	}
	return s.token, nil
}

// worked notes that the server accepted a token.
func (s *session) worked(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.good = true
	}
}

// expired notes that the server refused a token with err, and reports whether
// trying once more is worth while.
func (s *session) expired(token string, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.login == nil || s.closed || s.dead != nil:
		return false
	case s.token != token:
		return true // another call has logged in again already
	case !s.good:
		s.dead = err
		return false
	}
	s.token, s.good = "", false
	return true
}

// close forgets the token and returns it when it has to be logged out.
func (s *session) close(ctx context.Context) (string, error) {
	if err := s.lock(ctx); err != nil {
		return "", err
	}
	defer s.unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.login == nil {
		s.closed = true
		return "", nil
	}
	s.closed = true
	return s.token, nil
}

func (s *session) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) unlock() { <-s.turn }

// token gives the token to send, logging in when there is none. A refused
// login is final: each further one counts against the account.
func (c *Client) token(ctx context.Context) (string, error) {
	s := c.session
	if token, err := s.current(); token != "" || err != nil {
		return token, err
	}
	if err := s.lock(ctx); err != nil {
		return "", &Error{Op: "log in", cause: err}
	}
	defer s.unlock()
	if token, err := s.current(); token != "" || err != nil {
		return token, err
	}
	rq := request{op: "log in", method: http.MethodPost, path: "/users/login", anonymous: true,
		body: map[string]string{"login_id": s.login.User, "password": reveal(s.login.Password)}}
	answer, err := c.patient(ctx, rq, "")
	token := ""
	if err == nil {
		if token = answer.header.Get("Token"); token == "" {
			err = foreign(rq, answer)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if status := StatusOf(err); status == http.StatusUnauthorized || status == http.StatusBadRequest || status == http.StatusForbidden {
			s.dead = err
		}
		return "", err
	}
	s.token, s.good = token, false
	return token, nil
}
