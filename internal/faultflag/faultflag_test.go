package faultflag_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/faultflag"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// replica is a replica of the app catalog.
type replica struct {
	t       *testing.T
	flags   *faultflag.Flags
	handler http.Handler
}

// clock is a clock that tests set.
type clock struct{ nanoseconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.nanoseconds.Load()) }
func (c *clock) advance(d time.Duration) { c.nanoseconds.Add(int64(d)) }

func newReplica(t *testing.T, store sidecar.State, c *clock) *replica {
	t.Helper()
	flags, err := faultflag.New(t.Context(), store, c.now)
	require.NoError(t, err)
	flags.Offer(faultflag.SlowStore, faultflag.FullDisk, faultflag.FailingRequests, faultflag.PausedPublisher,
		faultflag.RefusedEvents, faultflag.RefusedDocuments, faultflag.PausedProjections, faultflag.RefusedWorkflows,
		faultflag.MemoryBallast)
	return &replica{t, flags, serve(flags)}
}

// serve serves the operations of flags, and the path /products.
func serve(flags *faultflag.Flags) http.Handler {
	r := chi.NewRouter()
	r.Get("/products", flags.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP)
	asAdmin := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			role := r.Header.Get("Role")
			if role != "" {
				caller := identity.Caller{UserID: "u", Roles: []string{role}}
				r = r.WithContext(identity.With(r.Context(), caller, "token"))
			}
			next.ServeHTTP(w, r)
		})
	}
	faultflag.Mount(httpx.NewAPI(r.With(asAdmin, flags.Middleware), "test"), "catalog", flags)
	return r
}

func (r *replica) do(role, method, path, body string) (int, map[string]any) {
	r.t.Helper()
	return do(r.t, r.handler, role, method, path, body)
}

func do(t *testing.T, h http.Handler, role, method, path, body string) (int, map[string]any) {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Role", role)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	var doc map[string]any
	if w.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc), w.Body.String())
	}
	return w.Code, doc
}

func (r *replica) set(flag, body string) {
	r.t.Helper()
	status, doc := r.do(identity.Admin, http.MethodPut, "/api/v1/faults/catalog/"+flag, body)
	require.Equal(r.t, http.StatusOK, status, doc)
}

// variant returns the variant that a flag has, as the API shows it.
func (r *replica) variant(flag string) any {
	r.t.Helper()
	status, doc := r.do(identity.Admin, http.MethodGet, "/api/v1/faults/catalog", "")
	require.Equal(r.t, http.StatusOK, status, doc)
	return doc["flags"].(map[string]any)[flag].(map[string]any)["defaultVariant"]
}

func TestFullDiskRefusesWritesOnly(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	r := newReplica(t, store, new(clock))
	faulty := r.flags.State(store)
	require.NoError(t, faulty.Create(t.Context(), "k", []byte("1")))

	r.set("full-disk", `{"variant":"on"}`)
	require.ErrorContains(t, faulty.Create(t.Context(), "l", []byte("1")), "no space left")
	require.ErrorContains(t, faulty.Put(t.Context(), "k", []byte("2"), ""), "no space left")
	require.ErrorContains(t, faulty.PutMany(t.Context(), []sidecar.Item{{Key: "k", Value: []byte("2")}}), "no space left")
	items := []sidecar.Item{{Key: "m", Value: []byte("2")}}
	require.ErrorContains(t, faulty.PutManyIf(t.Context(), items), "no space left")
	require.ErrorContains(t, faulty.Delete(t.Context(), "k", ""), "no space left")
	item, err := faulty.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "1", string(item.Value))

	r.set("full-disk", `{"variant":"off"}`)
	require.NoError(t, faulty.Put(t.Context(), "k", []byte("2"), ""))
}

func TestSlowStoreEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	r := newReplica(t, store, new(clock))
	r.set("slow-store", `{"variant":"very-slow"}`)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.flags.State(store).Get(ended, "k")
	require.ErrorIs(t, err, context.Canceled)
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a write that waits is not done in that time
	defer cancel()
	require.ErrorIs(t, r.flags.State(store).Put(soon, "k", []byte("1"), ""), context.DeadlineExceeded)
	item, err := store.Get(t.Context(), "k")
	require.NoError(t, err)
	require.False(t, item.Found())
}

