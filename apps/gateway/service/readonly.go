package service

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// readOnly is a shop that can be looked at and not changed, as long as an administrator wants: while its data is
// moved to another store, and in the old one for good afterwards. It is remembered in the gateway's store, so it
// outlives restarts and reaches every replica.
//
// It keeps requests out, and nothing that the services do by themselves: an order that was placed is still decided.
type readOnly struct {
	state sidecar.State
	now   func() time.Time

	underway atomic.Int64 // writes that were let in

	mu     sync.Mutex // held while the store is asked: those who come meanwhile need its answer too
	mode   mode
	looked time.Time
}

// mode is the stored document.
type mode struct {
	ReadOnly bool      `json:"readOnly"`
	Since    time.Time `json:"since" doc:"When it was last turned on or off"`
}

const (
	readOnlyPath = "/api/v1/read-only"
	readOnlyKey  = "read-only"
	// lookEvery is how long other replicas may not know of a change.
	lookEvery = 500 * time.Millisecond
	// lookTime bounds the look: a store that is away delays a write by it now and then, and the service behind says so.
	lookTime = 300 * time.Millisecond
	// drainTime bounds the wait for writes that were let in before.
	drainTime = 25 * time.Second
)

// stillOpen are the writes of who only wants to look.
var stillOpen = map[string]bool{
	readOnlyPath: true, "/api/v1/auth/login": true, "/api/v1/auth/refresh": true, "/api/v1/auth/logout": true,
}

func writes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return !stillOpen[r.URL.Path]
}

// guard refuses writes while the shop is read-only: 503, read-only.
func (o *readOnly) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.state == nil || !writes(r) {
			next.ServeHTTP(w, r)
			return
		}
		// Counted before it is judged: who turns the mode on waits for all that were judged before.
		o.underway.Add(1)
		defer o.underway.Add(-1)
		if o.look(r.Context()).ReadOnly {
			httpx.WriteProblem(w, fault.New(fault.Unavailable, "read-only", "The shop is being moved: it can be looked at, and changed again later.").After(30*time.Second))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// look gives the mode, as it was at most lookEvery ago. While the store does not answer it is what it was.
func (o *readOnly) look(ctx context.Context) mode {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now().Sub(o.looked) < lookEvery {
		return o.mode
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	item, err := o.state.Get(ctx, readOnlyKey)
	now := mode{}
	if err == nil && item.Found() {
		err = json.Unmarshal(item.Value, &now)
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Bool("readOnly", o.mode.ReadOnly).Msg("cannot read whether the shop is read-only")
	} else {
		o.mode = now
	}
	o.looked = o.now()
	return o.mode
}

// set turns the mode on or off. On, it returns when the writes that this replica had let in are answered: other
// replicas let some in for lookEvery more. Problem: unavailable (503), they take too long, or the store is away.
func (o *readOnly) set(ctx context.Context, on bool) (mode, error) {
	next := mode{ReadOnly: on, Since: o.now().UTC().Truncate(time.Millisecond)}
	value, err := json.Marshal(next)
	if err != nil {
		return next, err
	}
	if was := o.look(ctx); was.ReadOnly == on && on {
		next = was
	} else if err := o.state.Put(ctx, readOnlyKey, value, ""); err != nil {
		return next, err
	}
	o.mu.Lock()
	o.mode, o.looked = next, o.now()
	o.mu.Unlock()
	telemetry.Log(ctx).Info().Bool("readOnly", on).Msg("the shop's mode was set")
	if !on {
		return next, nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for o.underway.Load() > 0 {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return next, fault.New(fault.Unavailable, "unavailable", "The shop is read-only, but a request of before is still under way. Repeat this.").After(time.Second)
		}
	}
	return next, nil
}

type modeOutput struct {
	Cache string `header:"Cache-Control"`
	Body  mode
}

type setReadOnlyInput struct {
	Body struct {
		ReadOnly bool `json:"readOnly" doc:"Whether everything that would change the shop is refused"`
	}
}

// api are the operations by which an administrator sees and sets the mode, and their document.
func (o *readOnly) api() (http.Handler, json.RawMessage, error) {
	router := chi.NewRouter()
	api := httpx.NewAPI(router, "Haberdash gateway")
	op := func(id, method, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: readOnlyPath, Summary: summary, Tags: []string{"Operations"},
			Security: httpx.Bearer, Errors: []int{403}, Middlewares: huma.Middlewares{httpx.Only(identity.Admin)}}
	}
	httpx.Register(api, op("get-read-only", http.MethodGet, "Whether the shop is read-only"), func(ctx context.Context, _ *struct{}) (*modeOutput, error) {
		return &modeOutput{"private, no-cache", o.look(ctx)}, nil
	})
	httpx.Register(api, op("set-read-only", http.MethodPut, "Make the shop read-only, or end it"), func(ctx context.Context, in *setReadOnlyInput) (*modeOutput, error) {
		now, err := o.set(ctx, in.Body.ReadOnly)
		return &modeOutput{"private, no-cache", now}, err
	})
	document, err := json.Marshal(api.OpenAPI())
	return router, document, err
}
