package mattermost

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the driver's counters.
type metrics struct {
	posts     *prometheus.CounterVec
	recovered *prometheus.CounterVec
	late      *prometheus.CounterVec
	loops     *prometheus.CounterVec
	reconnect *prometheus.CounterVec
	clicks    *prometheus.CounterVec
	skipped   *prometheus.CounterVec
	panics    prometheus.Counter
}

// newMetrics makes the counters and registers them when there is a registry.
func newMetrics(to prometheus.Registerer, d *Driver) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "parley", Subsystem: "mattermost", Name: name, Help: help}, labels)
	}
	m := &metrics{
		posts:     vec("posts_total", "Posts seen, by channel and by what was done with them: accepted, late, agent, or why they were ignored.", "channel", "result"),
		recovered: vec("recovered_posts_total", "Posts accepted that were made while the link was down.", "channel"),
		late:      vec("late_posts_total", "Posts stored and not answered because they were too old.", "channel"),
		loops:     vec("loops_total", "Times the loop breaker stopped answering somebody.", "channel"),
		reconnect: vec("connections_total", "Connections by how they began: resumed or anew.", "channel", "how"),
		clicks:    vec("clicks_total", "Presses of buttons by what was done with them.", "result"),
		skipped:   vec("unreadable_total", "Posts and changes that could not be taken and were left behind.", "channel"),
		panics:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "parley", Subsystem: "mattermost", Name: "panics_total", Help: "Panics that were caught; each is a mistake in the program."}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.posts, m.recovered, m.late, m.loops, m.reconnect, m.clicks, m.skipped, m.panics, linkCollector{d}} {
		if err := to.Register(c); err != nil {
			return nil, errors.Join(errors.New("register mattermost metrics"), err)
		}
	}
	return m, nil
}

var (
	descUp       = prometheus.NewDesc("parley_mattermost_link_up", "1 while the WebSocket of a channel is open.", []string{"channel"}, nil)
	descRooms    = prometheus.NewDesc("parley_mattermost_rooms", "Rooms of a channel by state.", []string{"channel", "state"}, nil)
	descLastSeen = prometheus.NewDesc("parley_mattermost_last_event_seconds", "When the newest event of a channel came, in seconds since 1970.", []string{"channel"}, nil)
)

// linkCollector reads the state of the links.
type linkCollector struct{ d *Driver }

// Describe implements [prometheus.Collector].
func (c linkCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descUp
	ch <- descRooms
	ch <- descLastSeen
}

// Collect implements [prometheus.Collector].
func (c linkCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.d.Status() {
		up := 0.0
		if s.Connected {
			up = 1
		}
		name := s.Name
		ch <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up, name)
		ch <- prometheus.MustNewConstMetric(descRooms, prometheus.GaugeValue, float64(s.Live), name, "live")
		ch <- prometheus.MustNewConstMetric(descRooms, prometheus.GaugeValue, float64(s.CatchingUp), name, "catching_up")
		if !s.LastEvent.IsZero() {
			ch <- prometheus.MustNewConstMetric(descLastSeen, prometheus.GaugeValue, float64(s.LastEvent.Unix()), name)
		}
	}
}