type sent struct{ n int }

func (s *sent) Publish(context.Context, string, []sidecar.Message) error {
	s.n++
	return nil
}

func TestPausedPublisherPublishesNothing(t *testing.T) {
	t.Parallel()
	r := newReplica(t, memory.NewState(), new(clock))
	var broker sent
	faulty := r.flags.Publisher(&broker)
	r.set("paused-publisher", `{"variant":"on"}`)
	require.ErrorContains(t, faulty.Publish(t.Context(), "orders", nil), "paused")
	r.set("paused-publisher", `{"variant":"off"}`)
	require.NoError(t, faulty.Publish(t.Context(), "orders", nil))
	require.Equal(t, 1, broker.n)
}

// An event that is refused once is refused again, and the others are not.
func TestRefusedEventsAreTheSameAtEachAttempt(t *testing.T) {
	t.Parallel()
	r := newReplica(t, memory.NewState(), new(clock))
	faulty := r.flags.Publisher(new(sent))
	r.set("refused-events", `{"variant":"some"}`)
	refused := 0
	for i := range 1000 {
		message := []sidecar.Message{{ID: "orders:orders:" + strconv.Itoa(i)}}
		err := faulty.Publish(t.Context(), "orders", message)
		require.Equal(t, err, faulty.Publish(t.Context(), "orders", message))
		if err != nil {
			require.ErrorContains(t, err, "refuses")
			refused++
		}
	}
	require.InDelta(t, 100, refused, 50)
	r.set("refused-events", `{"variant":"off"}`)
	for i := range 1000 {
		message := []sidecar.Message{{ID: "orders:orders:" + strconv.Itoa(i)}}
		require.NoError(t, faulty.Publish(t.Context(), "orders", message))
	}
}

// The flags that refuse documents refuse no other key: an app can commit, and store its cursors.
func TestDocumentsAreRefusedByTheirKeys(t *testing.T) {
	t.Parallel()
	for flag, key := range map[string]string{"refused-documents": "doc/orders/1", "paused-projections": "view/orders/1"} {
		r := newReplica(t, memory.NewState(), new(clock))
		faulty := r.flags.State(memory.NewState())
		items := []sidecar.Item{{Key: "log/orders/1", Value: []byte("1")}, {Key: key, Value: []byte("1")}}
		r.set(flag, `{"variant":"on"}`)
		require.ErrorContains(t, faulty.Create(t.Context(), key, []byte("1")), flag)
		require.ErrorContains(t, faulty.Put(t.Context(), key, []byte("1"), ""), flag)
		require.ErrorContains(t, faulty.PutMany(t.Context(), items), flag)
		require.ErrorContains(t, faulty.PutManyIf(t.Context(), items), flag)
		require.ErrorContains(t, faulty.Delete(t.Context(), key, ""), flag)
		require.NoError(t, faulty.PutManyIf(t.Context(), items[:1]))
		r.set(flag, `{"variant":"off"}`)
		require.NoError(t, faulty.Put(t.Context(), key, []byte("1"), ""))
	}
}

// engine counts what it accepts.
type engine struct {
	sidecar.Workflows
	n int
}

func (e *engine) Start(context.Context, string, string, any) error {
	e.n++
	return nil
}

func (e *engine) Raise(context.Context, string, string) error {
	e.n++
	return nil
}

func TestRefusedWorkflowsAreThoseOfSomeIDs(t *testing.T) {
	t.Parallel()
	r := newReplica(t, memory.NewState(), new(clock))
	var engine engine
	faulty := r.flags.Workflows(&engine)
	r.set("refused-workflows", `{"variant":"on"}`)
	require.ErrorContains(t, faulty.Start(t.Context(), "order", "2abc", nil), "refuses 2abc")
	require.ErrorContains(t, faulty.Raise(t.Context(), "2abc", "changed"), "refuses 2abc")
	require.NoError(t, faulty.Start(t.Context(), "order", "a2bc", nil))
	require.NoError(t, faulty.Raise(t.Context(), "probe-2abc", "changed"))
	r.set("refused-workflows", `{"variant":"off"}`)
	require.NoError(t, faulty.Start(t.Context(), "order", "2abc", nil))
	require.Equal(t, 3, engine.n)
}

