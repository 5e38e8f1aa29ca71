package service_test

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/service"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// depot is the inventory on doubles, with a catalogue that knows all SKUs but those that begin with "no-",
// and an orders service that answers as it is told.
type depot struct {
	t         *testing.T
	state     *memory.State
	mesh      *memory.Mesh
	inventory *service.Inventory
	url       string

	mu        sync.Mutex
	now       time.Time
	decisions map[string]string // by order; missing: no answer
	asked     []string
	outage    error
}

func openDepot(t *testing.T, locations ...string) *depot {
	t.Helper()
	d := &depot{t: t, state: memory.NewState(), mesh: memory.NewMesh(), decisions: map[string]string{}, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	d.mesh.Join("orders", http.HandlerFunc(d.orders))
	inventory, err := service.OpenInventory(t.Context(), service.InventoryDeps{
		State: d.state, Publisher: d.mesh, Invoker: d.mesh, Locations: locations, Now: d.clock,
		KnownSKU: func(_ context.Context, sku string) (bool, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return !strings.HasPrefix(sku, "no-"), d.outage
		},
		Compare: compare,
	})
	require.NoError(t, err)
	d.inventory = inventory
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover, signedIn, httpx.Conditional)
	inventory.Mount(httpx.NewAPI(router, "test"))
	inventory.Subscribe(d.mesh)
	server := httptest.NewServer(router)
	d.url = server.URL
	t.Cleanup(func() { server.Close(); inventory.Close(context.Background()) })
	return d
}

// signedIn stands for tokens: "Authorization: Test <user> <role>".
func signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := strings.Fields(r.Header.Get("Authorization")); len(f) == 3 {
			r = r.WithContext(identity.With(r.Context(), identity.Caller{UserID: f[1], Roles: []string{f[2]}}, "token"))
		}
		next.ServeHTTP(w, r)
	})
}

// compare has a catalogue in which everything costs 10 EUR, and nothing is sold that begins with "old-".
func compare(_ context.Context, shown []contract.Shown) (gone []string, changed []contract.PriceChangedLine, err error) {
	for _, s := range shown {
		if now := money.New(1000, "EUR"); strings.HasPrefix(s.SKU, "old-") {
			gone = append(gone, s.SKU)
		} else if s.UnitPrice != now {
			changed = append(changed, contract.PriceChangedLine{SKU: s.SKU, Was: s.UnitPrice, Now: now})
		}
	}
	return gone, changed, nil
}

func (d *depot) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *depot) set(f func()) { d.mu.Lock(); f(); d.mu.Unlock() }

func (d *depot) orders(w http.ResponseWriter, r *http.Request) {
	order, ok := strings.CutPrefix(r.URL.Path, "/internal/orders/")
	order = strings.TrimSuffix(order, "/decision")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, order)
	decision := d.decisions[order]
	if !ok || decision == "" {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(contract.OrderDecision{OrderID: order, Decision: decision})
}

type answer struct {
	*http.Response
	raw  string
	json map[string]any
}

const asStaff = "Test anna staff"

func (d *depot) do(method, path, body string, headers ...string) answer {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	require.NoError(d.t, err)
	r.Header.Set("Authorization", asStaff)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	a := answer{Response: res, raw: string(raw)}
	json.Unmarshal(raw, &a.json)
	return a
}

func (d *depot) adjust(sku, key, body string, headers ...string) answer {
	d.t.Helper()
	return d.do(http.MethodPost, "/api/v1/stock/"+url.PathEscape(sku)+"/adjustments", body, append([]string{"Idempotency-Key", key}, headers...)...)
}

func (d *depot) receive(sku string, n int64) {
	d.t.Helper()
	require.NoError(d.t, d.inventory.Receive(d.t.Context(), fmt.Sprint(sku, n), []service.StockMove{{SKU: sku, Delta: n, Reason: "delivery"}}))
}

func (d *depot) reserve(order string, lines ...contract.Line) answer {
	d.t.Helper()
	return d.reserveShown(order, nil, lines...)
}

func (d *depot) reserveShown(order string, shown []contract.Shown, lines ...contract.Line) answer {
	d.t.Helper()
	body, err := json.Marshal(contract.ReservationRequest{Lines: lines, Shown: shown, ExpiresAt: d.clock().Add(15 * time.Minute)})
	require.NoError(d.t, err)
	return d.do(http.MethodPut, "/internal/reservations/"+order, string(body))
}

