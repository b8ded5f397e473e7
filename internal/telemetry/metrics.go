package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Namespace begins the name of every metric of this program.
const Namespace = "parley"

// NewRegistry returns a registry of its own (two programs in one test do not
// meet) with the metrics of the Go runtime and of the process, and with
// parley_build_info, whose labels carry version and Go version.
func NewRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Namespace:   Namespace,
		Name:        "build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}).Set(1)
	return registry
}

// MetricsHandler serves the registry as a Prometheus page. A metric that
// cannot be collected is logged and left out of the page.
func MetricsHandler(registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            metricsLog{logger},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4, // one page is megabytes at worst; nobody scrapes more often
	})
}

type metricsLog struct{ logger *slog.Logger }

// Println implements promhttp.Logger.
func (l metricsLog) Println(v ...any) {
	l.logger.Error("metrics cannot be collected", "err", fmt.Sprint(v...))
}

// LatencyBuckets returns histogram buckets in seconds from 0.25 ms to 30 s, for
// everything between a commit and a slow far side.
func LatencyBuckets() []float64 {
	return []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}
