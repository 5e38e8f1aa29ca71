package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/apps/catalog/service/search"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// How long tests wait, and how often they look.
const (
	timeout = 5 * time.Second
	tick    = 2 * time.Millisecond
)

// fixture is one process of the service over memory doubles. Requests go to its HTTP handler.
type fixture struct {
	t          *testing.T
	state      *memory.State  // of the catalogue
	stockStore *unstableStore // of the stock
	mesh       *memory.Mesh
	syncEvery  time.Duration // how often idle logs look for commits of others; zero is the default

	api     huma.API
	log     *commitlog.Partition[product.State]
	list    *listing.Listing
	ledger  *ledger.Ledger
	metrics *prometheus.Registry
	service *Service
	handler http.Handler
}

func newFixture(t *testing.T, demo bool) *fixture {
	stockStore := &unstableStore{State: memory.NewState()}
	f := &fixture{t: t, state: memory.NewState(), stockStore: stockStore, mesh: memory.NewMesh()}
	f.start(demo)
	return f
}

// startAnother starts another process on the same stores.
func (f *fixture) startAnother(demo bool) *fixture {
	another := *f
	another.start(demo)
	return &another
}

// start wires the service as Run does.
func (f *fixture) start(demo bool) {
	t, ctx := f.t, f.t.Context()
	f.log = openLog(t, f.state, roster.CatalogLog, product.Model(),
		commitlog.Options{Resident: true, SyncEvery: f.syncEvery})
	stockLog := roster.StockLogs.Member("main")
	f.ledger = ledger.New(openLog(t, f.stockStore, stockLog, stock.Model(),
		commitlog.Options{SyncEvery: f.syncEvery}), "main")
	f.metrics = prometheus.NewRegistry()
	index, err := search.New(f.metrics)
	require.NoError(t, err)
	f.list, err = listing.Follow(ctx, f.log, index.Add)
	require.NoError(t, err)
	var n atomic.Int64
	f.service = New(Deps{
		State: f.state, Invoker: f.mesh, Log: f.log, Listing: f.list, Search: index, Stock: allocation.New(f.ledger),
		Now: time.Now, NewID: func() string { return fmt.Sprintf("%p-%d", f, n.Add(1)) }, Demo: demo,
		Metrics: f.metrics,
	})
	f.background(index.Run, f.service.startup.run, func(ctx context.Context) error {
		f.log.Publish(ctx, f.mesh, roster.CatalogLog.Topic)
		return nil
	})
	router := chi.NewRouter()
	router.Use(httpx.Conditional, signIn)
	f.api = httpx.NewAPI(router, "test")
	f.service.Mount(f.api)
	f.handler = router
}

func openLog[S any](
	t *testing.T, store sidecar.State, log roster.Log, model commitlog.Model[S], o commitlog.Options,
) *commitlog.Partition[S] {
	p, err := commitlog.Open(t.Context(), store, log.App, log.Name, model, o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close(context.Background())) })
	return p
}

// background runs work until the test ends.
func (f *fixture) background(works ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, work := range works {
		running.Go(func() { assert.NoError(f.t, work(ctx)) })
	}
	f.t.Cleanup(func() { cancel(); running.Wait() })
}

// signIn reads "Authorization: Bearer <role>".
func signIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if role, ok := identity.Bearer(r.Header.Get("Authorization")); ok {
			r = r.WithContext(identity.With(r.Context(), identity.Caller{UserID: "u", Roles: []string{role}}, role))
		}
		next.ServeHTTP(w, r)
	})
}

func (f *fixture) waitUntilReady() {
	f.t.Helper()
	ready := func() bool { return f.service.startup.ready(f.t.Context()) == nil }
	require.Eventually(f.t, ready, timeout, tick)
}

// unstableStore is a state store that can be unavailable.
type unstableStore struct {
	sidecar.State
	down atomic.Bool
}

func (s *unstableStore) err() error {
	if s.down.Load() {
		return sidecar.StoreUnavailable(io.ErrUnexpectedEOF)
	}
	return nil
}

func (s *unstableStore) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := s.err(); err != nil {
		return sidecar.Item{}, err
	}
	return s.State.Get(ctx, key)
}

func (s *unstableStore) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.State.GetMany(ctx, keys)
}

func (s *unstableStore) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

func (s *unstableStore) Put(
	ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption,
) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

func (s *unstableStore) PutMany(ctx context.Context, items []sidecar.Item) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.State.PutMany(ctx, items)
}

func (s *unstableStore) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

// available is what can be sold of a SKU.
func (f *fixture) available(sku string) int64 {
	f.t.Helper()
	level, _, err := f.ledger.Level(f.t.Context(), sku)
	require.NoError(f.t, err)
	return level.Available()
}

// stock is what can be sold of all SKUs.
func (f *fixture) stock() map[string]int64 {
	f.t.Helper()
	levels, err := f.ledger.Available(f.t.Context(), f.list.SKUs())
	require.NoError(f.t, err)
	return levels
}

var adjustments atomic.Int64

// setStock adjusts the stock of a SKU to n.
func (f *fixture) setStock(sku string, n int64) {
	f.t.Helper()
	moves := []ledger.Move{{SKU: sku, Delta: n - f.available(sku), Reason: "count"}}
	require.NoError(f.t, f.ledger.Receive(f.t.Context(), fmt.Sprint("count", adjustments.Add(1)), moves))
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) (v map[string]any) {
	require.NoError(t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

// problem is the type of the answer's problem and the locations of its errors.
func (a answer) problem() string {
	var p struct {
		Type   string
		Errors []fault.Field
	}
	json.Unmarshal(a.body, &p)
	typ := p.Type[strings.LastIndex(p.Type, "/")+1:]
	for _, f := range p.Errors {
		typ += " " + f.Location
	}
	return typ
}

// call sends a request; headers are "Name: value". A leading "staff " in path is the role of the caller.
func (f *fixture) call(method, path, body string, headers ...string) answer {
	role, path, ok := strings.Cut(path, " ")
	if !ok {
		role, path = "", role
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+role)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), bytes.TrimSpace(w.Body.Bytes())}
}

func (f *fixture) get(path string) map[string]any {
	f.t.Helper()
	a := f.call("GET", path, "")
	require.Equal(f.t, 200, a.status, "%s: %s", path, a.body)
	return a.json(f.t)
}

// report is the answer to an import.
type report struct {
	Created, Updated, Unchanged, Failed int
	Errors                              []imports.RowError
}

func (f *fixture) upload(text string) report {
	f.t.Helper()
	a := f.call("POST", "staff /api/v1/products/import", text, "Content-Type: text/csv; charset=utf-8")
	require.Equal(f.t, 200, a.status, "%s", a.body)
	var r report
	require.NoError(f.t, json.Unmarshal(a.body, &r))
	return r
}

// sample reads a file that Shopify has exported.
func sample(t *testing.T, name string) string {
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(b)
}