func (d *depot) level(sku string, onHand, reserved int) {
	d.t.Helper()
	got := d.do(http.MethodGet, "/api/v1/stock/"+url.PathEscape(sku), "")
	assert.Equal(d.t, http.StatusOK, got.StatusCode)
	assert.Equal(d.t, []any{float64(onHand), float64(reserved), float64(onHand - reserved)}, []any{got.json["onHand"], got.json["reserved"], got.json["available"]}, sku)
}

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

func TestStockIsReadByStaff(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 5)
	for _, who := range []struct {
		header string
		status int
		typ    string
	}{{"", 401, "unauthenticated"}, {"Test bob customer", 403, "forbidden"}} {
		for _, path := range []string{"/api/v1/stock/hat", "/api/v1/stock/hat/history", "/api/v1/stock/no-such", "/api/v1/stock/hat/history?limit=x"} {
			problem(t, d.do(http.MethodGet, path, "", "Authorization", who.header), who.status, who.typ, "")
		}
		a := d.adjust("hat", "", "nonsense", "Authorization", who.header)
		problem(t, a, who.status, who.typ, "")
		assert.Equal(t, who.status == 401, a.Header.Get("WWW-Authenticate") != "")
	}
	got := d.do(http.MethodGet, "/api/v1/stock/hat", "", "Authorization", "Test root admin")
	assert.JSONEq(t, `{"sku":"hat","onHand":5,"reserved":0,"available":5,"locations":[{"location":"main","onHand":5,"reserved":0}]}`, got.raw)
	tag := got.Header.Get("ETag")
	assert.Regexp(t, `^"[^"]+"$`, tag)
	assert.Equal(t, http.StatusNotModified, d.do(http.MethodGet, "/api/v1/stock/hat", "", "If-None-Match", tag).StatusCode)
	d.reserve("o1", contract.Line{SKU: "hat", Quantity: 1})
	got = d.do(http.MethodGet, "/api/v1/stock/hat", "", "If-None-Match", tag)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.NotEqual(t, tag, got.Header.Get("ETag"))

	assert.JSONEq(t, `{"sku":"tie","onHand":0,"reserved":0,"available":0,"locations":[{"location":"main","onHand":0,"reserved":0}]}`,
		d.do(http.MethodGet, "/api/v1/stock/tie", "").raw, "known, never moved")
	problem(t, d.do(http.MethodGet, "/api/v1/stock/no-such", ""), 404, "unknown-sku", "")
	d.receive("no-more", 2)
	d.level("no-more", 2, 0) // its product is deleted, its stock is not
	d.receive("A/b|| ü%", 3)
	d.level("A/b|| ü%", 3, 0)
	d.set(func() { d.outage = errors.New("down") })
	a := d.do(http.MethodGet, "/api/v1/stock/tie", "")
	problem(t, a, 503, "unavailable", "")
	assert.NotContains(t, a.raw, "down")
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
}

func TestAdjustmentsCountOncePerCallerAndKey(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	const body = `{"delta":10,"reason":"delivery"}`
	first := d.adjust("hat", "k1", body)
	assert.Equal(t, http.StatusOK, first.StatusCode, first.raw)
	assert.JSONEq(t, `{"sku":"hat","onHand":10,"reserved":0,"available":10,"locations":[{"location":"main","onHand":10,"reserved":0}]}`, first.raw)
	assert.Empty(t, first.Header.Get("Idempotent-Replayed"))
	d.receive("hat", 7)
	for _, same := range []string{body, `{"reason" : "delivery", "location":"main","delta":10}`} {
		again := d.adjust("hat", "k1", same)
		assert.Equal(t, http.StatusOK, again.StatusCode)
		assert.Equal(t, first.raw, again.raw, "the first answer")
		assert.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	}
	for _, other := range []string{`{"delta":11,"reason":"delivery"}`, `{"delta":10,"reason":"found"}`} {
		problem(t, d.adjust("hat", "k1", other), 422, "idempotency-key-reused", "header.Idempotency-Key")
	}
	problem(t, d.adjust("tie", "k1", body), 422, "idempotency-key-reused", "header.Idempotency-Key")
	d.level("hat", 17, 0)
	other := d.adjust("hat", "k1", body, "Authorization", "Test bert staff")
	assert.Equal(t, http.StatusOK, other.StatusCode)
	assert.Empty(t, other.Header.Get("Idempotent-Replayed"), "keys are the caller's own")
	d.level("hat", 27, 0)

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.Equal(t, 200, d.adjust("hat", "k2", `{"delta":-1,"reason":"moth"}`).StatusCode) })
	}
	wg.Wait()
	d.level("hat", 26, 0)
}

