package httpd

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// Check is one thing that must work for the process to be ready.
type Check struct {
	Name string
	// Probe returns why it does not work.
	Probe func(ctx context.Context) error
}

// Health answers /healthz and /readyz.
type Health struct {
	checks   []Check
	draining atomic.Bool
}

// NewHealth returns a Health over the given checks.
func NewHealth(checks ...Check) *Health { return &Health{checks: checks} }

// Drain makes /readyz say that the process is about to stop.
func (h *Health) Drain() { h.draining.Store(true) }

// Live answers as long as the process serves at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// probeLimit bounds one readiness check.
const probeLimit = 2 * time.Second

// Ready answers 200 when every check passes, and 503 with the names of those
// that do not; their causes are for the log and `parley doctor`, not for whoever
// can reach the port.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), probeLimit)
	defer cancel()
	var failing []string
	for _, c := range h.checks {
		if c.Probe(ctx) != nil {
			failing = append(failing, c.Name)
		}
	}
	if len(failing) > 0 {
		answer(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "failing": failing})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The peer may have left; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(body)
}

func modified(file string) (time.Time, error) {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
