package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley/internal/fault"
	"parley/internal/store"
)

const (
	tokenColumns = "t.id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at"
	// tokensMost bounds the list of tokens.
	tokensMost = 1000
)

func scanToken(r Row) (store.Token, error) {
	var t store.Token
	var scopes string
	var created, expires, used, revoked int64
	err := r.Scan(&t.ID, &t.Name, &scopes, &created, &expires, &used, &revoked)
	t.Scopes = strings.Fields(scopes)
	t.CreatedAt, t.ExpiresAt, t.LastUsedAt, t.RevokedAt = timeOf(created), timeOf(expires), timeOf(used), timeOf(revoked)
	return t, err
}

// checkedToken refuses a token that could not be found again.
func checkedToken(s store.CreateToken) (any, error) {
	s.Actor = safeText(s.Actor, maxKey)
	switch {
	case s.Name == "":
		return nil, fault.Field("name", "is empty")
	case len(s.Hash) == 0:
		return nil, fault.Field("hash", "is empty")
	case len(s.Scopes) == 0:
		return nil, fault.Field("scopes", "are empty: the token could do nothing")
	}
	for _, scope := range s.Scopes {
		if err := keyText("scopes", scope); err != nil {
			return nil, err
		}
		if len(strings.Fields(scope)) != 1 {
			return nil, fault.Field("scopes", "%q is not one word", scope)
		}
	}
	return s, keyText("name", s.Name)
}

// createToken frees the name of an expired token. Two nodes that take one name
// at the same moment meet at the index, and one of the two is tried again.
func (x single) createToken(ctx context.Context, s store.CreateToken) (any, error) {
	now := millis(s.Now)
	if _, err := x.Exec(ctx, `UPDATE token SET revoked_at = expires_at WHERE name = $1 AND revoked_at = 0 AND expires_at > 0 AND expires_at <= $2`,
		s.Name, now); err != nil {
		return nil, fmt.Errorf("free the token's name: %w", err)
	}
	var living string
	found, err := x.one(ctx, func(r Row) error { return r.Scan(&living) }, `SELECT id FROM token WHERE name = $1 AND revoked_at = 0`, s.Name)
	if err != nil {
		return nil, fmt.Errorf("look for the token's name: %w", err)
	}
	if found {
		return nil, fault.New(fault.Conflict, "there is a token %q already; revoke it first, or choose another name", s.Name)
	}
	t := store.Token{ID: newID("tk-"), Name: s.Name, Scopes: s.Scopes, CreatedAt: timeOf(now), ExpiresAt: timeOf(millis(s.ExpiresAt))}
	_, err = x.Exec(ctx, `INSERT INTO token (key, id, name, hash, scopes, created_at, expires_at, last_used_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)`,
		x.keys.take(), t.ID, t.Name, s.Hash, strings.Join(t.Scopes, " "), now, millis(s.ExpiresAt))
	if err != nil {
		return nil, fmt.Errorf("store a token: %w", err)
	}
	return store.CreatedToken{Token: t}, x.auditToken(ctx, now, s.Actor, "token.create", t.ID)
}

func (x single) revokeToken(ctx context.Context, s store.RevokeToken) (any, error) {
	now, id := millis(s.Now), safeText(s.ID, maxKey)
	revoked, err := x.Exec(ctx, `UPDATE token SET revoked_at = $1 WHERE id = $2 AND revoked_at = 0`, now, id)
	if err != nil {
		return nil, fmt.Errorf("revoke a token: %w", err)
	}
	var t store.Token
	found, err := x.one(ctx, func(r Row) (err error) {
		t, err = scanToken(r)
		return err
	}, "SELECT "+tokenColumns+" FROM token t WHERE t.id = $1", id)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read a token: %w", err)
	case !found:
		return nil, fault.New(fault.NotFound, "there is no token %s", id)
	case revoked == 0:
		return store.RevokedToken{Token: t}, nil
	}
	return store.RevokedToken{Token: t}, x.auditToken(ctx, now, safeText(s.Actor, maxKey), "token.revoke", t.ID)
}

func (x single) auditToken(ctx context.Context, now int64, actor, verb, id string) error {
	_, err := x.Exec(ctx, `INSERT INTO audit (key, at, actor, verb, subject, note) VALUES ($1, $2, $3, $4, $5, '')`,
		x.keys.take(), now, actor, verb, id)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func (x single) useToken(ctx context.Context, s store.UseToken) (any, error) {
	now := millis(s.Now)
	_, err := x.Exec(ctx, `UPDATE token SET last_used_at = $1 WHERE id = $2 AND last_used_at <= $3`,
		now, safeText(s.ID, maxKey), now-int64(store.TokenUseEvery/time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("note the use of a token: %w", err)
	}
	return store.UsedToken{}, nil
}

// Tokens implements [store.Tokens].
func (q *Reader) Tokens(ctx context.Context) ([]store.Token, error) {
	all := []store.Token{}
	err := q.rows(ctx, "tokens", func(r Row) error {
		t, err := scanToken(r)
		all = append(all, t)
		return err
	}, fmt.Sprintf("SELECT %s FROM token t ORDER BY CASE WHEN t.revoked_at = 0 THEN 0 ELSE 1 END, t.key DESC LIMIT %d", tokenColumns, tokensMost))
	return all, err
}

// TokenByHash implements [store.Tokens]. The time the index takes tells of the
// hash at most, and nobody can work towards a hash.
func (q *Reader) TokenByHash(ctx context.Context, hash []byte) (store.Token, error) {
	var t store.Token
	found, err := q.one(ctx, "a token", func(r Row) (err error) {
		t, err = scanToken(r)
		return err
	}, "SELECT "+tokenColumns+" FROM token t WHERE t.hash = $1", hash)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no such token")
	}
	return t, err
}
