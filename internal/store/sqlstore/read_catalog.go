package sqlstore

import (
	"context"
	"fmt"

	"parley/internal/fault"
	"parley/internal/store"
)

// CatalogRevision implements [store.Catalog].
func (q *Reader) CatalogRevision(ctx context.Context) (int64, error) {
	var revision int64
	_, err := q.one(ctx, "the catalog's revision", func(r Row) error { return r.Scan(&revision) }, "SELECT COALESCE(MAX(revision), 0) FROM revision")
	return revision, err
}

const itemColumns = "i.kind, i.name, i.version, i.published, i.deleted, i.body, i.revision, i.created_at"

func scanItem(r Row, more ...any) (store.Item, error) {
	var item store.Item
	var kind string
	var published, deleted, created int64
	err := r.Scan(append([]any{&kind, &item.Name, &item.Version, &published, &deleted, &item.Body, &item.Revision, &created}, more...)...)
	item.Kind, item.Published, item.Deleted, item.CreatedAt = store.ItemKind(kind), published != 0, deleted != 0, timeOf(created)
	return item, err
}

func (q *Reader) items(ctx context.Context, where string, args ...any) ([]store.Item, error) {
	all := []store.Item{}
	err := q.rows(ctx, "catalog items", func(r Row) error {
		item, err := scanItem(r)
		all = append(all, item)
		return err
	}, "SELECT "+itemColumns+" FROM item i "+where, args...)
	return all, err
}

// PublishedItems implements [store.Catalog]. Items and revision are read in one
// statement, so that they belong together.
func (q *Reader) PublishedItems(ctx context.Context) ([]store.Item, int64, error) {
	all := []store.Item{}
	var revision int64
	err := q.rows(ctx, "the catalog", func(r Row) error {
		item, err := scanItem(r, &revision)
		if item.Name != "" {
			all = append(all, item)
		}
		return err
	}, `SELECT COALESCE(i.kind, ''), COALESCE(i.name, ''), COALESCE(i.version, 0), COALESCE(i.published, 0), COALESCE(i.deleted, 0),
			i.body, COALESCE(i.revision, 0), COALESCE(i.created_at, 0), m.revision
		FROM (SELECT COALESCE(MAX(revision), 0) AS revision FROM revision) m
		LEFT JOIN item i ON i.published = 1 AND i.deleted = 0 ORDER BY i.kind, i.name`)
	return all, revision, err
}

// ItemVersion implements [store.Catalog].
func (q *Reader) ItemVersion(ctx context.Context, kind store.ItemKind, name string, version int64) (store.Item, error) {
	all, err := q.items(ctx, "WHERE i.kind = $1 AND i.name = $2 AND i.version = $3", safeText(string(kind), maxKey), safeText(name, maxKey), version)
	if err != nil {
		return store.Item{}, err
	}
	if len(all) == 0 {
		return store.Item{}, fault.New(fault.NotFound, "there is no version %d of %s %q", version, kind, name)
	}
	return all[0], nil
}

// ItemVersions implements [store.Catalog].
func (q *Reader) ItemVersions(ctx context.Context, kind store.ItemKind, name string) ([]store.Item, error) {
	return q.items(ctx, "WHERE i.kind = $1 AND i.name = $2 ORDER BY i.version DESC", safeText(string(kind), maxKey), safeText(name, maxKey))
}

// Secrets implements [store.Catalog].
func (q *Reader) Secrets(ctx context.Context, ids []string) (map[string][]byte, error) {
	found := make(map[string][]byte, len(ids))
	err := inChunks(ids, func(chunk []string) error {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = safeText(id, maxKey)
		}
		return q.rows(ctx, "secrets", func(r Row) error {
			var id string
			var sealed []byte
			err := r.Scan(&id, &sealed)
			found[id] = sealed
			return err
		}, "SELECT s.id, s.sealed FROM secret s WHERE s.id IN ("+parameters(len(chunk))+")", args...)
	})
	return found, err
}

// MetaValue implements [store.Meta].
func (q *Reader) MetaValue(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	_, err := q.one(ctx, "meta value", func(r Row) error { return r.Scan(&value) }, "SELECT value FROM meta WHERE name = $1", safeText(name, maxKey))
	return value, err
}

// SetMetaValue implements [store.Meta].
func (w *Writer) SetMetaValue(ctx context.Context, name string, value []byte) ([]byte, error) {
	if err := keyText("name", name); err != nil {
		return nil, err
	}
	if value == nil {
		value = []byte{}
	}
	got, err := w.submit(ctx, setMeta{name: name, value: value})
	if err != nil {
		return nil, err
	}
	stored, ok := got.([]byte)
	if !ok {
		return nil, fmt.Errorf("set %s: unexpected outcome %T", name, got)
	}
	return stored, nil
}

// Count fills the counters of [store.Stats].
func (q *Reader) Count(ctx context.Context, s *store.Stats) error {
	_, err := q.one(ctx, "figures", func(r Row) error {
		return r.Scan(&s.SchemaVersion, &s.Conversations, &s.OpenEpisodes, &s.OpenTurns, &s.FailedTurns, &s.OpenDeliveries, &s.FailedDeliveries)
	}, `SELECT (SELECT COALESCE(MAX(version), 0) FROM migration), (SELECT COUNT(*) FROM conversation),
		(SELECT COUNT(*) FROM episode WHERE closed_at = 0), (SELECT COUNT(*) FROM turn WHERE status IN (1, 2)),
		(SELECT COUNT(*) FROM turn WHERE status = 4),
		(SELECT COUNT(*) FROM delivery WHERE status IN (1, 2, 3)), (SELECT COUNT(*) FROM delivery WHERE status = 5)`)
	return err
}
