package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// alone tells whether a step has a transaction of its own: it reads or writes
// across conversations.
func alone(step any) bool {
	switch step.(type) {
	case store.ClaimTurns, store.RenewLease, store.Sweep, store.PutCatalog, setMeta,
		store.CreateToken, store.RevokeToken, store.UseToken,
		store.ClaimDeliveries, store.MakeEndpointDue, store.ChangeDelivery, store.ClaimLink, store.FreeLink, store.SetAlert:
		return true
	default:
		return false
	}
}

// setMeta is a step of this package only; see [Store.SetMetaValue].
type setMeta struct {
	name  string
	value []byte
}

// single is a step at work in its own transaction.
type single struct {
	Tx
	engine Engine
	keys   *keyBlock
	// touched is called when rows change that batches may remember.
	touched func()
}

func (x single) run(ctx context.Context, step any) (any, error) {
	switch s := step.(type) {
	case store.ClaimTurns:
		return x.claimTurns(ctx, s)
	case store.RenewLease:
		return x.renewLease(ctx, s)
	case store.Sweep:
		return x.sweep(ctx, s)
	case store.PutCatalog:
		return x.putCatalog(ctx, s)
	case store.CreateToken:
		return x.createToken(ctx, s)
	case store.RevokeToken:
		return x.revokeToken(ctx, s)
	case store.UseToken:
		return x.useToken(ctx, s)
	case store.ClaimDeliveries:
		return x.claimDeliveries(ctx, s)
	case store.MakeEndpointDue:
		return x.makeEndpointDue(ctx, s)
	case store.ChangeDelivery:
		return x.changeDelivery(ctx, s)
	case store.ClaimLink:
		return x.claimLink(ctx, s)
	case store.FreeLink:
		return x.freeLink(ctx, s)
	case store.SetAlert:
		return x.setAlert(ctx, s)
	case setMeta:
		return x.setMeta(ctx, s)
	default:
		return nil, fmt.Errorf("step of an unknown type: %T", step)
	}
}

// one reads at most one row.
func (x single) one(ctx context.Context, scan func(Row) error, query string, args ...any) (found bool, err error) {
	err = x.Query(ctx, func(r Row) error {
		found = true
		return scan(r)
	}, query, args...)
	return found, err
}

// claimTurns first picks and locks conversations, skipping those another node
// works on, and then reads their turns: what it read before the lock may be old.
func (x single) claimTurns(ctx context.Context, s store.ClaimTurns) (any, error) {
	var picked []int64
	err := x.Query(ctx, func(r Row) error {
		var key int64
		err := r.Scan(&key)
		picked = append(picked, key)
		return err
	}, fmt.Sprintf(`SELECT v.key FROM turn t JOIN conversation v ON v.key = t.conversation
		WHERE t.status IN (1, 2) AND %s
		AND NOT EXISTS (SELECT 1 FROM turn h WHERE h.conversation = t.conversation AND h.status IN (1, 2) AND h.first_seq < t.first_seq)
		ORDER BY t.created_at, t.key LIMIT $4 %s`, x.claimable(), x.engine.SkipLocked("v")),
		millis(s.Now), s.Owner.Node, s.Owner.Boot, int64(max(s.Limit, 0)))
	if err != nil {
		return nil, fmt.Errorf("find due turns: %w", err)
	}
	out := store.ClaimedTurns{}
	for _, key := range picked {
		t, err := x.claimHead(ctx, key, s)
		if err != nil {
			return nil, err
		}
		if t != nil {
			out.Turns = append(out.Turns, *t)
		}
	}
	return out, nil
}

// claimable is the condition on a turn t; $1 is now, $2 and $3 are the owner.
func (x single) claimable() string {
	return `(t.status = 1 AND t.due_at <= $1 OR t.status = 2 AND ` + x.void("t", "$2", "$3") + `)`
}

// void is the condition that a claim is nobody's any more: its node has a newer
// boot or no living lease. The claims of who asks, named by two parameters, are
// its own business even when its lease has just run out.
func (x single) void(alias, node, boot string) string {
	return strings.NewReplacer("c.", alias+".", "$NODE", node, "$BOOT", boot).Replace(`(NOT (c.owner = $NODE AND c.boot = $BOOT)
		AND (c.owner = $NODE AND c.boot < $BOOT
		OR NOT EXISTS (SELECT 1 FROM node n WHERE n.id = c.owner AND n.boot <= c.boot AND n.expires_at > `) + x.engine.Clock() + ")))"
}

