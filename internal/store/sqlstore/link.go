package sqlstore

import (
	"context"
	"fmt"

	"parley/internal/store"
)

// claimLink writes only when the link changes hands.
func (x single) claimLink(ctx context.Context, s store.ClaimLink) (any, error) {
	var holder store.Owner
	var void int64
	read := func() error {
		_, err := x.one(ctx, func(r Row) error { return r.Scan(&holder.Node, &holder.Boot, &void) },
			fmt.Sprintf("SELECT k.owner, k.boot, CASE WHEN %s THEN 1 ELSE 0 END FROM link k WHERE k.account = $3", x.void("k", "$1", "$2")),
			s.Owner.Node, s.Owner.Boot, s.Account)
		if err != nil {
			return fmt.Errorf("read a link: %w", err)
		}
		return nil
	}
	if err := read(); err != nil {
		return nil, err
	}
	if holder == (store.Owner{}) || void != 0 {
		for _, change := range []string{
			"INSERT INTO link (account, owner, boot, claimed_at) VALUES ($1, '', 0, 0) ON CONFLICT (account) DO NOTHING",
			// Locks the row, so that it is read as it is.
			"UPDATE link SET boot = boot WHERE account = $1",
		} {
			if _, err := x.Exec(ctx, change, s.Account); err != nil {
				return nil, fmt.Errorf("lock a link: %w", err)
			}
		}
		if err := read(); err != nil {
			return nil, err
		}
	}
	if void != 0 {
		if _, err := x.Exec(ctx, "UPDATE link SET owner = $1, boot = $2, claimed_at = $3 WHERE account = $4",
			s.Owner.Node, s.Owner.Boot, millis(s.Now), s.Account); err != nil {
			return nil, fmt.Errorf("claim a link: %w", err)
		}
		holder = s.Owner
	}
	return store.ClaimedLink{Held: holder == s.Owner, Holder: holder}, nil
}

func (x single) freeLink(ctx context.Context, s store.FreeLink) (any, error) {
	if _, err := x.Exec(ctx, "DELETE FROM link WHERE account = $1 AND owner = $2 AND boot = $3", s.Account, s.Owner.Node, s.Owner.Boot); err != nil {
		return nil, fmt.Errorf("free a link: %w", err)
	}
	return store.FreedLink{}, nil
}

const alertColumns = "a.name, a.text, a.raised_at, a.cleared_at, a.count"

func scanAlert(r Row, a *store.Alert) error {
	var raised, cleared int64
	err := r.Scan(&a.Name, &a.Text, &raised, &cleared, &a.Count)
	a.RaisedAt, a.ClearedAt = timeOf(raised), timeOf(cleared)
	return err
}

// setAlert lets the database say whose change it was: of several callers, the
// update finds the row unchanged for one only.
func (x single) setAlert(ctx context.Context, s store.SetAlert) (any, error) {
	now := max(millis(s.Now), 1)
	out := store.AlertSet{Alert: store.Alert{Name: s.Name}}
	read := func() (found bool, err error) {
		found, err = x.one(ctx, func(r Row) error { return scanAlert(r, &out.Alert) }, "SELECT "+alertColumns+" FROM alert a WHERE a.name = $1", s.Name)
		if err != nil {
			return false, fmt.Errorf("read an alert: %w", err)
		}
		return found, nil
	}
	found, err := read()
	holds := found && out.Alert.ClearedAt.IsZero()
	if err != nil || holds == s.Raised && (!s.Raised || out.Alert.Text == s.Text) {
		return out, err
	}
	change, args := "UPDATE alert SET cleared_at = $1 WHERE name = $2 AND cleared_at = 0", []any{now, s.Name}
	switch {
	case s.Raised && holds: // only the text is new
		change, args = "UPDATE alert SET text = $1 WHERE name = $2", []any{s.Text, s.Name}
	case s.Raised && found:
		change = "UPDATE alert SET text = $1, raised_at = $2, cleared_at = 0, count = count + 1 WHERE name = $3 AND cleared_at > 0"
		args = []any{s.Text, now, s.Name}
	case s.Raised:
		change = "INSERT INTO alert (name, text, raised_at, cleared_at, count) VALUES ($1, $2, $3, 0, 1) ON CONFLICT (name) DO NOTHING"
		args = []any{s.Name, s.Text, now}
	}
	n, err := x.Exec(ctx, change, args...)
	if err != nil {
		return nil, fmt.Errorf("set an alert: %w", err)
	}
	out.Changed = n == 1 && holds != s.Raised
	_, err = read()
	return out, err
}
