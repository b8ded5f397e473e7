package rtm

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/socket"
)

// metrics are the driver's counters.
type metrics struct {
	framesIn  *prometheus.CounterVec
	framesOut *prometheus.CounterVec
	refused   *prometheus.CounterVec
	floods    prometheus.Counter
	failed    prometheus.Counter
	resent    prometheus.Counter
	panics    prometheus.Counter

	// The children used on every message, looked up once.
	inMessage, inPing, inEvent, inIgnored                    prometheus.Counter
	outAck, outPong, outResponse, outUser, outEvent, outTell prometheus.Counter
}

// newMetrics makes the counters and registers them when there is a registry.
func newMetrics(to prometheus.Registerer, group *socket.Group) (*metrics, error) {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "parley", Subsystem: "rtm", Name: name, Help: help}, labels)
	}
	single := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "parley", Subsystem: "rtm", Name: name, Help: help})
	}
	m := &metrics{
		framesIn:  vec("frames_in_total", "Client frames by kind.", "kind"),
		framesOut: vec("frames_out_total", "Server frames by type.", "type"),
		refused:   vec("refused_total", "Refused requests by endpoint and reason.", "endpoint", "reason"),
		floods:    single("floods_total", "Messages not accepted because too many of the same user waited."),
		failed:    single("accept_failed_total", "Messages that could not be stored."),
		resent:    single("resent_total", "Entries sent again after a reconnect."),
		panics:    single("panics_total", "Panics that were caught; each is a mistake in the program."),
	}
	m.inMessage, m.inPing = m.framesIn.WithLabelValues("message"), m.framesIn.WithLabelValues("ping")
	m.inEvent, m.inIgnored = m.framesIn.WithLabelValues("event"), m.framesIn.WithLabelValues("ignored")
	m.outAck, m.outPong = m.framesOut.WithLabelValues("ack"), m.framesOut.WithLabelValues("pong")
	m.outResponse = m.framesOut.WithLabelValues("bot_response")
	m.outUser, m.outEvent = m.framesOut.WithLabelValues("user_message"), m.framesOut.WithLabelValues("events")
	m.outTell = m.framesOut.WithLabelValues("notice")
	if to == nil {
		return m, nil
	}
	all := []prometheus.Collector{m.framesIn, m.framesOut, m.refused, m.floods, m.failed, m.resent, m.panics, socketCollector{group}}
	for _, c := range all {
		if err := to.Register(c); err != nil {
			return nil, errors.Join(errors.New("register rtm metrics"), err)
		}
	}
	return m, nil
}

var (
	descOpen   = prometheus.NewDesc("parley_rtm_sockets_open", "Sockets open or closing now.", nil, nil)
	descOpened = prometheus.NewDesc("parley_rtm_sockets_opened_total", "Sockets ever opened.", nil, nil)
	descEnded  = prometheus.NewDesc("parley_rtm_sockets_ended_total", "Ended sockets by reason; slow_reader are those dropped for not reading.", []string{"reason"}, nil)
)

// socketCollector reads the group's own counters.
type socketCollector struct{ group *socket.Group }

// Describe implements [prometheus.Collector].
func (c socketCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descOpen
	ch <- descOpened
	ch <- descEnded
}

// Collect implements [prometheus.Collector].
func (c socketCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(descOpen, prometheus.GaugeValue, float64(c.group.Open()))
	ch <- prometheus.MustNewConstMetric(descOpened, prometheus.CounterValue, float64(c.group.Opened()))
	for _, r := range socket.Reasons() {
		ch <- prometheus.MustNewConstMetric(descEnded, prometheus.CounterValue, float64(c.group.Ended(r)), r.String())
	}
}
