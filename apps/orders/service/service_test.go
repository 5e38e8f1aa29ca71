package service_test

import (
	"bufio"
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

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service"
	"haberdash/apps/orders/service/stripe"
	"haberdash/apps/orders/service/vault"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/sidecar/memory/workflow"
)

// world is the orders service on doubles, with a cart that quotes one line of 1000 and a catalog that holds
// what it has.
type world struct {
	t       *testing.T
	state   *memory.State
	store   func(sidecar.State) sidecar.State // wraps the state, if it is there
	mesh    *memory.Mesh
	log     *commitlog.Partition[order.State]
	handler http.Handler
	book    *order.Book
	service *service.Service
	sandbox *payment.Sandbox
	stripe  *stripe.Provider // takes the sandbox's place if it is there
	flows   *workflow.Engine
	quoted  atomic.Int64
	asked   func() // what happens before the cart quotes, if anything

	mu    sync.Mutex
	stock int64
	price int64 // what the catalogue asks; 1000 at first
	shown int64 // what the cart has
	gone  bool  // it is no longer sold
	holds map[string]int64
	kept  map[string]bool            // committed
	moves map[string][]contract.Line // shipments and returns, by their id
	down  map[string]bool
	clock time.Duration
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.clock)
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	w.clock += d
	w.mu.Unlock()
	w.flows.Advance(d)
}

func (w *world) fails(app string, down bool) { w.mu.Lock(); w.down[app] = down; w.mu.Unlock() }

func newWorld(t *testing.T, stock int64) *world { return newWorldPaying(t, stock, nil) }

// newWorldPaying is a world whose payments go through Stripe's adapter, or, without one, the sandbox.
func newWorldPaying(t *testing.T, stock int64, provider *stripe.Provider) *world {
	w := &world{stripe: provider, t: t, price: 1000, shown: 1000, state: memory.NewState(), mesh: memory.NewMesh(), stock: stock, holds: map[string]int64{}, kept: map[string]bool{},
		moves: map[string][]contract.Line{}, down: map[string]bool{}, flows: workflow.New()}
	w.mesh.Join("cart", http.HandlerFunc(w.cart))
	w.mesh.Join("catalog", http.HandlerFunc(w.catalog))
	w.start()
	return w
}

// start boots the service on the state that is there: also how a restart is played.
func (w *world) start() {
	var state sidecar.State = w.state
	if w.store != nil {
		state = w.store(w.state)
	}
	log, err := commitlog.Open(w.t.Context(), state, "orders", "orders", order.Model(), commitlog.Options{CheckpointEvery: 5 * time.Millisecond})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { log.Close(context.Background()) })
	w.log, w.book = log, order.NewBook(log)
	reading, stop := context.WithCancel(w.t.Context())
	var done sync.WaitGroup
	book := w.book
	done.Go(func() { book.Run(reading) })
	w.t.Cleanup(func() { stop(); done.Wait() })
	instant := func(ctx context.Context, d time.Duration) error { return ctx.Err() }
	w.sandbox = payment.NewSandbox(w.state, w.now, instant)
	payments := payment.Provider(w.sandbox)
	if w.stripe != nil {
		payments = w.stripe
	}
	keys, err := vault.New(state, "test", rand.Text, w.now)
	require.NoError(w.t, err)
	w.service = service.New(service.Deps{Book: w.book, Payments: payments, Invoker: w.mesh, State: state, Vault: keys,
		Workflows: w.flows, Secret: []byte("test"), Now: w.now, InvoiceYears: 10, Times: service.Times{ProviderPatience: 700 * time.Millisecond,
			Deadline: 20 * time.Millisecond, GiveUp: 15 * time.Minute, HoldFor: 15 * time.Minute, AuthorisationLife: 100 * time.Hour, ReturnsFor: 720 * time.Hour}})
	w.service.Listen(w.mesh)
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if user := r.Header.Get("Test-User"); user != "" {
				ctx = identity.With(ctx, identity.Caller{UserID: user, Roles: strings.Split(r.Header.Get("Test-Roles"), ",")}, "token")
			}
			next.ServeHTTP(rw, r.WithContext(ctx))
		})
	}, httpx.Conditional)
	api := httpx.NewAPI(router, "orders")
	w.service.Mount(api)
	if w.stripe != nil {
		w.service.MountWebhooks(api, w.stripe)
	}
	w.handler = router
}