// claimHead claims the oldest open turn of a conversation, if it still can be
// had. Turns that have lost their right to answer end here.
func (x single) claimHead(ctx context.Context, conversation int64, s store.ClaimTurns) (*chat.Turn, error) {
	for {
		t := &turn{}
		var claimable, current int64
		found, err := x.one(ctx, func(r Row) error { return scanTurn(r, t, &claimable, &current) }, fmt.Sprintf(`SELECT %s,
			CASE WHEN %s THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM episode e WHERE e.key = t.episode AND e.closed_at = 0 AND e.epoch = t.epoch) THEN 1 ELSE 0 END
			FROM turn t WHERE t.conversation = $4 AND t.status IN (1, 2) ORDER BY t.first_seq LIMIT 1`, turnColumns, x.claimable()),
			millis(s.Now), s.Owner.Node, s.Owner.Boot, conversation)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read the oldest turn: %w", err)
		case !found || claimable == 0:
			return nil, nil
		case current == 0:
			if err := x.dropTurn(ctx, t, millis(s.Now)); err != nil {
				return nil, err
			}
			continue
		}
		t.claim(s.Owner)
		x.touched()
		_, err = x.Exec(ctx, `UPDATE turn SET status = $1, owner = $2, boot = $3 WHERE key = $4`,
			statuses.code(chat.TurnClaimed), s.Owner.Node, s.Owner.Boot, int64(t.Key))
		if err != nil {
			return nil, fmt.Errorf("claim turn: %w", err)
		}
		return t.public(), nil
	}
}

func (x single) dropTurn(ctx context.Context, t *turn, now int64) error {
	x.touched()
	if _, err := x.Exec(ctx, `UPDATE turn SET status = $1, owner = '', boot = 0, ended_at = $2 WHERE key = $3`,
		statuses.code(chat.TurnDropped), now, int64(t.Key)); err != nil {
		return fmt.Errorf("drop turn: %w", err)
	}
	if _, err := x.Exec(ctx, `UPDATE conversation SET open_turns = open_turns - 1 WHERE key = $1`, int64(t.Conversation)); err != nil {
		return fmt.Errorf("drop turn: %w", err)
	}
	return nil
}

// renewLease works on the database's clock only.
func (x single) renewLease(ctx context.Context, s store.RenewLease) (any, error) {
	if _, err := x.Exec(ctx, `INSERT INTO node (id, boot, expires_at) VALUES ($1, 0, 0) ON CONFLICT (id) DO NOTHING`, s.Node); err != nil {
		return nil, fmt.Errorf("add node: %w", err)
	}
	// The update locks the row before it is read.
	if _, err := x.Exec(ctx, `UPDATE node SET boot = boot WHERE id = $1`, s.Node); err != nil {
		return nil, fmt.Errorf("lock node: %w", err)
	}
	var boot, expires, now int64
	if _, err := x.one(ctx, func(r Row) error { return r.Scan(&boot, &expires, &now) },
		`SELECT boot, expires_at, `+x.engine.Clock()+` FROM node WHERE id = $1`, s.Node); err != nil {
		return nil, fmt.Errorf("read node: %w", err)
	}
	if s.Boot == 0 || s.Boot != boot || expires <= now {
		boot = max(boot, s.Boot) + 1
	}
	until := now + s.Life.Milliseconds()
	if _, err := x.Exec(ctx, `UPDATE node SET boot = $1, expires_at = $2 WHERE id = $3`, boot, until, s.Node); err != nil {
		return nil, fmt.Errorf("renew lease: %w", err)
	}
	return store.RenewedLease{Boot: boot, Until: timeOf(until)}, nil
}

// expiring are the tables whose rows end by themselves, with their keys.
var expiring = []struct{ table, key string }{
	{"dedupe", "channel, key"},
	{"raw", "key"},
	{"single_use", "kind, key"},
	{"reader", "conversation, reader"},
}

