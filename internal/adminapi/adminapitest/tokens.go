// Package adminapitest has a stand-in for what the admin API keeps tokens in.
package adminapitest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/fault"
	"parley/internal/store"
)

// Tokens keeps API tokens in memory, as the store's contract says.
type Tokens struct {
	mu      sync.Mutex
	rows    []row
	actors  []string
	uses    int
	lookups int
	failing error
}

type row struct {
	store.Token
	hash []byte
}

// Fail makes every call fail until it is given nil.
func (t *Tokens) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing = err
}

// Actors are who made and revoked tokens, in order.
func (t *Tokens) Actors() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.actors)
}

// Asked is how often a token was looked up, and how often a use was noted.
func (t *Tokens) Asked() (lookups, uses int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lookups, t.uses
}

// Commit implements [store.Writer] for the steps of tokens.
func (t *Tokens) Commit(_ context.Context, step store.Step) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing != nil {
		return nil, t.failing
	}
	switch s := step.(type) {
	case store.CreateToken:
		return t.create(s)
	case store.RevokeToken:
		i := slices.IndexFunc(t.rows, func(r row) bool { return r.ID == s.ID })
		if i < 0 {
			return nil, fault.New(fault.NotFound, "there is no token %s", s.ID)
		}
		if t.rows[i].RevokedAt.IsZero() {
			t.rows[i].RevokedAt = s.Now
			t.actors = append(t.actors, s.Actor)
		}
		return store.RevokedToken{Token: t.rows[i].Token}, nil
	case store.UseToken:
		t.uses++
		for i := range t.rows {
			if t.rows[i].ID == s.ID {
				t.rows[i].LastUsedAt = s.Now
			}
		}
		return store.UsedToken{}, nil
	}
	return nil, fmt.Errorf("step of an unknown type: %T", step)
}

func (t *Tokens) create(s store.CreateToken) (any, error) {
	for _, r := range t.rows {
		if r.Name == s.Name && r.Living(s.Now) {
			return nil, fault.New(fault.Conflict, "there is a token %q already", s.Name)
		}
	}
	made := store.Token{ID: fmt.Sprint("tk-", len(t.rows)+1), Name: s.Name, Scopes: s.Scopes, CreatedAt: s.Now, ExpiresAt: s.ExpiresAt}
	t.rows = append(t.rows, row{made, s.Hash})
	t.actors = append(t.actors, s.Actor)
	return store.CreatedToken{Token: made}, nil
}

// Tokens implements [store.Tokens].
func (t *Tokens) Tokens(context.Context) ([]store.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var living, gone []store.Token
	for _, r := range slices.Backward(t.rows) {
		if r.RevokedAt.IsZero() {
			living = append(living, r.Token)
		} else {
			gone = append(gone, r.Token)
		}
	}
	return append(living, gone...), t.failing
}

// TokenByHash implements [store.Tokens].
func (t *Tokens) TokenByHash(_ context.Context, hash []byte) (store.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookups++
	if t.failing != nil {
		return store.Token{}, t.failing
	}
	for _, r := range t.rows {
		if bytes.Equal(r.hash, hash) {
			return r.Token, nil
		}
	}
	return store.Token{}, fault.New(fault.NotFound, "there is no such token")
}

// Add stores a token that was not made through the API.
func (t *Tokens) Add(name string, hash []byte, now time.Time, scopes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, row{store.Token{ID: fmt.Sprint("tk-", len(t.rows)+1), Name: name, Scopes: scopes, CreatedAt: now}, hash})
}