// live gives orders their lifecycles until the end of the test.
func (w *world) live() {
	w.service.Host(w.flows)
	ctx, stop := context.WithCancel(w.t.Context())
	var work sync.WaitGroup
	flows, service := w.flows, w.service
	work.Go(func() { assert.NoError(w.t, flows.Run(ctx)) })
	work.Go(func() { assert.NoError(w.t, service.Follow(ctx)) })
	w.t.Cleanup(func() { stop(); work.Wait() })
}

func (w *world) cart(rw http.ResponseWriter, r *http.Request) {
	if w.asked != nil {
		w.asked()
	}
	version := w.quoted.Add(1) // the cart is another one each time, as after an order
	var q contract.QuoteRequest
	json.NewDecoder(r.Body).Decode(&q)
	if q.CartID == "empty" {
		httpx.WriteProblem(rw, fault.New(fault.Invalid, "empty-cart", "The cart is empty."))
		return
	}
	eur := func(n int64) money.Money { return money.New(n, "EUR") }
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.Renew {
		w.shown = w.price
		httpx.WriteProblem(rw, contract.PriceChanged(nil))
		return
	}
	json.NewEncoder(rw).Encode(contract.Quote{CartID: q.CartID, CartVersion: version,
		Lines:    []contract.QuoteLine{{SKU: "HAT", Title: "Hat", Quantity: 1, UnitPrice: eur(w.shown), Taxable: true, Shipped: true, Total: eur(w.shown)}},
		Subtotal: eur(w.shown), Discount: eur(0), Shipping: eur(500), Tax: eur(190), Total: eur(w.shown + 690), ShippingOption: "standard"})
}

func (w *world) catalog(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down["catalog"] {
		rw.WriteHeader(http.StatusBadGateway)
		return
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/internal/reservations/"), "/")
	switch {
	case action == "commit":
		w.kept[id] = true
	case action == "ship", action == "return":
		var s contract.ShipmentRequest
		json.NewDecoder(r.Body).Decode(&s)
		if action == "ship" && !w.kept[id] {
			httpx.WriteProblem(rw, fault.New(fault.Conflict, "invalid-transition", "Not committed."))
			return
		}
		w.moves[action+"/"+s.ID] = s.Lines
	case r.Method == http.MethodPut:
		if _, held := w.holds[id]; !held {
			var in contract.ReservationRequest
			json.NewDecoder(r.Body).Decode(&in)
			if now := money.New(w.price, "EUR"); len(in.Shown) != 1 || !in.Shown[0].Taxable || !in.Shown[0].Shipped || in.Shown[0].UnitPrice != now {
				httpx.WriteProblem(rw, contract.PriceChanged([]contract.PriceChangedLine{{SKU: "HAT", Was: in.Shown[0].UnitPrice, Now: now}}))
				return
			}
			if w.gone {
				httpx.WriteProblem(rw, contract.CartChanged([]string{"HAT"}))
				return
			}
			if w.stock < 1 {
				httpx.WriteProblem(rw, fault.New(fault.Conflict, "out-of-stock", "No.").With("lines", []contract.OutOfStockLine{{SKU: "HAT", Requested: 1}}))
				return
			}
			w.stock--
			w.holds[id] = 1
		}
	case r.Method == http.MethodDelete:
		w.stock += w.holds[id]
		w.holds[id] = 0
	}
	json.NewEncoder(rw).Encode(contract.Reservation{OrderID: id, Status: "held"})
}

func (w *world) do(method, path string, body any, headers ...string) *httptest.ResponseRecorder {
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
	w.handler.ServeHTTP(rec, r)
	return rec
}

func body(cart, token string) map[string]any {
	return map[string]any{"cartId": cart, "email": "ada@example.com", "payment": map[string]any{"method": "card", "token": token},
		"shippingAddress": map[string]any{"name": "Ada", "line1": "1 Street", "city": "Berlin", "postalCode": "10115", "country": "DE"}}
}

func (w *world) place(key, cart, token string, headers ...string) *httptest.ResponseRecorder {
	return w.do(http.MethodPost, "/api/v1/orders", body(cart, token), append(headers, "Idempotency-Key", key)...)
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
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &v), rec.Body.String())
	return v
}

func TestGuestBuysAndReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.place("k", "c1", "tok_visa")
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	v := read(t, rec)
	assert.Equal(t, "confirmed", v.Status)
	assert.Equal(t, "authorized", v.Payment.Status)
	assert.Equal(t, v.Total, v.Payment.Authorized)
	assert.NotEmpty(t, v.AccessToken)

	path := "/api/v1/orders/" + v.ID
	assert.Equal(t, http.StatusNotFound, w.do(http.MethodGet, path, nil).Code)
	assert.Equal(t, http.StatusNotFound, w.do(http.MethodGet, path, nil, "X-Order-Token", strings.Repeat("0", 64)).Code)
	assert.Equal(t, http.StatusNotFound, w.do(http.MethodGet, path, nil, "Test-User", "eve").Code)
	got := w.do(http.MethodGet, path, nil, "X-Order-Token", v.AccessToken)
	require.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, http.StatusNotModified, w.do(http.MethodGet, path, nil, "X-Order-Token", v.AccessToken, "If-None-Match", got.Header().Get("ETag")).Code)

	events := w.do(http.MethodGet, path+"/events", nil, "X-Order-Token", v.AccessToken)
	require.Equal(t, http.StatusOK, events.Code)
	assert.Contains(t, events.Body.String(), contract.OrderConfirmed)
	for _, secret := range []string{"tok_visa", v.AccessToken, "fingerprint"} {
		assert.NotContains(t, events.Body.String(), secret)
	}
}

func TestRepetitionsGetTheFirstAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	first := w.place("k", "c1", "tok_visa", "Test-User", "ada")
	require.Equal(t, http.StatusCreated, first.Code)
	w.start() // a restart, or another replica
	reordered := `{"shippingAddress":{"country":"DE","name":"Ada","line1":"1 Street","postalCode":"10115","city":"Berlin"},
		"payment":{"token":"tok_visa","method":"card"},"email":"ada@example.com","cartId":"c1"}`
	again := w.do(http.MethodPost, "/api/v1/orders", reordered, "Idempotency-Key", "k", "Test-User", "ada")
	assert.Equal(t, first.Code, again.Code)
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	assert.Empty(t, first.Header().Get("Idempotent-Replayed"))

	id := read(t, first).ID
	require.Equal(t, http.StatusOK, w.do(http.MethodPost, "/api/v1/orders/"+id+"/cancel", nil, "Test-User", "ada").Code)
	assert.Equal(t, first.Body.String(), w.place("k", "c1", "tok_visa", "Test-User", "ada").Body.String(), "also when the order has moved on")

	other := w.place("k", "c1", "tok_declined", "Test-User", "ada")
	assert.Equal(t, http.StatusUnprocessableEntity, other.Code)
	assert.Contains(t, other.Body.String(), "idempotency-key-reused")
	assert.Equal(t, http.StatusCreated, w.place("k", "c2", "tok_visa", "Test-User", "bob").Code, "keys are scoped to the caller")
	assert.Equal(t, http.StatusCreated, w.place("k", "c3", "tok_visa").Code)
	missing := w.do(http.MethodPost, "/api/v1/orders", body("c1", "tok_visa"))
	assert.Equal(t, http.StatusBadRequest, missing.Code)
	assert.Contains(t, missing.Body.String(), "idempotency-key-required")
}

func TestFiftyCopiesMakeOneOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 50)
	release := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range 50 {
		wg.Go(func() {
			<-release
			rec := w.place("k", "c1", "tok_visa", "Test-User", "ada")
			mu.Lock()
			defer mu.Unlock()
			if rec.Code != http.StatusCreated {
				assert.Equal(t, http.StatusConflict, rec.Code)
				assert.Contains(t, rec.Body.String(), "request-in-progress")
				assert.NotEmpty(t, rec.Header().Get("Retry-After"))
				return
			}
			answers[rec.Body.String()]++
		})
	}
	close(release)
	wg.Wait()
	assert.Len(t, answers, 1)
	assert.Equal(t, int64(49), w.stock)
}

func TestRefusalsLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	declined := w.place("k1", "c", "tok_insufficient_funds")
	assert.Equal(t, http.StatusPaymentRequired, declined.Code)
	assert.Contains(t, declined.Body.String(), `"code":"insufficient_funds"`)
	assert.Equal(t, int64(1), w.stock, "the stock is free again")
	again := w.place("k1", "c", "tok_insufficient_funds")
	assert.Equal(t, declined.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))

	require.Equal(t, http.StatusCreated, w.place("k2", "c", "tok_visa").Code)
	short := w.place("k3", "c", "tok_visa")
	assert.Equal(t, http.StatusConflict, short.Code)
	assert.Contains(t, short.Body.String(), "out-of-stock")
	assert.Contains(t, short.Body.String(), `"sku":"HAT"`)
	assert.Equal(t, http.StatusUnprocessableEntity, w.place("k4", "empty", "tok_visa").Code)
}

func TestPricesThatWereNotShownAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.mu.Lock()
	w.price = 1100
	w.mu.Unlock()
	refused := w.place("k1", "c", "tok_visa")
	require.Equal(t, http.StatusConflict, refused.Code)
	assert.Contains(t, refused.Body.String(), "/price-changed")
	assert.Contains(t, refused.Body.String(), `"lines":[{"sku":"HAT","was":{"amount":1000,"currency":"EUR"},"now":{"amount":1100,"currency":"EUR"}}]`)
	w.start()
	again := w.place("k1", "c", "tok_visa")
	assert.Equal(t, refused.Body.String(), again.Body.String(), "also when read from the log")
	assert.Equal(t, int64(1), w.stock)
	bought := w.place("k2", "c", "tok_visa")
	require.Equal(t, http.StatusCreated, bought.Code, "the cart has taken the price over: %s", bought.Body)
	assert.Equal(t, money.New(1790, "EUR"), read(t, bought).Total)

	w.mu.Lock()
	w.stock, w.gone = 1, true
	w.mu.Unlock()
	vanished := w.place("k3", "d", "tok_visa")
	require.Equal(t, http.StatusConflict, vanished.Code)
	assert.Contains(t, vanished.Body.String(), "/cart-changed")
	assert.Contains(t, vanished.Body.String(), `"skus":["HAT"]`)
}

func TestSilentProviderIsDecidedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	rec := w.place("k", "c", "tok_timeout", "Test-User", "ada")
	require.Equal(t, http.StatusAccepted, rec.Code, rec.Body.String())
	assert.Equal(t, "placing", read(t, rec).Status)
	w.advance(time.Second)
	again := w.place("k", "c", "tok_timeout", "Test-User", "ada")
	assert.Equal(t, http.StatusCreated, again.Code, again.Body.String())
	assert.Equal(t, read(t, rec).ID, read(t, again).ID)
	assert.Equal(t, int64(4), w.stock)
	assert.Equal(t, http.StatusCreated, w.place("e", "c", "tok_error", "Test-User", "ada").Code, "two failures are retried within the request")
}

func TestLifecycleDecidesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.fails("catalog", true)
	rec := w.place("k", "c", "tok_visa", "Test-User", "ada")
	assert.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body.String())
	assert.NotEmpty(t, rec.Header().Get("Retry-After"))
	w.fails("catalog", false)
	w.start()
	w.live()
	assert.Eventually(t, func() bool {
		list := w.do(http.MethodGet, "/api/v1/orders", nil, "Test-User", "ada")
		return strings.Contains(list.Body.String(), `"status":"confirmed"`)
	}, 10*time.Second, 5*time.Millisecond)
	again := w.place("k", "c", "tok_visa", "Test-User", "ada")
	assert.Equal(t, http.StatusCreated, again.Code)
	assert.Equal(t, int64(4), w.stock)
}

// A provider that answered while nobody listened, and stock that was given to somebody else meanwhile: the
// money goes back.
func TestARepetitionVoidsWhatCannotBeServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.place("k", "c", "tok_timeout", "Test-User", "ada") // recorded by the provider, answered to nobody
	require.Equal(t, http.StatusAccepted, rec.Code)
	id := read(t, rec).ID
	w.mu.Lock()
	delete(w.holds, id)
	w.stock = 0
	w.mu.Unlock()
	w.advance(time.Second)
	again := w.place("k", "c", "tok_timeout", "Test-User", "ada")
	assert.Equal(t, http.StatusConflict, again.Code, again.Body.String())
	a, found, err := w.sandbox.Find(t.Context(), id)
	require.NoError(t, err)
	require.True(t, found)
	assert.Equal(t, payment.Voided, a.Status)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	v := read(t, w.place("k", "c", "tok_visa", "Test-User", "ada"))
	path := "/api/v1/orders/" + v.ID + "/cancel"
	assert.Equal(t, http.StatusNotFound, w.do(http.MethodPost, path, nil, "Test-User", "eve").Code)
	for range 2 {
		rec := w.do(http.MethodPost, path, nil, "Test-User", "ada")
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		got := read(t, rec)
		assert.Equal(t, "cancelled", got.Status)
		assert.Equal(t, "voided", got.Payment.Status)
		assert.Zero(t, got.Payment.Authorized.Amount)
	}
	assert.Equal(t, int64(5), w.stock)
	a, ok, err := w.sandbox.Find(t.Context(), v.ID)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, payment.Voided, a.Status)
	assert.Equal(t, http.StatusConflict, w.do(http.MethodPost, path[:len(path)-len("cancel")-len(v.ID)-1]+rejectedOrder(t, w)+"/cancel", nil, "Test-User", "ada").Code)
	rejected := w.do(http.MethodGet, "/api/v1/orders?status=rejected", nil, "Test-User", "ada")
	assert.Contains(t, rejected.Body.String(), `"status":"rejected"`)
}

// rejectedOrder makes an order whose payment is declined and gives its id.
func rejectedOrder(t *testing.T, w *world) string {
	var p struct{ OrderID string }
	require.NoError(t, json.Unmarshal(w.place("k2", "c", "tok_declined", "Test-User", "ada").Body.Bytes(), &p))
	return p.OrderID
}

