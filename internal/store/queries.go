package store

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Handling is how a conversation is being handled now.
type Handling struct {
	// Episode is the newest one; its Open method tells whether it is open. The
	// zero episode means that there was none yet.
	Episode chat.Episode
	// OpenTurns counts waiting and claimed turns.
	OpenTurns int
	// LastMark is the mark of the newest entry the contact sees.
	LastMark chat.Mark
}

// ConversationFilter narrows a list of conversations.
type ConversationFilter struct {
	Channel chat.ChannelID
	// Search matches a part of the place key or of the contact's external id.
	Search string
	// Before continues a list: only conversations with a smaller key.
	Before chat.ConversationKey
	// Limit is 1 to 500; 0 means 50.
	Limit int
}

// TurnFilter narrows a list of turns.
type TurnFilter struct {
	Conversation chat.ConversationKey
	// Status is empty for all.
	Status chat.TurnStatus
	// Limit is 1 to 500; 0 means 50. Newest first.
	Limit int
}

// Conversations reads conversations and their entries.
type Conversations interface {
	Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error)
	ConversationByID(ctx context.Context, id chat.ConversationID) (chat.Conversation, error)
	ConversationByPlace(ctx context.Context, channel chat.ChannelID, place string) (chat.Conversation, error)
	// ListConversations returns the newest made first.
	ListConversations(ctx context.Context, f ConversationFilter) ([]chat.Conversation, error)
	Handling(ctx context.Context, key chat.ConversationKey) (Handling, error)
	// Entries returns entries with a sequence number above after, in order.
	// Edits and deletions are listed and already applied to their targets.
	Entries(ctx context.Context, key chat.ConversationKey, after int64, limit int) ([]chat.Entry, error)
	// EntriesBetween returns entries with first <= seq <= last, in order.
	EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error)
	VisiblePage(ctx context.Context, key chat.ConversationKey, page chat.Page) (chat.VisiblePage, error)
	// Heads returns the newest sequence number of each conversation.
	Heads(ctx context.Context, keys []chat.ConversationKey) (map[chat.ConversationKey]int64, error)
	Turns(ctx context.Context, f TurnFilter) ([]chat.Turn, error)
	// Confirmed returns how far the reader has certainly read: the reader's own
	// row, else the newest of any reader of the conversation. found is false
	// when nobody has confirmed anything.
	Confirmed(ctx context.Context, key chat.ConversationKey, reader string) (seq int64, found bool, err error)
	// Raw returns the stored input of an entry, or fault.NotFound.
	Raw(ctx context.Context, key chat.ConversationKey, seq int64) ([]byte, error)
	// Person returns the identity behind a conversation.
	Person(ctx context.Context, contact chat.ContactKey, channel chat.ChannelID) (chat.Person, error)
}

// Catalog reads the catalog.
type Catalog interface {
	// CatalogRevision is 0 before the first [PutCatalog].
	CatalogRevision(ctx context.Context) (int64, error)
	// PublishedItems returns the version in force of every item that is not
	// deleted, sorted by kind and name, and the revision they belong to.
	PublishedItems(ctx context.Context) ([]Item, int64, error)
	// ItemVersion returns one version, or fault.NotFound.
	ItemVersion(ctx context.Context, kind ItemKind, name string, version int64) (Item, error)
	// ItemVersions lists the versions of a name, newest first.
	ItemVersions(ctx context.Context, kind ItemKind, name string) ([]Item, error)
	// Secrets returns the sealed values of the given ids; missing ones are
	// left out.
	Secrets(ctx context.Context, ids []string) (map[string][]byte, error)
}

// Meta is small facts about the data as a whole, such as the key canary.
type Meta interface {
	// MetaValue returns nil when the name has no value.
	MetaValue(ctx context.Context, name string) ([]byte, error)
	// SetMetaValue stores a value only if the name has none yet, and returns
	// the value that is stored now.
	SetMetaValue(ctx context.Context, name string, value []byte) ([]byte, error)
}

// Stats are figures for operators.
type Stats struct {
	Engine        string
	SchemaVersion int64
	Conversations int64
	OpenEpisodes  int64
	OpenTurns     int64
	FailedTurns   int64
	// OpenDeliveries wait or are being sent; FailedDeliveries were given up.
	OpenDeliveries, FailedDeliveries int64
	// QueuedSteps and LastCommit describe the writer of this node.
	QueuedSteps int
	// Bytes is the size of the database; 0 when unknown.
	Bytes int64
	// DatabaseTime is the database's clock.
	DatabaseTime time.Time
}

// Store is everything an engine offers. Consumers declare the part they use;
// the whole exists for wiring and for the behaviour suite.
type Store interface {
	Writer
	Conversations
	Deliveries
	Catalog
	Tokens
	Meta
	Stats(ctx context.Context) (Stats, error)
	// Ping writes nothing and reports whether the database answers and, as far
	// as the writer knows, takes commits.
	Ping(ctx context.Context) error
	// Backup writes a consistent copy to a new folder while steps go on being
	// committed. Its form is the engine's own and is what Restore reads.
	Backup(ctx context.Context, dir string) error
	// Close waits for queued steps, then closes the database.
	Close() error
}
