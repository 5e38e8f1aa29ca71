package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

// fixture is a watcher beside fake apps, which serve what a correct shop with one order would serve.
type fixture struct {
	t        *testing.T
	ctx      context.Context
	mesh     *memory.Mesh
	watcher  *Watcher
	registry *prometheus.Registry
	logged   *strings.Builder

	mu        sync.Mutex
	now       time.Time
	feeds     map[string]map[string][]contract.Event // by app and log
	hidden    map[string]int                         // by log: so many of the last events are not in the feed yet
	cursors   map[string][]contract.Cursor           // by app
	audits    map[string][]contract.Audit            // by app
	histories map[string]contract.History
	answers   int             // the status with which orders answers a stranger
	down      map[string]bool // apps that do not answer
	calls     map[string]int  // by app and path
}

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, mesh: memory.NewMesh(), logged: &strings.Builder{}, now: start,
		feeds: map[string]map[string][]contract.Event{}, hidden: map[string]int{},
		cursors: map[string][]contract.Cursor{}, audits: map[string][]contract.Audit{},
		histories: map[string]contract.History{}, answers: http.StatusNotFound, down: map[string]bool{},
		calls: map[string]int{}}
	f.ctx = zerolog.New(f.logged).WithContext(t.Context())
	for app, logs := range map[string][]string{
		"orders": {"orders"}, "catalog": {"catalog", "stock-main"}, "users": {"users"},
	} {
		f.feeds[app] = map[string][]contract.Event{}
		for _, log := range logs {
			f.feeds[app][log] = nil
		}
		f.audits[app] = []contract.Audit{{Log: logs[0]}}
	}
	for _, app := range []string{"orders", "catalog", "users", "cart", "notifications"} {
		f.mesh.Join(app, f.serve(app))
	}
	f.restart()
	return f
}

// restart replaces the watcher by a new one, which knows nothing.
func (f *fixture) restart() {
	f.registry = prometheus.NewRegistry()
	f.watcher = New(Deps{Invoker: f.mesh, Registry: f.registry, Now: f.clock, Config: Config{
		PollEvery: time.Second, Settle: 10 * time.Second, CheckEvery: 30 * time.Second, AuditEvery: time.Hour,
		HistoriesPerSecond: 10,
	}})
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// serve is a fake app.
func (f *fixture) serve(app string) http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.calls[app+" "+r.URL.Path]++
			if f.down[app] {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	r.Get("/feed", func(w http.ResponseWriter, _ *http.Request) {
		list := contract.Feeds{}
		for name := range f.feeds[app] {
			list.Names = append(list.Names, name)
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	r.Get("/feed/{log}", func(w http.ResponseWriter, r *http.Request) {
		name := chi.URLParam(r, "log")
		events := f.feeds[app][name]
		events = events[:len(events)-f.hidden[name]]
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("max"))
		page := contract.FeedPage{Events: []contract.Event{}, Head: uint64(len(events))}
		if from <= len(events) {
			page.Events = events[from-1 : min(from-1+limit, len(events))]
		}
		page.Next = uint64(from + len(page.Events))
		_ = json.NewEncoder(w).Encode(page)
	})
	r.Get("/internal/consumers", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(contract.Cursors{Cursors: f.cursors[app]})
	})
	r.Post("/internal/audit", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(contract.Audits{Audits: f.audits[app]})
	})
	r.Post("/internal/histories", func(w http.ResponseWriter, r *http.Request) {
		var request contract.HistoriesRequest
		_ = json.NewDecoder(r.Body).Decode(&request)
		reply := contract.HistoriesReply{}
		for _, id := range request.OrderIDs {
			h := f.histories[id]
			h.OrderID = id
			reply.Histories = append(reply.Histories, h)
		}
		_ = json.NewEncoder(w).Encode(reply)
	})
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(f.answers) }
	r.Get("/api/v1/orders", refuse)
	r.Get("/api/v1/orders/{id}", refuse)
	return r
}

// change changes what the apps serve.
func (f *fixture) change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// publish adds an event to a feed.
func (f *fixture) publish(app, log, aggregate, eventType string, data any) {
	f.change(func() {
		text, err := json.Marshal(data)
		require.NoError(f.t, err)
		position, seq := uint64(len(f.feeds[app][log]))+1, uint64(1)
		for _, e := range f.feeds[app][log] {
			if e.Aggregate == aggregate {
				seq = e.Seq + 1
			}
		}
		if order, ok := strings.CutPrefix(aggregate, "order/"); ok {
			h := f.histories[order]
			seq = uint64(len(h.Events)) + 1
			h.Events = append(h.Events, contract.HistoryEvent{Seq: seq, Type: eventType, Published: true})
			f.histories[order] = h
		}
		f.feeds[app][log] = append(f.feeds[app][log], contract.Event{
			ID: contract.EventID(app, log, position, 0), Type: eventType, Source: app, Partition: log, Commit: position,
			Position: position, Aggregate: aggregate, Seq: seq, At: f.now, Data: text,
		})
		for _, app := range []string{"catalog", "cart"} {
			n := uint64(len(f.feeds["orders"]["orders"]))
			f.cursors[app] = []contract.Cursor{{Source: "orders", Partition: "orders", Position: n, Applied: n}}
		}
	})
}