// Not parallel: it measures the memory of the process.
func TestMemoryBallastIsKeptAndFreed(t *testing.T) {
	r := newReplica(t, memory.NewState(), new(clock))
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := inUse()
	r.set("memory-ballast", `{"variant":"small"}`)
	require.GreaterOrEqual(t, inUse(), before+150<<20)
	r.set("memory-ballast", `{"variant":"off"}`)
	require.Less(t, inUse(), before+50<<20)
}

func TestFailingRequestsSpareTheFlags(t *testing.T) {
	t.Parallel()
	r := newReplica(t, memory.NewState(), new(clock))
	r.set("failing-requests", `{"variant":"all"}`)
	status, doc := r.do("", http.MethodGet, "/products", "")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, doc["type"], "internal")
	r.set("failing-requests", `{"variant":"off"}`)
	status, _ = r.do("", http.MethodGet, "/products", "")
	require.Equal(t, http.StatusOK, status)
}

func TestFaultsReachOtherReplicasAndEnd(t *testing.T) {
	t.Parallel()
	store, now := memory.NewState(), new(clock)
	a, b := newReplica(t, store, now), newReplica(t, store, now)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.flags.Run(ctx) }()
	a.set("full-disk", `{"variant":"on","minutes":2}`)
	require.Equal(t, "on", a.variant("full-disk"))
	require.Eventually(t, func() bool { return b.variant("full-disk") == "on" }, 10*time.Second, 10*time.Millisecond)
	now.advance(2 * time.Minute)
	require.Eventually(t, func() bool { return b.variant("full-disk") == "off" }, 10*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

func TestWrongSwitchesAreRefused(t *testing.T) {
	t.Parallel()
	r := newReplica(t, memory.NewState(), new(clock))
	for _, c := range []struct {
		role, path, body string
		status           int
		names            string
	}{
		{"", "catalog/full-disk", `{"variant":"on"}`, 401, ""},
		{identity.Staff, "catalog/full-disk", `{"variant":"on"}`, 403, ""},
		{identity.Admin, "cart/full-disk", `{"variant":"on"}`, 404, ""},
		{identity.Admin, "catalog/slow-payment", `{"variant":"slow"}`, 404, ""},
		{identity.Admin, "catalog/full-disk", `{"variant":"slow"}`, 422, "body.variant"},
		{identity.Admin, "catalog/full-disk", `{"variant":"on","minutes":61}`, 422, "body.minutes"},
		{identity.Admin, "catalog/full-disk", `{"variant":"on","minutes":0}`, 422, "body.minutes"},
		{identity.Admin, "catalog/full-disk", `{}`, 422, "body.variant"},
		{identity.Admin, "catalog/full-disk", `{"variant":"on","VARIANT":"off"}`, 422, "VARIANT"},
	} {
		status, doc := r.do(c.role, http.MethodPut, "/api/v1/faults/"+c.path, c.body)
		require.Equal(t, c.status, status, "%+v: %v", c, doc)
		if c.names != "" {
			text, _ := json.Marshal(doc)
			require.Contains(t, string(text), c.names)
		}
	}
	require.Equal(t, "off", r.variant("full-disk"))
}

func TestFlagsThatAreOff(t *testing.T) {
	t.Parallel()
	var flags *faultflag.Flags
	h := serve(flags)
	status, doc := do(t, h, identity.Admin, http.MethodGet, "/api/v1/faults/catalog", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, doc["detail"], "FAULT_FLAGS=on")
	status, _ = do(t, h, "", http.MethodGet, "/products", "")
	require.Equal(t, http.StatusOK, status)
	store := memory.NewState()
	require.Equal(t, sidecar.State(store), flags.State(store))
}
