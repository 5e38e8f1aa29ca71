// Package readonly is a mode of the running shop in which clients can read and not write. An administrator turns it
// on while the shop's data is moved to another store, and leaves it on in the old installation afterwards.
//
// The mode is stored in the gateway's state store, so that it survives restarts and applies to all replicas. It
// refuses requests, and does not stop what the services do on their own: an order that was placed is still decided.
package readonly

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Switch refuses writes while the shop is read-only. A Switch is safe for concurrent use.
type Switch struct {
	state   sidecar.State
	now     func() time.Time
	refused prometheus.Counter

	inProgress atomic.Int64 // writes that were let through

	mu      sync.Mutex // held while the store is asked: requests that arrive meanwhile need its answer, too
	current mode
	asked   time.Time // when the store was asked last
}

// mode is the stored document. The API document names a schema after this type.
type mode struct {
	ReadOnly bool      `json:"readOnly"`
	Since    time.Time `json:"since" doc:"When it was last turned on or off"`
}

// Path is the address of the operations that read and set the mode.
const Path = "/api/v1/read-only"

const (
	key = "read-only"
	// refreshTime is how long other replicas may not know of a change.
	refreshTime = 500 * time.Millisecond
	// storeTimeout bounds a read of the store. An unavailable store delays a write by this time once per refreshTime.
	storeTimeout = 300 * time.Millisecond
	// drainTimeout bounds the wait for the writes that are in progress when the mode is turned on.
	drainTimeout = 25 * time.Second
)

// New returns the switch whose position is stored in state. It limits nothing if state is nil. refused counts the
// writes that it refuses.
func New(state sidecar.State, now func() time.Time, refused prometheus.Counter) *Switch {
	return &Switch{state: state, now: now, refused: refused}
}

// allowed are the addresses whose writes a read-only shop accepts: reading requires a sign-in.
var allowed = map[string]bool{
	Path: true, "/api/v1/auth/login": true, "/api/v1/auth/refresh": true, "/api/v1/auth/logout": true,
	"/api/v1/auth/second-factor": true,
}

func isWrite(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return !allowed[r.URL.Path]
}

// RefuseWrites refuses writes while the shop is read-only. Problem: read-only (503).
func (s *Switch) RefuseWrites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.state == nil || !isWrite(r) {
			next.ServeHTTP(w, r)
			return
		}
		// A write counts before the mode is checked, so that set waits for every write that was checked before.
		s.inProgress.Add(1)
		defer s.inProgress.Add(-1)
		if s.load(r.Context()).ReadOnly {
			s.refused.Inc()
			httpx.WriteProblem(w, fault.New(fault.Unavailable, "read-only",
				"The shop is read-only while its data is moved. Try again later.").After(30*time.Second))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// load returns the mode, which is at most refreshTime old. While the store is unavailable it returns the last one.
func (s *Switch) load(ctx context.Context) mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Sub(s.asked) < refreshTime {
		return s.current
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	item, err := s.state.Get(ctx, key)
	stored := mode{}
	if err == nil && item.Found() {
		err = json.Unmarshal(item.Value, &stored)
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Bool(field.ReadOnly, s.current.ReadOnly).
			Msg("cannot read whether the shop is read-only: the last known mode stays")
	} else {
		s.current = stored
	}
	s.asked = s.now()
	return s.current
}

// set turns the mode on or off. On, it returns when the writes in progress in this replica have been answered. Other
// replicas accept writes for refreshTime more. Problem: unavailable (503), if the writes take too long or the store
// is unavailable.
func (s *Switch) set(ctx context.Context, on bool) (mode, error) {
	next := mode{ReadOnly: on, Since: s.now().UTC().Truncate(time.Millisecond)}
	value, err := json.Marshal(next)
	if err != nil {
		return next, err
	}
	if was := s.load(ctx); was.ReadOnly == on && on {
		next = was
	} else if err := s.state.Put(ctx, key, value, ""); err != nil {
		return next, err
	}
	s.mu.Lock()
	s.current, s.asked = next, s.now()
	s.mu.Unlock()
	telemetry.Log(ctx).Info().Bool(field.ReadOnly, on).Msg("read-only mode set")
	if !on {
		return next, nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for s.inProgress.Load() > 0 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return next, fault.New(fault.Unavailable, "unavailable",
				"The shop is read-only, but an earlier write is still in progress. Repeat the request.").
				After(time.Second)
		}
	}
	return next, nil
}