func (x single) sweep(ctx context.Context, s store.Sweep) (any, error) {
	limit := int64(s.Limit)
	if limit <= 0 {
		limit = 1000
	}
	var out store.Swept
	for _, t := range expiring {
		n, err := x.Exec(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE expires_at <= $1 LIMIT $2)`, t.table, t.key),
			millis(s.Now), limit)
		if err != nil {
			return nil, fmt.Errorf("sweep %s: %w", t.table, err)
		}
		out.Rows += int(n)
		out.More = out.More || n == limit
	}
	if err := x.sweepDeliveries(ctx, s.Now, limit, &out); err != nil {
		return nil, err
	}
	return out, nil
}

func (x single) setMeta(ctx context.Context, s setMeta) (any, error) {
	if _, err := x.Exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, s.name, s.value); err != nil {
		return nil, fmt.Errorf("set %s: %w", s.name, err)
	}
	var value []byte
	_, err := x.one(ctx, func(r Row) error { return r.Scan(&value) }, `SELECT value FROM meta WHERE name = $1`, s.name)
	return value, err
}

// putCatalog stores versions. Another node that stores at the same moment takes
// the same revision, and one of the two is told to try again.
func (x single) putCatalog(ctx context.Context, s store.PutCatalog) (any, error) {
	var revision int64
	if _, err := x.one(ctx, func(r Row) error { return r.Scan(&revision) }, `SELECT COALESCE(MAX(revision), 0) FROM revision`); err != nil {
		return nil, fmt.Errorf("read the catalog's revision: %w", err)
	}
	if s.Base != revision {
		return nil, fault.New(fault.Conflict, "the catalog has changed meanwhile: it is at revision %d, the change was made for %d; read it again and repeat the change", revision, s.Base)
	}
	out := store.StoredRevision{Revision: revision}
	var err error
	if out.Dropped, err = x.dropGone(ctx, s); err != nil {
		return nil, err
	}
	if len(s.Items) == 0 && len(s.Secrets) == 0 {
		return out, nil
	}
	out.Revision++
	now := millis(s.Now)
	if _, err := x.Exec(ctx, `INSERT INTO revision (revision, actor, note, created_at) VALUES ($1, $2, $3, $4)`, out.Revision, s.Actor, s.Note, now); err != nil {
		return nil, fmt.Errorf("take a revision: %w", err)
	}
	for _, item := range s.Items {
		version, err := x.putItem(ctx, item, out.Revision, now)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, version)
	}
	for _, secret := range s.Secrets {
		if err := x.putSecret(ctx, secret, now); err != nil {
			return nil, err
		}
	}
	_, err = x.Exec(ctx, `INSERT INTO audit (key, at, actor, verb, subject, note) VALUES ($1, $2, $3, $4, $5, $6)`,
		x.keys.take(), now, s.Actor, "catalog.put", fmt.Sprintf("revision %d", out.Revision), s.Note)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return out, nil
}

func (x single) putItem(ctx context.Context, item store.Item, revision, now int64) (int64, error) {
	var version int64
	if _, err := x.one(ctx, func(r Row) error { return r.Scan(&version) },
		`SELECT COALESCE(MAX(version), 0) + 1 FROM item WHERE kind = $1 AND name = $2`, string(item.Kind), item.Name); err != nil {
		return 0, fmt.Errorf("read versions: %w", err)
	}
	if item.Published {
		if _, err := x.Exec(ctx, `UPDATE item SET published = 0 WHERE kind = $1 AND name = $2 AND published = 1`, string(item.Kind), item.Name); err != nil {
			return 0, fmt.Errorf("replace the published version: %w", err)
		}
	}
	body := item.Body
	if body == nil {
		body = []byte{}
	}
	_, err := x.Exec(ctx, `INSERT INTO item (kind, name, version, published, deleted, body, revision, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		string(item.Kind), item.Name, version, flag(item.Published), flag(item.Deleted), body, revision, now)
	if err != nil {
		return 0, fmt.Errorf("store %s %s: %w", item.Kind, item.Name, err)
	}
	return version, nil
}

func (x single) putSecret(ctx context.Context, secret store.SealedSecret, now int64) error {
	var err error
	if len(secret.Sealed) == 0 {
		_, err = x.Exec(ctx, `DELETE FROM secret WHERE id = $1`, secret.ID)
	} else {
		_, err = x.Exec(ctx, `INSERT INTO secret (id, sealed, changed_at) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, changed_at = excluded.changed_at`, secret.ID, secret.Sealed, now)
	}
	if err != nil {
		return fmt.Errorf("store a secret: %w", err)
	}
	return nil
}
