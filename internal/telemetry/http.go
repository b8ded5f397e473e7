package telemetry

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"parley/internal/fault"
)

// RequestIDHeader carries the id of a request, in both directions.
const RequestIDHeader = "X-Request-Id"

// HTTP counts, logs and guards the requests of one or more listeners. It never
// logs a query string, a header or a body, nor the path as it was asked for,
// since all of them can hold secrets: only the route pattern that matched.
type HTTP struct {
	logger   *slog.Logger
	workers  *Workers
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// NewHTTP makes the metrics parley_http_requests_total (listener, method,
// route, status), parley_http_request_duration_seconds (listener, route) and
// parley_http_requests_in_flight (listener). Panics are counted by workers.
func NewHTTP(logger *slog.Logger, metrics prometheus.Registerer, workers *Workers) *HTTP {
	auto := promauto.With(metrics)
	return &HTTP{
		logger:  logger,
		workers: workers,
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Namespace: Namespace, Subsystem: "http", Name: "requests_total",
			Help: "Requests answered; connections taken over, as by WebSockets, are not among them.",
		}, []string{"listener", "method", "route", "status"}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: Namespace, Subsystem: "http", Name: "request_duration_seconds",
			Help:    "Time to answer a request, without sockets.",
			Buckets: LatencyBuckets(),
		}, []string{"listener", "route"}),
		inFlight: auto.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: Namespace, Subsystem: "http", Name: "requests_in_flight",
			Help: "Requests being answered now, open sockets included.",
		}, []string{"listener"}),
	}
}

// Wrap guards next, which serves the listener called listener. The route is
// the pattern that an [http.ServeMux] inside next has set on the request; a
// middleware between the two that copies the request hides it.
func (h *HTTP) Wrap(listener string, next http.Handler) http.Handler {
	inFlight := h.inFlight.WithLabelValues(listener)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		w.Header().Set(RequestIDHeader, id)
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		answer := &answer{ResponseWriter: w}
		start := time.Now()
		inFlight.Inc()
		defer func() {
			inFlight.Dec()
			value := recover()
			if value != nil && value != http.ErrAbortHandler {
				h.workers.caught(r.Context(), "http "+listener, value, "request", id, "route", route(r))
				answer.fail()
			}
			h.record(listener, r, id, answer, time.Since(start))
			if value == http.ErrAbortHandler || value != nil && answer.cut {
				// The only way to tell the far side that an answer is cut
				// off; package net/http closes the connection silently.
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

// record counts the request and, at level debug, or warn for answers of 500
// and above, logs it. The cause is logged where it is known.
func (h *HTTP) record(listener string, r *http.Request, id string, answer *answer, took time.Duration) {
	status, pattern := answer.result(), route(r)
	if !answer.taken {
		h.requests.WithLabelValues(listener, method(r.Method), pattern, strconv.Itoa(status)).Inc()
		h.duration.WithLabelValues(listener, pattern).Observe(took.Seconds())
	}
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	h.logger.LogAttrs(r.Context(), level, "request",
		slog.String("request", id), slog.String("listener", listener), slog.String("method", method(r.Method)),
		slog.String("route", pattern), slog.Int("status", status), slog.Duration("took", took))
}

// route gives the pattern without its method, and "none" when nothing matched:
// a label must not take values that a stranger chooses.
func route(r *http.Request) string {
	pattern := r.Pattern
	if i := strings.IndexByte(pattern, ' '); i >= 0 {
		pattern = strings.TrimLeft(pattern[i:], " \t")
	}
	if pattern == "" {
		return "none"
	}
	return pattern
}

func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	}
	return "other"
}

type requestIDKey struct{}

// RequestID gives the id of the request that ctx belongs to, for logs and for
// error answers, or an empty text.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestID takes the id that a proxy gave when it is short and plain, else
// makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get(RequestIDHeader)
	if len(id) == 0 || len(id) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return rand.Text()
		}
	}
	return id
}

// answer remembers the status. [http.ResponseController] and WebSocket
// libraries reach the connection through Unwrap.
type answer struct {
	http.ResponseWriter
	status int  // final status; 0 until there is one
	taken  bool // the handler took the connection over
	cut    bool // a panic came after the beginning of the answer
}

// Unwrap gives the writer below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Hijack implements [http.Hijacker].
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.taken = true
		if a.status == 0 {
			a.status = http.StatusSwitchingProtocols
		}
	}
	return conn, buffers, err
}

// WriteHeader implements [http.ResponseWriter]. A 101 is final, other 1xx are
// not.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

// result is the status to report; a handler that wrote nothing sent 200.
func (a *answer) result() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// fail answers a request whose handler panicked, when that is still possible,
// in the form that RTM clients and the admin API both read.
func (a *answer) fail() {
	switch {
	case a.taken: // the connection is no longer ours
	case a.status == 0:
		a.Header().Set("Content-Type", "application/json")
		a.Header().Del("Content-Length")
		a.WriteHeader(http.StatusInternalServerError)
		// The peer may have left; there is nobody else to tell.
		_, _ = io.WriteString(a, `{"errors":[{"msg":"`+fault.Message(fault.New(fault.Internal, ""))+`","code":500}]}`)
	default:
		a.cut = true
	}
}
