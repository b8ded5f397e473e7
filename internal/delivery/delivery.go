// Package delivery brings entries to the far side of push legs: it claims due
// deliveries, has the channel's driver send them part by part, judges what came
// of it, and tries again.
//
// Nothing is sent that is not stored first: parts are rendered once, with keys
// of their own, and a part's reference is stored before the next part is sent.
// So a delivery is at least once, and exactly once wherever the far side can be
// asked for a part that may have arrived.
//
// The head of a leg holds up its leg and nothing else. An endpoint (a channel)
// that does not answer is left alone but for one probe at a time, and its
// deliveries are due at once when it answers again.
package delivery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/store"
)

// Store is the part of the store the service uses.
type Store interface {
	store.Writer
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]chat.Delivery, error)
	DeliveryCounts(ctx context.Context) ([]store.DeliveryCount, error)
}

// Options are what a service needs. All fields without a default are required.
type Options struct {
	Store Store
	// SenderFor finds who sends for a channel. It is false for a channel that
	// is not in force: its deliveries wait, until they are given up.
	SenderFor func(chat.ChannelID) (channel.Sender, bool)
	// ChannelName is what a channel is called in metrics; empty for one that is
	// not in the catalog. Without it the id is used.
	ChannelName func(chat.ChannelID) string
	// Owner names this node's claims; it changes when a lease lapsed, and is
	// zero while there is none.
	Owner  func() store.Owner
	Logger *slog.Logger
	// Now is the clock; it defaults to time.Now.
	Now    func() time.Time
	Policy Policy
	// Metrics, if set, gets the service's metrics.
	Metrics prometheus.Registerer
	// OnFailed, if set, hears of every delivery that has failed for good, after
	// that is stored. It may block only as long as a store step takes.
	OnFailed func(context.Context, Failure)
}

// Failure is a delivery that was given up.
type Failure struct {
	Delivery     chat.Delivery
	Conversation chat.ConversationID
	// Error is for operators; secrets are blanked.
	Error string
}

// Policy are the limits of sending.
type Policy struct {
	// PerEndpoint bounds the deliveries of one channel that are under way at
	// once, on all nodes together.
	PerEndpoint int
	// Running bounds those under way on this node, Batch those of one claim.
	Running, Batch int
	// SendTimeout bounds one request to the far side.
	SendTimeout time.Duration
	// FirstRetry and LastRetry bound the pause after a temporary failure: a
	// random time up to FirstRetry, doubled with each attempt up to LastRetry.
	FirstRetry, LastRetry time.Duration
	// MaxDelay bounds the pause a far side may ask for.
	MaxDelay time.Duration
	// GiveUpAfter is the age at which a temporary failure becomes one for good,
	// but not before GiveUpAttempts attempts: a delivery may grow old behind
	// others of its leg, or while the far side limits us.
	GiveUpAfter    time.Duration
	GiveUpAttempts int
	// DefectAttempts is how often a delivery is tried that keeps failing by a
	// mistake in the program.
	DefectAttempts int
	// BreakAfter consecutive failures of an endpoint close it to all but one
	// probe at a time, at pauses that grow from FirstRetry to LastProbe.
	BreakAfter int
	LastProbe  time.Duration
	// Tick is how often due deliveries are looked for without being told.
	Tick time.Duration
}

// DefaultPolicy returns the limits that hold without configuration.
func DefaultPolicy() Policy {
	return Policy{
		PerEndpoint:    8,
		Running:        256,
		Batch:          64,
		SendTimeout:    30 * time.Second,
		FirstRetry:     time.Second,
		LastRetry:      5 * time.Minute,
		MaxDelay:       15 * time.Minute,
		GiveUpAfter:    24 * time.Hour,
		GiveUpAttempts: 3,
		DefectAttempts: 5,
		BreakAfter:     5,
		LastProbe:      time.Minute,
		Tick:           time.Second,
	}
}

// Service sends the deliveries of this node's share.
type Service struct {
	Options
	metrics *metrics
	gates   *gates
	work    *work
	wake    chan struct{}
	// doubt is set while the store may count on this node for a delivery that
	// nobody here has in hand; orphans are such deliveries by name, and are
	// Run's alone.
	doubt   atomic.Bool
	orphans []*job

	// sends ends the requests under way, at Run's end.
	sends context.Context
	stop  context.CancelFunc
}

// New returns a service that sends once [Service.Run] runs. Its error is that
// of the registry.
func New(o Options) (*Service, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{Options: o, gates: newGates(o.Policy), work: newWork(), wake: make(chan struct{}, 1)}
	s.sends, s.stop = context.WithCancel(context.Background())
	var err error
	s.metrics, err = newMetrics(s)
	return s, err
}

// Wake has due deliveries looked for at once. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Retry says that an endpoint is worth another try: its driver has connected
// again, or its settings were changed. If it was found dead, its deliveries are
// tried now. It never blocks.
func (s *Service) Retry(ch chat.ChannelID) {
	if s.gates.retry(ch, s.Now()) {
		s.Wake()
	}
}

// Run sends what is due until ctx ends. Then it claims nothing more, waits for
// what is under way for at most grace, ends the rest, gives back what was
// certainly not sent, and returns.
func (s *Service) Run(ctx context.Context, grace time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.drain(grace)
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.round(ctx))
	}
}

func (s *Service) drain(grace time.Duration) {
	done := s.work.close()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	s.stop()
	<-done
}
