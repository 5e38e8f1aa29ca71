package inventory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/apps/catalog/service/inventory"
	"haberdash/internal/commitlog"
	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumerapi"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar/memory"
)

// fixture is the inventory on memory doubles, behind an HTTP server.
type fixture struct {
	t         *testing.T
	mesh      *memory.Mesh
	catalogue *catalogue
	orders    *orders
	logs      []*commitlog.Partition[stock.State]
	locations *allocation.Locations
	service   *inventory.Service
	metrics   *prometheus.Registry
	url       string

	mu  sync.Mutex
	now time.Time
}

// newFixture makes an inventory with these locations, or with the location main.
func newFixture(t *testing.T, names ...string) *fixture {
	t.Helper()
	if len(names) == 0 {
		names = []string{"main"}
	}
	f := &fixture{t: t, mesh: memory.NewMesh(), catalogue: &catalogue{}, orders: &orders{decisions: map[string]string{}},
		now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	f.mesh.Join("orders", f.orders)
	f.metrics = prometheus.NewRegistry()
	store := memory.NewState()
	var ledgers []*ledger.Ledger
	for _, name := range names {
		options := commitlog.Options{Now: f.clock}
		log, err := commitlog.Open(t.Context(), store, "catalog", "stock-"+name, stock.Model(), options)
		require.NoError(t, err)
		t.Cleanup(func() { log.Close(context.Background()) })
		f.logs, ledgers = append(f.logs, log), append(ledgers, ledger.New(log, name))
	}
	f.locations = allocation.New(ledgers[0], ledgers[1:]...)
	f.service = inventory.New(inventory.Deps{
		State: store, Invoker: f.mesh, Stock: f.locations, Catalogue: f.catalogue, Now: f.clock,
		CheckEvery: 5 * time.Millisecond, Metrics: f.metrics,
	})
	require.NoError(t, f.service.FollowReservations(t.Context()))
	f.consume()
	f.serve()
	return f
}

// consume subscribes the consumer as the host does.
func (f *fixture) consume() {
	app := roster.Get(roster.Catalog)
	for _, l := range app.Follows {
		f.service.Consumer.Follow(consumer.Log{Source: l.App, Partition: l.Name})
	}
	f.service.Consumer.Subscribe(f.mesh, roster.DeadLetterTopic(roster.Catalog), app.Topics()...)
}

func (f *fixture) serve() {
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover, signIn, httpx.Conditional)
	api := httpx.NewAPI(router, "test")
	f.service.Mount(api)
	consumerapi.Mount(api, roster.Catalog, f.service.Consumer)
	server := httptest.NewServer(router)
	f.t.Cleanup(server.Close)
	f.url = server.URL
}

// signIn reads "Authorization: Test <user> <role>", which stands for a token.
func signIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if words := strings.Fields(r.Header.Get("Authorization")); len(words) == 3 {
			caller := identity.Caller{UserID: words[1], Roles: []string{words[2]}}
			r = r.WithContext(identity.With(r.Context(), caller, "token"))
		}
		next.ServeHTTP(w, r)
	})
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advanceClock(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// catalogue has all SKUs but those that begin with "no-". Everything costs 10 EUR, and SKUs that begin with "old-" are
// not sold any more.
type catalogue struct {
	mu  sync.Mutex
	err error
}

func (c *catalogue) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *catalogue) CatchUp(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *catalogue) HasSKU(_ context.Context, sku string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !strings.HasPrefix(sku, "no-"), c.err
}

func (c *catalogue) Compare(
	_ context.Context, shown []contract.Shown,
) (gone []string, changed []contract.PriceChangedLine, err error) {
	for _, s := range shown {
		if now := money.New(1000, "EUR"); strings.HasPrefix(s.SKU, "old-") {
			gone = append(gone, s.SKU)
		} else if s.UnitPrice != now {
			changed = append(changed, contract.PriceChangedLine{SKU: s.SKU, Was: s.UnitPrice, Now: now})
		}
	}
	return gone, changed, nil
}

// orders is an orders service that knows decisions. It fails for an order without one.
type orders struct {
	mu        sync.Mutex
	decisions map[string]string // by order
	asked     []string
}

func (o *orders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	order, ok := strings.CutPrefix(r.URL.Path, "/internal/orders/")
	order = strings.TrimSuffix(order, "/decision")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, order)
	decision := o.decisions[order]
	if !ok || decision == "" {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(contract.OrderDecision{OrderID: order, Decision: decision})
}

func (o *orders) drainAsked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked := o.asked
	o.asked = nil
	return asked
}

type answer struct {
	*http.Response
	raw  string
	json map[string]any
}

const asStaff = "Test anna staff"

// do sends a request as staff; headers are names and values.
func (f *fixture) do(method, path, body string, headers ...string) answer {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Authorization", asStaff)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(f.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	a := answer{Response: res, raw: string(raw)}
	json.Unmarshal(raw, &a.json)
	return a
}

func (f *fixture) adjust(sku, key, body string, headers ...string) answer {
	f.t.Helper()
	path := "/api/v1/stock/" + url.PathEscape(sku) + "/adjustments"
	return f.do(http.MethodPost, path, body, append([]string{"Idempotency-Key", key}, headers...)...)
}

func (f *fixture) receive(sku string, n int64) {
	f.t.Helper()
	moves := []ledger.Move{{SKU: sku, Delta: n, Reason: "delivery"}}
	require.NoError(f.t, f.locations.Receive(f.t.Context(), fmt.Sprint(sku, n), moves))
}

func (f *fixture) reserve(order string, lines ...contract.Line) answer {
	f.t.Helper()
	return f.reserveShown(order, nil, lines...)
}

func (f *fixture) reserveShown(order string, shown []contract.Shown, lines ...contract.Line) answer {
	f.t.Helper()
	request := contract.ReservationRequest{Lines: lines, Shown: shown, ExpiresAt: f.clock().Add(15 * time.Minute)}
	body, err := json.Marshal(request)
	require.NoError(f.t, err)
	return f.do(http.MethodPut, "/internal/reservations/"+order, string(body))
}

// status repeats the reservation of an order, which changes nothing.
func (f *fixture) status(order string) any {
	f.t.Helper()
	return f.reserve(order, line("hat", 1)).json["status"]
}

func (f *fixture) level(sku string, onHand, reserved int) {
	f.t.Helper()
	got := f.do(http.MethodGet, "/api/v1/stock/"+url.PathEscape(sku), "")
	assert.Equal(f.t, http.StatusOK, got.StatusCode)
	want := []any{float64(onHand), float64(reserved), float64(onHand - reserved)}
	assert.Equal(f.t, want, []any{got.json["onHand"], got.json["reserved"], got.json["available"]}, sku)
}

func line(sku string, n int64) contract.Line { return contract.Line{SKU: sku, Quantity: n} }

func problem(t *testing.T, a answer, status int, typ string, field string) {
	t.Helper()
	assert.Equal(t, status, a.StatusCode, a.raw)
	assert.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	assert.Equal(t, httpx.ProblemBase+typ, a.json["type"], a.raw)
	if field != "" {
		fields, _ := json.Marshal(a.json["errors"])
		assert.Contains(t, string(fields), `"location":"`+field+`"`)
	}
}
