package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
	"parley/internal/telemetry"
)

// metrics are the service's counters. Their labels are channels of the catalog
// and one name for all others, so they stay few.
type metrics struct {
	label  func(chat.ChannelID) string
	total  *prometheus.CounterVec
	parts  *prometheus.CounterVec
	again  *prometheus.CounterVec
	found  *prometheus.CounterVec
	second *prometheus.HistogramVec
}

// elsewhere labels channels that are not in the catalog.
const elsewhere = "(none)"

func newMetrics(s *Service) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: telemetry.Namespace, Subsystem: "delivery", Name: name, Help: help}, labels)
	}
	m := &metrics{
		label: s.label,
		total: vec("attempts_total", "Attempts at deliveries, by channel and result.", "channel", "result"),
		parts: vec("parts_total", "Parts the far side has taken, by channel.", "channel"),
		again: vec("sent_again_total", "Parts sent again although they may have arrived, because the far side cannot be asked.", "channel"),
		found: vec("found_total", "Parts that had arrived although no answer came, found before they were sent again.", "channel"),
		second: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Subsystem: "delivery", Name: "seconds",
			Help: "Time from an entry's commit until the far side had all of it, by channel.", Buckets: telemetry.LatencyBuckets(),
		}, []string{"channel"}),
	}
	if s.Metrics == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.total, m.parts, m.again, m.found, m.second, collector{s}} {
		if err := s.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register delivery metrics: %w", err)
		}
	}
	return m, nil
}

// named is what logs call a channel: its name or, once that is forgotten, its id.
func (s *Service) named(ch chat.ChannelID) string {
	if s.ChannelName != nil {
		if name := s.ChannelName(ch); name != "" {
			return name
		}
	}
	return string(ch)
}

// label is what metrics call a channel. All that have no name are one, so that
// labels stay few.
func (s *Service) label(ch chat.ChannelID) string {
	if s.ChannelName != nil {
		if name := s.ChannelName(ch); name != "" {
			return name
		}
		return elsewhere
	}
	if _, ok := s.SenderFor(ch); ok {
		return string(ch)
	}
	return elsewhere
}

func (m *metrics) ended(ch chat.ChannelID, result string) {
	m.total.WithLabelValues(m.label(ch), result).Inc()
}
func (m *metrics) partSent(ch chat.ChannelID)   { m.parts.WithLabelValues(m.label(ch)).Inc() }
func (m *metrics) sentAgain(ch chat.ChannelID)  { m.again.WithLabelValues(m.label(ch)).Inc() }
func (m *metrics) foundAgain(ch chat.ChannelID) { m.found.WithLabelValues(m.label(ch)).Inc() }
func (m *metrics) took(ch chat.ChannelID, d time.Duration) {
	m.second.WithLabelValues(m.label(ch)).Observe(d.Seconds())
}

// collector reads what changes by itself when somebody asks.
type collector struct{ s *Service }

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(telemetry.Namespace, "delivery", name), help, []string{"channel"}, nil)
}

var (
	openDesc    = gauge("open", "Deliveries that wait or are under way, on all nodes.")
	failedDesc  = gauge("failed", "Deliveries that were given up and neither sent again nor dropped.")
	oldestDesc  = gauge("oldest_open_seconds", "Age of the oldest open delivery; 0 for none.")
	shutDesc    = gauge("endpoint_shut", "1 while this node sends an endpoint nothing but probes.")
	runningDesc = prometheus.NewDesc(prometheus.BuildFQName(telemetry.Namespace, "delivery", "running"), "Deliveries this node has in hand.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{openDesc, failedDesc, oldestDesc, shutDesc, runningDesc} {
		to <- d
	}
}

// collectPatience bounds the reading of counts for one scrape.
const collectPatience = 2 * time.Second

// Collect implements [prometheus.Collector]. Without the store only what this
// node knows is shown.
func (c collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectPatience)
	defer cancel()
	to <- prometheus.MustNewConstMetric(runningDesc, prometheus.GaugeValue, float64(c.s.work.running()))
	type figures struct{ open, failed, oldest, shut float64 }
	byLabel := make(map[string]figures)
	status, err := c.s.Status(ctx)
	if err != nil {
		return
	}
	now := c.s.Now()
	for _, e := range status.Endpoints {
		label := c.s.label(e.Channel)
		f := byLabel[label]
		f.open += float64(e.Open)
		f.failed += float64(e.Failed)
		if !e.OldestOpen.IsZero() {
			f.oldest = max(f.oldest, now.Sub(e.OldestOpen).Seconds())
		}
		if e.State != EndpointOpen {
			f.shut = 1
		}
		byLabel[label] = f
	}
	for label, f := range byLabel {
		for d, v := range map[*prometheus.Desc]float64{openDesc: f.open, failedDesc: f.failed, oldestDesc: f.oldest, shutDesc: f.shut} {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
		}
	}
}
