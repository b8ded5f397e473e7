// Package catalogtest has stand-ins for what the catalog works with: a store in
// memory, a kind of assistant and a type of channel that keep the contracts.
package catalogtest

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/store"
)

// Store keeps a catalog in memory.
type Store struct {
	mu       sync.Mutex
	revision int64
	items    []store.Item
	secrets  map[string][]byte
	puts     []store.PutCatalog
	failing  error
	// Open is how many deliveries wait for each channel.
	Open map[chat.ChannelID]int64
	// BeforePut, if set, is called before each put without a lock held.
	BeforePut func()
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{secrets: map[string][]byte{}} }

// Fail makes every call fail until it is given nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// Puts returns what was stored so far.
func (s *Store) Puts() []store.PutCatalog {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.puts)
}

// Everything returns every byte that is at rest.
func (s *Store) Everything() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []byte
	for _, item := range s.items {
		all = append(all, item.Body...)
	}
	for id, sealed := range s.secrets {
		all = append(append(all, id...), sealed...)
	}
	for _, p := range s.puts {
		all = append(append(all, p.Actor...), p.Note...)
	}
	return all
}

// SecretIDs lists the ids of the stored secrets, sorted.
func (s *Store) SecretIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for id := range s.secrets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Commit implements [store.Writer] for [store.PutCatalog].
func (s *Store) Commit(_ context.Context, step store.Step) (any, error) {
	put, ok := step.(store.PutCatalog)
	if !ok {
		return nil, fault.New(fault.Invalid, "this store keeps a catalog only")
	}
	if s.BeforePut != nil {
		s.BeforePut()
	}
	return s.Put(put)
}

// Put stores a change as an engine does.
func (s *Store) Put(put store.PutCatalog) (store.StoredRevision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return store.StoredRevision{}, s.failing
	}
	if put.Base != s.revision {
		return store.StoredRevision{}, fault.New(fault.Conflict, "the catalog has changed meanwhile")
	}
	var out store.StoredRevision
	for _, id := range put.Gone {
		out.Dropped += s.Open[id]
		delete(s.Open, id)
	}
	if out.Revision = s.revision; len(put.Items)+len(put.Secrets) == 0 {
		return out, nil
	}
	s.revision++
	s.puts = append(s.puts, put)
	out.Revision = s.revision
	for _, item := range put.Items {
		item.Version = 1
		for i := range s.items {
			if old := &s.items[i]; old.Kind == item.Kind && old.Name == item.Name {
				item.Version = max(item.Version, old.Version+1)
				old.Published = old.Published && !item.Published
			}
		}
		item.Revision, item.CreatedAt = s.revision, put.Now
		s.items = append(s.items, item)
		out.Versions = append(out.Versions, item.Version)
	}
	for _, secret := range put.Secrets {
		if len(secret.Sealed) == 0 {
			delete(s.secrets, secret.ID)
			continue
		}
		s.secrets[secret.ID] = secret.Sealed
	}
	return out, nil
}

// CatalogRevision implements [store.Catalog].
func (s *Store) CatalogRevision(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.failing
}

// PublishedItems implements [store.Catalog].
func (s *Store) PublishedItems(context.Context) ([]store.Item, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Item
	for _, item := range s.items {
		if item.Published && !item.Deleted {
			all = append(all, item)
		}
	}
	slices.SortFunc(all, func(a, b store.Item) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all, s.revision, s.failing
}

// ItemVersion implements [store.Catalog].
func (s *Store) ItemVersion(_ context.Context, kind store.ItemKind, name string, version int64) (store.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range s.items {
		if item.Kind == kind && item.Name == name && item.Version == version {
			return item, s.failing
		}
	}
	return store.Item{}, fault.New(fault.NotFound, "there is no such version")
}

// ItemVersions implements [store.Catalog].
func (s *Store) ItemVersions(_ context.Context, kind store.ItemKind, name string) ([]store.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []store.Item
	for _, item := range s.items {
		if item.Kind == kind && item.Name == name {
			all = append(all, item)
		}
	}
	slices.Reverse(all)
	return all, s.failing
}

// Secrets implements [store.Catalog].
func (s *Store) Secrets(_ context.Context, ids []string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string][]byte{}
	for _, id := range ids {
		if sealed, ok := s.secrets[id]; ok {
			found[id] = sealed
		}
	}
	return found, s.failing
}
