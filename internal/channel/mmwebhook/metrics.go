package mmwebhook

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// What became of a call; labels of the metrics.
const (
	resultAccepted = "accepted"
	resultRepeat   = "repeat"
	resultLoop     = "loop"
	resultEmpty    = "empty"
	resultBadToken = "bad_token"
	resultInvalid  = "invalid"
	resultFailed   = "failed"
	resultUnknown  = "unknown_address"
	resultExpired  = "expired"
	resultForeign  = "not_theirs"
)

// metrics are the driver's counters.
type metrics struct {
	posts   *prometheus.CounterVec
	answers *prometheus.CounterVec
	clicks  *prometheus.CounterVec
	loops   *prometheus.CounterVec
	age     prometheus.Histogram
	panics  prometheus.Counter
}

// newMetrics makes the counters and registers them when there is a registry.
func newMetrics(to prometheus.Registerer) (*metrics, error) {
	const namespace, subsystem = "parley", "mattermost_webhook"
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	m := &metrics{
		posts:   vec("posts_total", "Calls of outgoing webhooks by channel and result; the channel is empty for an unknown address.", "channel", "result"),
		answers: vec("answers_total", "Instant answers brought in the response (carried), and responses that Mattermost did not take (lost).", "channel", "result"),
		clicks:  vec("clicks_total", "Pressed buttons by result.", "result"),
		loops:   vec("loops_total", "Times the loop breaker stopped answering somebody.", "channel"),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "post_age_seconds",
			Help: "Age of posts when they arrive, by Mattermost's clock and ours.", Buckets: []float64{.05, .2, 1, 5, 30, 300}}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: "panics_total",
			Help: "Panics that were caught; each is a mistake in the program."}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.posts, m.answers, m.clicks, m.loops, m.age, m.panics} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register mattermost-webhook metrics: %w", err)
		}
	}
	return m, nil
}
