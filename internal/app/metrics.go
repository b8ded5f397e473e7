package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// turnMetrics counts what happens to turns.
type turnMetrics struct {
	ended *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

// durations fit everything from an fsync to a slow model.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newTurnMetrics(r prometheus.Registerer) (*turnMetrics, error) {
	m := &turnMetrics{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_turns_total", Help: "Turns that ended, by result."}, []string{"result"}),
		took:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "parley_turn_seconds", Help: "Time from the beginning of a turn's attempt to its end, by result.", Buckets: durations}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.ended, m.took} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// TurnEnded implements conversation.Observer.
func (m *turnMetrics) TurnEnded(result string, took time.Duration) {
	m.ended.WithLabelValues(result).Inc()
	m.took.WithLabelValues(result).Observe(took.Seconds())
}

// observeCommits returns the store's hook for commits.
func (a *App) observeCommits() func(steps int, took time.Duration) {
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "parley_commit_seconds", Help: "Time of one commit, from its first read to the disk.", Buckets: durations})
	steps := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "parley_commit_steps", Help: "Steps in one commit.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500}})
	a.metrics.MustRegister(seconds, steps)
	return func(n int, took time.Duration) {
		seconds.Observe(took.Seconds())
		steps.Observe(float64(n))
	}
}

// registerGauges adds what is read when somebody asks.
func (a *App) registerGauges() {
	a.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_store_queued_steps", Help: "Steps that wait for a commit on this node."}, func() float64 {
			return float64(a.store.WriterFigures().Queued)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "parley_store_failed_steps_total", Help: "Steps that ended with an error."}, func() float64 {
			return float64(a.store.WriterFigures().Failed)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_feed_readers", Help: "Readers of conversations on this node."}, func() float64 {
			return float64(a.hub.Subscribers())
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "parley_feed_repaired_total", Help: "Readers the sweep had to tell about lost news."}, func() float64 {
			return float64(a.hub.Repaired())
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "parley_catalog_revision", Help: "Revision of the catalog in force on this node."}, func() float64 {
			return float64(a.inForce.Revision())
		}),
	)
}