func TestAdjustmentsAreChecked(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 5)
	d.reserve("o1", contract.Line{SKU: "hat", Quantity: 3})
	problem(t, d.adjust("hat", "", `{"delta":1,"reason":"x"}`), 400, "idempotency-key-required", "header.Idempotency-Key")
	for _, delta := range []string{"0", "-0", "1.5", "1.0", "1e2", "1e400", "1000000001", "-1000000001", "9223372036854775808", `"1"`, "null", "true", "[1]", "{}"} {
		problem(t, d.adjust("hat", "k"+delta, `{"delta":`+delta+`,"reason":"x"}`), 422, "invalid-quantity", "body.delta")
	}
	problem(t, d.adjust("hat", "k", `{"reason":"x"}`), 422, "invalid-quantity", "body.delta")
	problem(t, d.adjust("hat", "k", `{"delta":1000000000,"reason":"x"}`), 422, "invalid-quantity", "body.delta")
	problem(t, d.adjust("hat", "k", `{"delta":1,"reason":"x","location":"moon"}`), 422, "invalid-request", "body.location")
	for _, bad := range []string{`{"delta":1}`, `{"delta":1,"reason":" "}`, `{"delta":1,"reason":7}`} {
		problem(t, d.adjust("hat", "k", bad), 422, "invalid-request", "")
	}
	problem(t, d.adjust("hat", "k", `{"delta":1,"reason":"x","extra":1}`), 422, "invalid-request", "")
	problem(t, d.adjust("hat", "k", `{"delta":1,`), 400, "malformed-request", "body")
	problem(t, d.adjust("hat", "k", ``), 400, "malformed-request", "")
	problem(t, d.adjust("no-such", "k", `{"delta":1,"reason":"x"}`), 404, "unknown-sku", "")
	problem(t, d.adjust("hat", strings.Repeat("k", 256), `{"delta":1,"reason":"x"}`), 422, "invalid-request", "header.Idempotency-Key")
	short := d.adjust("hat", "k", `{"delta":-3,"reason":"x"}`)
	problem(t, short, 409, "insufficient-stock", "body.delta")
	assert.Equal(t, 2.0, short.json["available"])
	d.level("hat", 5, 3)
	assert.Equal(t, 200, d.adjust("hat", "k", `{"delta":-2,"reason":"x"}`).StatusCode, "what was refused took no key")
	d.level("hat", 3, 3)
}

func TestLocationsAreAdjustedApart(t *testing.T) {
	t.Parallel()
	d := openDepot(t, "north", "south")
	d.adjust("hat", "k1", `{"delta":2,"reason":"x"}`)
	first := d.adjust("hat", "k2", `{"delta":3,"reason":"x","location":"south"}`)
	assert.JSONEq(t, `{"sku":"hat","onHand":5,"reserved":0,"available":5,"locations":[{"location":"north","onHand":2,"reserved":0},{"location":"south","onHand":3,"reserved":0}]}`, first.raw)
	problem(t, d.adjust("hat", "k2", `{"delta":3,"reason":"x"}`), 422, "idempotency-key-reused", "")
	held := d.reserve("o1", contract.Line{SKU: "hat", Quantity: 4})
	assert.JSONEq(t, `{"orderId":"o1","status":"held","lines":[{"sku":"hat","quantity":4}]}`, held.raw)
	assert.Equal(t, first.raw, d.adjust("hat", "k2", `{"delta":3,"reason":"x","location":"south"}`).raw)
	problem(t, d.adjust("hat", "k3", `{"delta":-1,"reason":"x"}`), 409, "insufficient-stock", "")
	d.level("hat", 5, 4)
	history := d.do(http.MethodGet, "/api/v1/stock/hat/history", "")
	assert.Len(t, history.json["items"], 4)
}

