package service

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/payments/sandbox"
	"haberdash/apps/orders/service/payments/stripe"
	"haberdash/apps/orders/service/payments/webhook"
	"haberdash/internal/commitlog"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/sidecar/memory/workflow"
)

// fixture is the orders service over the memory doubles, with a cart service that quotes one hat, and a catalog service
// that reserves hats while it has some.
type fixture struct {
	t         *testing.T
	state     *memory.State
	wrapStore func(sidecar.State) sidecar.State // wraps the state, if it is set
	syncEvery time.Duration                     // how often an idle log looks for commits of others
	mesh      *memory.Mesh
	log       *commitlog.Partition[order.State]
	metrics   *prometheus.Registry // of the service that was started last
	api       huma.API
	handler   http.Handler
	service   *Service
	sandbox   *sandbox.Provider
	stripe    *stripe.Provider // replaces the sandbox, if it is set
	workflows *workflow.Engine
	refusals  *refusals // of the engine

	quotes      atomic.Int64 // how many quotes cart was asked for
	beforeQuote func()       // is called before cart quotes, if it is set

	mu           sync.Mutex
	clock        time.Duration // how far the service's clock is ahead
	unavailable  map[string]bool
	cartPrice    int64 // of a hat, in the cart
	price        int64 // of a hat, in the catalogue
	discontinued bool  // hats are no longer sold
	stock        int64
	reservations map[string]int64           // hats by order
	committed    map[string]bool            // reservations
	movements    map[string][]contract.Line // shipments and returns, by their id
}

func newFixture(t *testing.T, stock int64) *fixture { return newFixturePaying(t, stock, nil) }

// newFixturePaying is a fixture whose payments go through Stripe's adapter or, if that is nil, the sandbox.
func newFixturePaying(t *testing.T, stock int64, provider *stripe.Provider) *fixture {
	f := &fixture{t: t, stripe: provider, state: memory.NewState(), mesh: memory.NewMesh(),
		workflows: workflow.New(), refusals: &refusals{},
		stock: stock, price: 1000, cartPrice: 1000, unavailable: map[string]bool{}, reservations: map[string]int64{},
		committed: map[string]bool{}, movements: map[string][]contract.Line{}}
	f.mesh.Join("cart", http.HandlerFunc(f.cart))
	f.mesh.Join("catalog", http.HandlerFunc(f.catalog))
	f.start()
	return f
}

// start starts the service on the state that there is: also another replica, or the service after a restart.
func (f *fixture) start() {
	var state sidecar.State = f.state
	if f.wrapStore != nil {
		state = f.wrapStore(f.state)
	}
	log, err := commitlog.Open(f.t.Context(), state, "orders", "orders", order.Model(),
		commitlog.Options{CheckpointEvery: 5 * time.Millisecond, SyncEvery: f.syncEvery})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { log.Close(context.Background()) })
	f.log = log
	readModel := readmodel.New(log)
	f.runUntilCleanup(readModel.Projection().Run)
	f.sandbox = sandbox.New(f.state, f.now, func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	payments, webhooks := payment.Provider(f.sandbox), (*Webhooks)(nil)
	if f.stripe != nil {
		reader, err := webhook.NewReader(webhookSecret)
		require.NoError(f.t, err)
		payments, webhooks = f.stripe, &Webhooks{reader, f.stripe.ReadAuthorisation}
	}
	f.metrics = prometheus.NewRegistry()
	f.service, err = New(Deps{State: state, Invoker: f.mesh, Workflows: refusing{f.workflows, f.refusals}, Log: log,
		ReadModel: readModel, Payments: payments, Provider: "sandbox", Webhooks: webhooks, Now: f.now, NewID: rand.Text,
		Metrics: f.metrics, Secret: "test", InvoiceYears: 10,
		Durations: Durations{ProviderTimeout: 700 * time.Millisecond, Deadline: 20 * time.Millisecond,
			RejectAfter: 15 * time.Minute, ReservationTime: 15 * time.Minute,
			AuthorisationLife: 100 * time.Hour, ReturnsFor: 720 * time.Hour}})
	require.NoError(f.t, err)
	require.NoError(f.t, f.service.countOutcomes(f.t.Context()))
	f.service.consumer.Follow(consumer.Log{Source: roster.UsersLog.App, Partition: roster.UsersLog.Name})
	f.service.consumer.Subscribe(f.mesh, roster.DeadLetterTopic("orders"), roster.Get("orders").Topics()...)
	router := chi.NewRouter()
	router.Use(authenticateByHeader, httpx.Conditional)
	f.api = httpx.NewAPI(router, "orders")
	f.service.Mount(f.api)
	f.handler = router
}