// pay adds an event about money to the history of an order.
func (f *fixture) pay(id, eventType, part string, amount int64) {
	f.change(func() {
		h := f.histories[id]
		h.Events = append(h.Events, contract.HistoryEvent{Seq: uint64(len(h.Events)) + 1, Type: eventType, For: part,
			Amount: amount})
		f.histories[id] = h
	})
}

func (f *fixture) move(eventType string, quantity int64, order, id string) {
	f.publish("catalog", "stock-main", "sku/HAT", eventType,
		contract.StockMovement{Quantity: quantity, Order: order, ID: id})
}

func eur(n int64) money.Money { return money.New(n, "EUR") }

func fact(id string, number int) contract.OrderFact {
	return contract.OrderFact{OrderID: id, Number: fmt.Sprintf("H%d", number), CartID: "cart-" + id, CartVersion: 1,
		Lines: []contract.OrderLine{{SKU: "HAT", Quantity: 2, UnitPrice: eur(1000), Total: eur(2000), Discount: eur(0),
			Tax: eur(0)}},
		Subtotal: eur(2000), Discount: eur(0), Shipping: eur(500), Tax: eur(0), Total: eur(2500)}
}

// buy places and confirms an order of two hats.
func (f *fixture) buy(id string, number int) {
	f.publish("orders", "orders", "order/"+id, contract.OrderPlaced, fact(id, number))
	f.move(contract.StockReserved, 2, id, "")
	f.pay(id, contract.PaymentAuthorized, "", 2500)
	f.publish("orders", "orders", "order/"+id, contract.OrderConfirmed, fact(id, number))
}

// ship ships an order that was bought.
func (f *fixture) ship(id string) {
	f.publish("orders", "orders", "order/"+id, contract.FulfilmentRequested, contract.FulfilmentFact{OrderID: id,
		Fulfilment: contract.FulfilmentPart{ID: "f1", Parts: []contract.Part{{SKU: "HAT", Quantity: 2, Amount: 2000}},
			Freight: 500}})
	f.move(contract.StockShipped, 2, id, "f1")
	f.pay(id, contract.PaymentCaptured, "f1", 2500)
	f.publish("orders", "orders", "order/"+id, contract.FulfilmentShipped, contract.PartFact{OrderID: id, ID: "f1"})
}

// shop fills the feeds with stock, a shipped order and an open one.
func (f *fixture) shop() {
	f.move(contract.StockReceived, 100, "", "")
	f.publish("catalog", "catalog", "product/hat", "product.created", struct{}{})
	f.buy("a", 10001)
	f.ship("a")
	f.buy("b", 10002)
}

// look lets the watcher look, after so much time.
func (f *fixture) look(after time.Duration) {
	f.change(func() { f.now = f.now.Add(after) })
	f.watcher.Look(f.ctx)
}

// violations returns how many violations of each invariant stand, by the metric.
func (f *fixture) violations() map[int]int {
	found := map[int]int{}
	for _, n := range invariants.All {
		if v := f.value("haberdash_invariant_violations", n); v != 0 {
			found[n] = int(v)
		}
	}
	return found
}

// value returns the value of a metric of an invariant.
func (f *fixture) value(metric string, invariant int) float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	require.NoError(f.t, err)
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == metric && m.Label[0].GetValue() == strconv.Itoa(invariant) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	f.t.Fatalf("no %s of invariant %d", metric, invariant)
	return 0
}

func (f *fixture) requireNone() {
	f.t.Helper()
	require.Empty(f.t, f.violations(), f.logged)
}

func (f *fixture) position(log string) float64 {
	return testutil.ToFloat64(f.watcher.metrics.position.WithLabelValues(log))
}

// called returns how often an app was called at a path.
func (f *fixture) called(app, path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[app+" "+path]
}

// newRouter returns the router of the watcher in the mesh.
func newRouter(f *fixture) *chi.Mux {
	r := chi.NewRouter()
	f.mesh.Join("watcher", r)
	return r
}
