package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Alive adds a check to /healthz, which the sidecar requests every few seconds. A service whose check fails gets no
// calls and no events. The check must return at once. Call Alive before Run.
func (s *Server) Alive(check func() error) { s.alive = append(s.alive, check) }

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	for _, check := range s.alive {
		if err := check(); err != nil {
			writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": err.Error()})
			return
		}
	}
	writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyTimeout limits all checks of /readyz together.
const readyTimeout = 2 * time.Second

// Warning is the error of a check of /readyz that appears in the response, although the service is ready.
type Warning string

// Error implements error.
func (w Warning) Error() string { return string(w) }

// readyCheck is a check of /readyz.
type readyCheck struct {
	check func(context.Context) error
	local bool // the check asks no other process
	last  atomic.Pointer[result]
}

// result is what a check returned at a time.
type result struct {
	err error
	at  time.Time
}

// run runs the check and remembers its result.
func (c *readyCheck) run(ctx context.Context) error {
	err := c.check(ctx)
	c.last.Store(&result{err, time.Now()})
	return err
}

// readyAge is how old the result of a check may become before the server runs the check itself: on Kubernetes nobody
// asks the gateway for /readyz, because it serves on without one of the apps.
const readyAge = 15 * time.Second

// refreshReadiness keeps the gauge ready current until ctx ends.
func (s *Server) refreshReadiness(ctx context.Context, age time.Duration) {
	tick := time.NewTicker(age)
	defer tick.Stop()
	for {
		for _, check := range s.ready {
			if last := check.last.Load(); !check.local && (last == nil || time.Since(last.at) >= age) {
				limited, cancel := context.WithTimeout(ctx, readyTimeout)
				_ = check.run(limited)
				cancel()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ready adds a check to /readyz under a name that appears in the response, and as a label of the gauge ready. The
// service is not ready while a check fails, unless its error is a Warning. Call Ready before Run.
func (s *Server) Ready(name string, check func(context.Context) error) {
	s.ready[name] = &readyCheck{check: check}
}

// ReadyLocally is Ready for a check that asks no other process and returns at once. Each scrape of the metrics runs it.
// The gauge ready has the last result of other checks, which is at most half a minute old.
func (s *Server) ReadyLocally(name string, check func(context.Context) error) {
	s.ready[name] = &readyCheck{check: check, local: true}
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	status, checks := s.check(r)
	writeStatus(w, status, map[string]any{"status": http.StatusText(status), "checks": checks})
}

// readyzWithoutChecks is readyz for strangers, who need not know the parts of the service.
func (s *Server) readyzWithoutChecks(w http.ResponseWriter, r *http.Request) {
	status, _ := s.check(r)
	writeStatus(w, status, map[string]any{"status": http.StatusText(status)})
}

// check returns the status of /readyz and the results of all checks.
func (s *Server) check(r *http.Request) (status int, checks map[string]string) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	status, checks = http.StatusOK, map[string]string{}
	if s.draining.Load() {
		status, checks["shutdown"] = http.StatusServiceUnavailable, "draining"
	}
	for name, check := range s.ready {
		checks[name] = "ok"
		if err := check.run(ctx); err != nil {
			checks[name] = err.Error()
			if !isReady(err) {
				status = http.StatusServiceUnavailable
			}
		}
	}
	return status, checks
}

// isReady reports whether a service is ready whose check returned err.
func isReady(err error) bool {
	warning := Warning("")
	return err == nil || errors.As(err, &warning)
}

// readiness is the gauge ready. A scrape makes no calls: see ReadyLocally.
type readiness struct{ server *Server }

var readyDesc = prometheus.NewDesc("ready",
	"Whether a check of /readyz succeeds (1) or fails (0). A check that asks other processes has its last result.",
	[]string{"check"}, nil)

// Describe implements prometheus.Collector.
func (readiness) Describe(descs chan<- *prometheus.Desc) { descs <- readyDesc }

// Collect implements prometheus.Collector.
func (r readiness) Collect(metrics chan<- prometheus.Metric) {
	for name, check := range r.server.ready {
		if check.local {
			_ = check.run(context.Background())
		}
		last := check.last.Load()
		if last == nil {
			continue // the server has just started
		}
		value := 0.0
		if isReady(last.err) {
			value = 1
		}
		metrics <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value, name)
	}
}

func writeStatus(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the gateway serves these routes to the public
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