// authenticateByHeader takes the caller from the headers Test-User and Test-Roles.
func authenticateByHeader(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if user := r.Header.Get("Test-User"); user != "" {
			caller := identity.Caller{UserID: user, Roles: strings.Split(r.Header.Get("Test-Roles"), ",")}
			ctx = identity.With(ctx, caller, "token")
		}
		next.ServeHTTP(rw, r.WithContext(ctx))
	})
}

func (f *fixture) runUntilCleanup(work func(context.Context)) {
	ctx, stop := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	f.t.Cleanup(func() { stop(); running.Wait() })
}

// runLifecycles runs the lifecycles of orders until the end of the test.
func (f *fixture) runLifecycles() {
	workflows, service := f.workflows, f.service
	service.lifecycle.RegisterWorkflow(workflows)
	f.runUntilCleanup(func(ctx context.Context) { assert.NoError(f.t, workflows.Run(ctx)) })
	f.startLifecycles()
}

// startLifecycles starts workflows from the log; the engine runs already.
func (f *fixture) startLifecycles() {
	service := f.service
	f.runUntilCleanup(func(ctx context.Context) { assert.NoError(f.t, service.lifecycle.StartFromLog(ctx)) })
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.clock)
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	f.clock += d
	f.mu.Unlock()
	f.workflows.Advance(d)
}

func (f *fixture) setUnavailable(app string, unavailable bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unavailable[app] = unavailable
}

func (f *fixture) do(method, path string, body any, headers ...string) *httptest.ResponseRecorder {
	var buf bytes.Buffer
	switch b := body.(type) {
	case nil:
	case string:
		buf.WriteString(b)
	default:
		json.NewEncoder(&buf).Encode(b)
	}
	r := httptest.NewRequest(method, path, &buf)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, r)
	return rec
}

func (f *fixture) requireStatus(rec *httptest.ResponseRecorder, status int) {
	f.t.Helper()
	require.Equal(f.t, status, rec.Code, rec.Body.String())
}

func placementBody(cart, token string) map[string]any {
	return map[string]any{"cartId": cart, "email": "ada@example.com",
		"payment": map[string]any{"method": "card", "token": token},
		"shippingAddress": map[string]any{"name": "Ada", "line1": "1 Street", "city": "Berlin", "postalCode": "10115",
			"country": "DE"}}
}

func (f *fixture) place(key, cart, token string, headers ...string) *httptest.ResponseRecorder {
	return f.do(http.MethodPost, "/api/v1/orders", placementBody(cart, token), append(headers, "Idempotency-Key", key)...)
}

type view struct {
	ID, Number, Status, AccessToken string
	Payment                         struct {
		Status     string
		Authorized money.Money
	}
	Total   money.Money
	Version int
}

func read(t *testing.T, rec *httptest.ResponseRecorder) (v view) {
	t.Helper()
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &v), rec.Body.String())
	return v
}

// ada is a customer, staff a member of the staff.
var (
	ada   = []string{"Test-User", "ada"}
	staff = []string{"Test-User", "boss", "Test-Roles", "staff"}
)

// withKey adds an idempotency key to the headers of a caller.
func withKey(key string, caller []string) []string {
	return append([]string{"Idempotency-Key", key}, caller...)
}

// buy places a confirmed order of ada's.
func (f *fixture) buy() view {
	f.t.Helper()
	rec := f.place(fmt.Sprint("buy", f.quotes.Load()), "c", "tok_visa", ada...)
	f.requireStatus(rec, http.StatusCreated)
	return read(f.t, rec)
}

// placeDeclined places an order of ada's whose payment is declined, and returns its id.
func (f *fixture) placeDeclined() string {
	f.t.Helper()
	var problem struct{ OrderID string }
	rec := f.place("k2", "c", "tok_declined", ada...)
	require.NoError(f.t, json.Unmarshal(rec.Body.Bytes(), &problem))
	return problem.OrderID
}

func (f *fixture) order(id string) view {
	f.t.Helper()
	rec := f.do(http.MethodGet, "/api/v1/orders/"+id, nil, staff...)
	f.requireStatus(rec, http.StatusOK)
	return read(f.t, rec)
}

func parcelOf(hats int64) map[string]any {
	return map[string]any{"lines": []contract.Line{{SKU: "HAT", Quantity: hats}}, "carrier": "DHL", "trackingNumber": "J1"}
}

const (
	timeout = 10 * time.Second
	tick    = 5 * time.Millisecond
)

func (f *fixture) waitForStatus(id, status, paymentStatus string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		o := f.order(id)
		return o.Status == status && o.Payment.Status == paymentStatus
	}, timeout, tick)
}

func (f *fixture) waitForLifecycle(id string, want sidecar.WorkflowStatus) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		got, err := f.workflows.Status(f.t.Context(), id)
		return err == nil && got == want
	}, timeout, tick, "the lifecycle should be %s", want)
}