func TestHistoryIsPaged(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	for i := range 7 {
		d.adjust("hat", fmt.Sprint("k", i), fmt.Sprintf(`{"delta":%d,"reason":"r"}`, i+1))
	}
	var seqs []any
	for cursor := ""; ; {
		page := d.do(http.MethodGet, "/api/v1/stock/hat/history?limit=3&cursor="+cursor, "")
		require.Equal(t, 200, page.StatusCode, page.raw)
		for _, item := range page.json["items"].([]any) {
			e := item.(map[string]any)
			seqs = append(seqs, e["seq"])
			assert.Equal(t, "stock.received", e["type"])
			assert.Equal(t, e["seq"], e["data"].(map[string]any)["quantity"])
			assert.NotEmpty(t, e["at"])
		}
		next, more := page.json["nextCursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	assert.Equal(t, []any{7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0}, seqs)
	assert.JSONEq(t, `{"items":[],"nextCursor":null}`, d.do(http.MethodGet, "/api/v1/stock/tie/history", "").raw)
	problem(t, d.do(http.MethodGet, "/api/v1/stock/hat/history?cursor=junk", ""), 422, "invalid-request", "query.cursor")
	problem(t, d.do(http.MethodGet, "/api/v1/stock/no-such/history", ""), 404, "unknown-sku", "")
}

func TestReservationsLiveAndEnd(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 5)
	d.receive("tie", 1)
	hat, tie := contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "tie", Quantity: 1}
	const at = "/internal/reservations/o1"
	for range 2 {
		a := d.reserve("o1", hat, tie, contract.Line{SKU: "hat", Quantity: 1})
		assert.Equal(t, 200, a.StatusCode)
		assert.JSONEq(t, `{"orderId":"o1","status":"held","lines":[{"sku":"hat","quantity":3},{"sku":"tie","quantity":1}]}`, a.raw)
	}
	short := d.reserve("o2", contract.Line{SKU: "hat", Quantity: 3}, tie)
	problem(t, short, 409, "out-of-stock", "")
	assert.Equal(t, []any{map[string]any{"sku": "hat", "requested": 3.0, "available": 2.0}, map[string]any{"sku": "tie", "requested": 1.0, "available": 0.0}}, short.json["lines"])
	unknown := d.reserve("o2", hat, contract.Line{SKU: "no-such", Quantity: 1})
	problem(t, unknown, 404, "unknown-sku", "")
	assert.Equal(t, "no-such", unknown.json["sku"])
	assert.Equal(t, "held", d.reserve("o1", contract.Line{SKU: "no-such", Quantity: 1}).json["status"], "a repetition answers, whatever the catalogue has become")
	problem(t, d.reserve("o2", contract.Line{SKU: "hat", Quantity: 0}), 422, "invalid-request", "body.lines[0].quantity")
	problem(t, d.reserve("o2"), 422, "invalid-request", "body.lines")
	problem(t, d.do(http.MethodPost, at+"/ship", `{"id":"f1","lines":[{"sku":"hat","quantity":1}]}`), 409, "invalid-transition", "")
	problem(t, d.do(http.MethodPost, "/internal/reservations/o9/commit", ""), 404, "not-found", "")
	for range 2 {
		assert.Equal(t, "committed", d.do(http.MethodPost, at+"/commit", "").json["status"])
	}
	for range 2 {
		a := d.do(http.MethodPost, at+"/ship", `{"id":"f1","lines":[{"sku":"hat","quantity":3}]}`)
		assert.JSONEq(t, `{"orderId":"o1","status":"committed","lines":[{"sku":"tie","quantity":1}]}`, a.raw)
	}
	problem(t, d.do(http.MethodPost, at+"/ship", `{"id":"f2","lines":[{"sku":"hat","quantity":1}]}`), 422, "invalid-quantity", "body.lines")
	d.level("hat", 2, 0)
	for range 2 {
		a := d.do(http.MethodPost, at+"/return", `{"id":"f1","lines":[{"sku":"hat","quantity":3}]}`)
		assert.Equal(t, 200, a.StatusCode)
	}
	d.level("hat", 5, 0)
	assert.JSONEq(t, `{"orderId":"o1","status":"shipped","lines":[]}`, d.do(http.MethodPost, at+"/ship", `{"id":"f2","lines":[{"sku":"tie","quantity":1}]}`).raw)

	d.reserve("o3", hat)
	for range 2 {
		assert.JSONEq(t, `{"orderId":"o3","status":"released","lines":[]}`, d.do(http.MethodDelete, "/internal/reservations/o3", "").raw)
	}
	assert.Equal(t, "released", d.reserve("o3", hat).json["status"])
	problem(t, d.do(http.MethodPost, "/internal/reservations/o3/commit", ""), 409, "invalid-transition", "")
	d.level("hat", 5, 0)
}

