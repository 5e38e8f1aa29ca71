package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
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

// Ready adds a check to /readyz under a name that appears in the response. The service is not ready while a check
// fails, unless its error is a Warning. Call Ready before Run.
func (s *Server) Ready(name string, check func(context.Context) error) { s.ready[name] = check }

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
		if err := check(ctx); err != nil {
			checks[name] = err.Error()
			if warning := Warning(""); !errors.As(err, &warning) {
				status = http.StatusServiceUnavailable
			}
		}
	}
	return status, checks
}

func writeStatus(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the gateway serves these routes to the public
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
