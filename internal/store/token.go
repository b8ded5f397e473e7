package store

import (
	"context"
	"time"
)

// Token is what is known of an API token. The token itself is not: only its
// hash is stored.
type Token struct {
	// ID is "tk-" and a UUID, for logs and audit rows.
	ID string
	// Name is unique among the living.
	Name string
	// Scopes are what the token may do, in the words of the admin API.
	Scopes    []string
	CreatedAt time.Time
	// ExpiresAt is zero for a token that does not expire.
	ExpiresAt time.Time
	// LastUsedAt is zero for a token that was never used. It lags by up to
	// [TokenUseEvery].
	LastUsedAt time.Time
	// RevokedAt is zero until the token is revoked. For one that had expired
	// when its name was given to another, it is the time it expired.
	RevokedAt time.Time
}

// Living reports whether the token can still be used.
func (t Token) Living(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}

// TokenUseEvery is how often at most the use of a token is written down.
const TokenUseEvery = time.Minute

// CreateToken stores a new token. A living one of the same name is a
// fault.Conflict.
type CreateToken struct {
	Name   string
	Scopes []string
	// Hash is of the token; it identifies it.
	Hash      []byte
	ExpiresAt time.Time
	// Actor is for the audit row.
	Actor string
	Now   time.Time
}

// CreatedToken is the outcome of [CreateToken].
type CreatedToken struct{ Token Token }

// RevokeToken makes a token unusable for good. A token that was revoked before
// stays as it is; an unknown one is a fault.NotFound.
type RevokeToken struct {
	ID string
	// Actor is for the audit row.
	Actor string
	Now   time.Time
}

// RevokedToken is the outcome of [RevokeToken].
type RevokedToken struct{ Token Token }

// UseToken notes that a token was used, unless that was noted less than
// [TokenUseEvery] before. An unknown token changes nothing.
type UseToken struct {
	ID  string
	Now time.Time
}

// UsedToken is the outcome of [UseToken].
type UsedToken struct{}

// Tokens reads API tokens.
type Tokens interface {
	// Tokens returns the living and expired ones, then the revoked, each newest
	// first; at most 1,000.
	Tokens(ctx context.Context) ([]Token, error)
	// TokenByHash returns a token, living or not, or fault.NotFound.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
}

func (CreateToken) step() {}
func (RevokeToken) step() {}
func (UseToken) step()    {}

func (CreateToken) outcome(CreatedToken) {}
func (RevokeToken) outcome(RevokedToken) {}
func (UseToken) outcome(UsedToken)       {}