func TestListsArePagedAndOwned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	for i := range 7 {
		require.Equal(t, http.StatusCreated, w.place(fmt.Sprint(i), "c", "tok_visa", "Test-User", "ada").Code)
		require.Equal(t, http.StatusCreated, w.place(fmt.Sprint(i), "c", "tok_visa", "Test-User", "bob").Code)
	}
	walk := func(query string, headers ...string) (numbers []string) {
		cursor := ""
		for {
			rec := w.do(http.MethodGet, "/api/v1/orders?limit=3"+query+cursor, nil, headers...)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
			var page struct {
				Items      []view
				NextCursor *string
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &page))
			for _, o := range page.Items {
				numbers = append(numbers, o.Number)
			}
			if page.NextCursor == nil {
				return numbers
			}
			cursor = "&cursor=" + *page.NextCursor
		}
	}
	assert.Equal(t, []string{"H10013", "H10011", "H10009", "H10007", "H10005", "H10003", "H10001"}, walk("", "Test-User", "ada"))
	assert.Len(t, walk("", "Test-User", "boss", "Test-Roles", "staff"), 14)
	assert.Len(t, walk("&status=confirmed", "Test-User", "boss", "Test-Roles", "staff"), 14)
	assert.Len(t, walk("&status=cancelled", "Test-User", "boss", "Test-Roles", "staff"), 0)
	assert.Len(t, walk("&customer=bob&status=confirmed", "Test-User", "boss", "Test-Roles", "admin"), 7)
	assert.Equal(t, http.StatusUnauthorized, w.do(http.MethodGet, "/api/v1/orders", nil).Code)
	assert.Equal(t, http.StatusForbidden, w.do(http.MethodGet, "/api/v1/orders?customer=bob", nil, "Test-User", "ada").Code)
	assert.Equal(t, http.StatusUnprocessableEntity, w.do(http.MethodGet, "/api/v1/orders?cursor=nonsense", nil, "Test-User", "ada").Code)
}

func TestStreamFollowsTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	v := read(t, w.place("k", "c", "tok_visa", "Test-User", "ada"))
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	open := func(user string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/orders/"+v.ID+"/stream", nil)
		require.NoError(t, err)
		req.Header.Set("Test-User", user)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	refused := open("eve")
	assert.Equal(t, http.StatusNotFound, refused.StatusCode)
	assert.Equal(t, "application/problem+json", refused.Header.Get("Content-Type"))
	res := open("ada")
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	next := func() (data string) {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return text
			}
		}
		return ""
	}
	assert.Contains(t, next(), `"status":"confirmed"`)
	require.Equal(t, http.StatusOK, w.do(http.MethodPost, "/api/v1/orders/"+v.ID+"/cancel", nil, "Test-User", "ada").Code)
	assert.Contains(t, next(), `"status":"cancelled"`)
}

func TestBadBodiesNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	for name, c := range map[string]struct {
		body, location string
		status         int
	}{
		"unknown member": {`{"cartId":"c","surprise":1}`, "body.surprise", 422},
		"missing member": {`{"email":"a@example.com"}`, "body.cartId", 422},
		"wrong type":     {`{"cartId":7}`, "body.cartId", 422},
		"bad country": {`{"cartId":"c","email":"a@example.com","payment":{"method":"card","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"Germany"}}`, "body.shippingAddress.country", 422},
		"a name beside the address": {`{"cartId":"c","email":"Ada <a@example.com>","payment":{"method":"card","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"DE"}}`, "body.email", 422},
		"bad method": {`{"cartId":"c","email":"a@example.com","payment":{"method":"cash","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"DE"}}`, "body.payment.method", 422},
		"not JSON":      {`{`, "body", 400},
		"invalid UTF-8": {"{\"cartId\":\"\xff\"}", "body", 400},
	} {
		rec := w.do(http.MethodPost, "/api/v1/orders", c.body, "Idempotency-Key", "k")
		assert.Equal(t, c.status, rec.Code, "%s: %s", name, rec.Body)
		assert.Contains(t, rec.Body.String(), `"location":"`+c.location, name)
		assert.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"), name)
	}
	huge := w.do(http.MethodPost, "/api/v1/orders", `{"cartId":"`+strings.Repeat("x", 1<<20)+`"}`, "Idempotency-Key", "k")
	assert.Equal(t, http.StatusRequestEntityTooLarge, huge.Code)
	assert.Zero(t, w.quoted.Load())
}
