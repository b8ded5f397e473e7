package conversation

import (
	"context"
	"log/slog"
	"time"

	"parley/internal/assistant"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// Store is the part of the store the service uses.
type Store interface {
	store.Writer
	Handling(ctx context.Context, key chat.ConversationKey) (store.Handling, error)
	Conversation(ctx context.Context, key chat.ConversationKey) (chat.Conversation, error)
	EntriesBetween(ctx context.Context, key chat.ConversationKey, first, last int64) ([]chat.Entry, error)
	Turns(ctx context.Context, f store.TurnFilter) ([]chat.Turn, error)
}

// Chosen is an assistant in one version.
type Chosen struct {
	Name      string
	Version   int64
	Assistant assistant.Assistant
}

// Assistants finds who answers.
type Assistants interface {
	// ForChannel returns the published assistant of a channel.
	ForChannel(id chat.ChannelID) (Chosen, error)
	// At returns one version of an assistant, published or not.
	At(ctx context.Context, name string, version int64) (Chosen, error)
}

// Announcer hears of everything that was committed.
type Announcer interface {
	Announce(channel.News)
}

// Desk tells whether a person can be reached.
type Desk interface {
	// Reachable reports whether somebody serves the queue at all.
	Reachable(queue string) bool
}

// NoDesk is the desk of an owner who has configured none.
type NoDesk struct{}

// Reachable is false: there is nobody.
func (NoDesk) Reachable(string) bool { return false }

// Options are what a service needs. All fields without a default are required.
type Options struct {
	Store      Store
	Assistants Assistants
	Announcer  Announcer
	// Desk defaults to [NoDesk].
	Desk Desk
	// Check refuses content that the channel's clients could not show; the
	// gateway then says its plain text instead. It defaults to accepting all.
	Check func(chat.ChannelID, chat.Content) error
	// Offer, if set, has instant answers sent without being claimed first.
	Offer Offer
	// Owner names this node's claim; it changes when a lease lapsed.
	Owner  func() store.Owner
	Logger *slog.Logger
	// Now is the clock; it defaults to time.Now.
	Now    func() time.Time
	Policy Policy
	// Observe, if set, hears of ended turns.
	Observe Observer
}

// Observer counts what happens to turns.
type Observer interface {
	// TurnEnded is told the result ("folded", "answered", "late", "postponed",
	// "failed", "lost") and how long the answer took.
	TurnEnded(result string, took time.Duration)
}

// Policy are the limits of turns and episodes.
type Policy struct {
	// Idle is the silence after which the next message opens a new episode.
	Idle time.Duration
	// TurnTimeout bounds one attempt.
	TurnTimeout time.Duration
	// Attempts is how often a turn is tried before it fails.
	Attempts int
	// FirstRetry and LastRetry bound the back-off between attempts.
	FirstRetry, LastRetry time.Duration
	// Running bounds the turns that run at once on this node.
	Running int
	// Tick is how often due turns without a living owner are looked for.
	Tick time.Duration
	// DedupeLife is how long a repeat of an inbound entry is recognised.
	DedupeLife time.Duration
	// RawLife is how long the raw input is kept.
	RawLife time.Duration
}

// DefaultPolicy returns the limits that hold without configuration.
func DefaultPolicy() Policy {
	return Policy{
		Idle:        24 * time.Hour,
		TurnTimeout: time.Minute,
		Attempts:    5,
		FirstRetry:  time.Second,
		LastRetry:   30 * time.Second,
		Running:     256,
		Tick:        time.Second,
		DedupeLife:  48 * time.Hour,
		RawLife:     30 * 24 * time.Hour,
	}
}