func TestReservationsAreMadeOfWhatWasShown(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 5)
	d.receive("old-tie", 5)
	hat, tie := contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "old-tie", Quantity: 1}
	at := func(sku string, cents int64) contract.Shown {
		return contract.Shown{SKU: sku, UnitPrice: money.New(cents, "EUR")}
	}
	dear := d.reserveShown("o1", []contract.Shown{at("hat", 900)}, hat)
	problem(t, dear, 409, "price-changed", "")
	assert.Equal(t, []any{map[string]any{"sku": "hat", "was": map[string]any{"amount": 900.0, "currency": "EUR"}, "now": map[string]any{"amount": 1000.0, "currency": "EUR"}}}, dear.json["lines"])
	gone := d.reserveShown("o1", []contract.Shown{at("hat", 900), at("old-tie", 1000)}, hat, tie)
	problem(t, gone, 409, "cart-changed", "")
	assert.Equal(t, []any{"old-tie"}, gone.json["skus"])
	d.level("hat", 5, 0)

	assert.Equal(t, 200, d.reserveShown("o1", []contract.Shown{at("hat", 1000)}, hat).StatusCode)
	assert.Equal(t, 200, d.reserveShown("o1", []contract.Shown{at("hat", 900)}, hat).StatusCode, "a repetition answers, whatever the price has become")
	d.level("hat", 5, 2)
}

func TestSweepAsksOrders(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 100)
	all := map[string]string{"yes": "confirmed", "no": "rejected", "off": "cancelled", "slow": "placing", "ghost": "unknown", "mute": "", "strange": "eaten"}
	for order, decision := range all {
		d.reserve(order, contract.Line{SKU: "hat", Quantity: 1})
		d.decisions[order] = decision
	}
	status := func(order string) any { return d.reserve(order, contract.Line{SKU: "hat", Quantity: 1}).json["status"] }
	sweep := func(after time.Duration) {
		d.set(func() { d.now, d.asked = d.now.Add(after), nil })
		d.inventory.Sweep(t.Context())
	}
	sweep(14 * time.Minute)
	assert.Empty(t, d.asked, "nothing is past its time")
	sweep(time.Minute)
	assert.Len(t, d.asked, len(all))
	for order, want := range map[string]string{"yes": "committed", "no": "released", "off": "released", "slow": "held", "ghost": "held", "mute": "held", "strange": "held"} {
		assert.Equal(t, want, status(order), order)
	}
	sweep(time.Minute)
	assert.ElementsMatch(t, []string{"slow", "ghost", "mute", "strange"}, d.asked)
	assert.Equal(t, "released", status("ghost"), "and a late reservation is not made")
	sweep(1000 * time.Hour)
	assert.Equal(t, []any{"held", "held"}, []any{status("slow"), status("mute")}, "the clock frees nothing")
	d.level("hat", 100, 4)
}

func TestSweepGivesUpWhenOrdersIsDown(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 100)
	for i := range 50 {
		d.reserve(fmt.Sprint("o", i), contract.Line{SKU: "hat", Quantity: 1})
	}
	d.set(func() { d.now = d.now.Add(time.Hour) })
	d.inventory.Sweep(t.Context())
	assert.Less(t, len(d.asked), 5)
	d.level("hat", 100, 50)
}

// decisions are events of the orders log, from position 1 on.
type decisions struct{ n uint64 }

func (d *decisions) next(t *testing.T, typ, data string) sidecar.Message {
	t.Helper()
	d.n++
	e := contract.Event{ID: contract.EventID("orders", "orders", d.n, 0), Type: typ, Source: "orders", Partition: "orders", Commit: d.n, Position: d.n,
		Aggregate: "order/o2", Data: json.RawMessage(data)}
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return sidecar.Message{ID: e.ID, Data: b}
}

