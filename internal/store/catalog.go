package store

import (
	"time"

	"parley/internal/chat"
)

// ItemKind is a family of catalog items.
type ItemKind string

// The kinds of catalog items.
const (
	ItemAssistant ItemKind = "assistant"
	ItemChannel   ItemKind = "channel"
	ItemDesk      ItemKind = "desk"
	ItemRoute     ItemKind = "route"
)

// Item is one version of a catalog item.
type Item struct {
	Kind ItemKind
	// Name is unique within the kind.
	Name string
	// Version grows by one per name with each stored version, from 1.
	Version int64
	// Published marks the version in force; a name has at most one. A higher
	// version that is not published is its draft.
	Published bool
	// Deleted marks a version that says the item is gone.
	Deleted bool
	// Body is the item as JSON, without secrets.
	Body []byte
	// Revision is the catalog revision that stored this version.
	Revision  int64
	CreatedAt time.Time
}

// SealedSecret is a secret at rest.
type SealedSecret struct {
	// ID is also the additional data of the seal.
	ID string
	// Sealed is empty to delete the secret.
	Sealed []byte
}

// PutCatalog stores new versions of items and their secrets in one commit.
type PutCatalog struct {
	// Base is the revision the caller read; when it moved, nothing is stored
	// and the error is a fault.Conflict.
	Base int64
	// Items are new versions; Version, Revision and CreatedAt are given out
	// here. Published ones replace the version in force.
	Items   []Item
	Secrets []SealedSecret
	// Gone are channels that are in force no more. Their open deliveries are
	// dropped with [ChannelGone] as their error, also when there are no Items:
	// whoever is sending one right now finds its claim lost.
	Gone []chat.ChannelID
	// Actor and Note are for the audit row: ids and verbs only.
	Actor string
	Note  string
	Now   time.Time
}

// ChannelGone is the last error of deliveries that [PutCatalog] has dropped.
const ChannelGone = "its channel was deleted"

// StoredRevision is the outcome of [PutCatalog].
type StoredRevision struct {
	// Revision is the catalog's revision now; unchanged when Items and Secrets
	// are empty.
	Revision int64
	// Versions are the versions given to Items, in their order.
	Versions []int64
	// Dropped is how many open deliveries of Gone were dropped.
	Dropped int64
}