func TestDecisionsArriveAsEvents(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 10)
	for i := range 5 {
		d.reserve(fmt.Sprint("o", i), contract.Line{SKU: "hat", Quantity: 1})
	}
	var log decisions
	confirmed := log.next(t, contract.OrderConfirmed, `{"orderId":"o0"}`)
	require.NoError(t, d.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{confirmed, confirmed,
		log.next(t, contract.OrderPlaced, `{"orderId":"o1"}`),
		log.next(t, contract.OrderRejected, `{"reason":"declined"}`), // the aggregate names the order
		log.next(t, contract.OrderCancelled, `{"orderId":"o3"}`),
		log.next(t, contract.OrderConfirmed, `{"orderId":"o3"}`), // late: stays released
		log.next(t, contract.OrderConfirmed, `{"orderId":"never-held"}`),
		log.next(t, contract.OrderConfirmed, `[]`), {ID: "x", Data: []byte(`nonsense`)},
	}))
	d.level("hat", 10, 3)
	for order, want := range map[string]string{"o0": "committed", "o1": "held", "o2": "released", "o3": "released", "o4": "held"} {
		assert.Equal(t, want, d.reserve(order, contract.Line{SKU: "hat", Quantity: 1}).json["status"], order)
	}
	letters := d.do(http.MethodGet, "/api/v1/dead-letters/catalog", "", "Authorization", "Test root admin")
	assert.Len(t, letters.json["items"], 2, letters.raw)
	assert.Contains(t, letters.raw, "the order is not understood")
}

func TestManyDecisionsArriveAtOnce(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	const n = 120
	d.receive("hat", n)
	var log decisions
	var messages []sidecar.Message
	for i := range n {
		order, decision := fmt.Sprint("o", i), contract.OrderConfirmed
		if i%40 >= 30 {
			decision = contract.OrderCancelled
		}
		d.reserve(order, contract.Line{SKU: "hat", Quantity: 1})
		messages = append(messages, log.next(t, decision, `{"orderId":"`+order+`"}`))
	}
	require.NoError(t, d.mesh.Publish(t.Context(), contract.TopicOrders, messages))
	d.level("hat", n, 90) // what is sold stays reserved until it is sent
}

// Of a user whose account is deleted no event remains that could not be handled; others' do.
func TestDeletedUsersAreForgotten(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	var log decisions
	require.NoError(t, d.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{
		log.next(t, contract.OrderConfirmed, `{"orderId":7,"customer":"u1"}`), log.next(t, contract.OrderConfirmed, `{"orderId":7,"customer":"u2"}`)}))
	letters := func() any {
		return d.do(http.MethodGet, "/api/v1/dead-letters/catalog", "", "Authorization", "Test root admin").json["items"]
	}
	require.Len(t, letters(), 2)
	deleted := contract.Event{ID: "users/users/1/0", Type: contract.UserDeleted, Source: "users", Partition: "users", Position: 1, Data: json.RawMessage(`{"userId":"u1"}`)}
	b, err := json.Marshal(deleted)
	require.NoError(t, err)
	require.NoError(t, d.mesh.Publish(t.Context(), contract.TopicUsers, []sidecar.Message{{ID: deleted.ID, Data: b}}))
	require.Len(t, letters(), 1)
}

// subscription is what was subscribed last but the dead letters.
type subscription struct{ handler sidecar.Handler }

func (s *subscription) Subscribe(topic string, h sidecar.Handler) {
	if topic == contract.TopicOrders {
		s.handler = h
	}
}

func TestDecisionsWaitForAnOutage(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 10)
	d.reserve("o0", contract.Line{SKU: "hat", Quantity: 1})
	var s subscription
	d.inventory.Subscribe(&s)
	var log decisions
	m := log.next(t, contract.OrderRejected, `{"orderId":"o0"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, []sidecar.Outcome{sidecar.Retry}, s.handler(ctx, []sidecar.Delivery{{ID: m.ID, Data: m.Data}}))
	d.level("hat", 10, 1)
	assert.Equal(t, []sidecar.Outcome{sidecar.Done}, s.handler(t.Context(), []sidecar.Delivery{{ID: m.ID, Data: m.Data}}))
	d.level("hat", 10, 0)
}

func TestInventoryPublishesAndSweepsUntilClosed(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	d.receive("hat", 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.inventory.Start(ctx)
	require.Eventually(t, func() bool { return len(d.mesh.Sent(contract.TopicStock)) == 1 }, 5*time.Second, 5*time.Millisecond)
	var e contract.Event
	require.NoError(t, json.Unmarshal(d.mesh.Sent(contract.TopicStock)[0].Data, &e))
	assert.Equal(t, []string{"stock.received", "sku/hat", "catalog/stock-main/1/0"}, []string{e.Type, e.Aggregate, e.ID})
}
