package service

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumerapi"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpxtest"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// fixture is the cart service with test doubles of the sidecar, beside a catalogue that answers from a table.
type fixture struct {
	t       *testing.T
	mesh    *memory.Mesh
	state   *faultyState
	service *Service
	key     ed25519.PrivateKey
	handler http.Handler

	mu           sync.Mutex
	variants     map[string]contract.Variant
	catalogCalls int
}

// newFixture makes two replicas on one store, which get the requests in turn. Events go to one of them.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	f := &fixture{t: t, mesh: memory.NewMesh(), key: private, variants: map[string]contract.Variant{}}
	f.state = &faultyState{State: memory.NewState(), ttls: map[string]time.Duration{}}
	keys := identity.NewCached(func(context.Context) (identity.JWKS, error) {
		return identity.JWKS{Keys: []identity.JWK{identity.PublicJWK("k", public)}}, nil
	}, time.Now)
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	replica := func() (*Service, huma.API, http.Handler) {
		s := New(Deps{State: f.state, Invoker: f.mesh, NewID: rand.Text, Rules: pricing.DemoRules()})
		router := chi.NewRouter()
		router.NotFound(httpx.NotFound)
		api := httpx.NewAPI(router.With(httpx.Trace(log), httpx.Recover,
			httpx.Authenticate(identity.NewVerifier(keys, time.Now)), httpx.Conditional), "cart")
		s.Mount(api)
		return s, api, router
	}
	var api huma.API
	var one http.Handler
	f.service, api, one = replica()
	_, _, other := replica()
	f.handler = httpxtest.Alternate(one, other)

	c := f.service.events.Consumer
	consumerapi.Mount(api, "cart", c)
	c.Follow(consumer.Log{Source: "orders", Partition: "orders"}, consumer.Log{Source: "users", Partition: "users"})
	c.Subscribe(f.mesh, roster.DeadLetterTopic("cart"), roster.Get("cart").Topics()...)

	f.mesh.Join("catalog", http.HandlerFunc(f.serveVariants))
	f.sell("tee-red-m", 19_99, 5)
	f.sell("hat", 5_01, 100)
	f.sell("a/b c%", 1_00, 1)
	return f
}

// faultyState is a state store that fails on demand.
type faultyState struct {
	*memory.State
	mu      sync.Mutex
	calls   int
	down    bool
	ttls    map[string]time.Duration
	failing int  // counts writes down: the write that makes it 0 fails
	written bool // the failing write is stored nevertheless
}

var errDown = sidecar.StoreUnavailable(errors.New("state is down"))

func (s *faultyState) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.down {
		return errDown
	}
	return nil
}

func (s *faultyState) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := s.check(); err != nil {
		return sidecar.Item{}, err
	}
	return s.State.Get(ctx, key)
}

func (s *faultyState) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.State.GetMany(ctx, keys)
}

func (s *faultyState) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	return s.write(key, opts, func() error { return s.State.Create(ctx, key, value, opts...) })
}

func (s *faultyState) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	return s.write(key, opts, func() error { return s.State.Put(ctx, key, value, etag, opts...) })
}

func (s *faultyState) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

func (s *faultyState) write(key string, opts []sidecar.PutOption, write func() error) error {
	if err := s.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttls[key] = sidecar.Options(opts).TTL
	s.failing--
	if s.failing != 0 {
		return write()
	}
	if s.written {
		write()
	}
	return errDown
}

func (s *faultyState) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// countCalls returns how many calls of the store fn makes.
func (s *faultyState) countCalls(fn func()) int {
	s.mu.Lock()
	before := s.calls
	s.mu.Unlock()
	fn()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls - before
}

// sell puts an article on sale at a price in EUR.
func (f *fixture) sell(sku string, cents, available int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.variants[sku] = contract.Variant{SKU: sku, Title: strings.ToUpper(sku), Price: money.New(cents, "EUR"),
		Available: available, Taxable: true, ShippedGoods: true}
}

func (f *fixture) stopSelling(sku string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.variants, sku)
}

func (f *fixture) countCatalogCalls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.catalogCalls
}

// serveVariants is the catalogue.
func (f *fixture) serveVariants(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catalogCalls++
	var in contract.VariantsRequest
	if r.URL.Path != "/internal/variants" || json.NewDecoder(r.Body).Decode(&in) != nil ||
		len(in.SKUs) == 0 || len(in.SKUs) > 200 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	reply := contract.VariantsReply{Variants: []contract.Variant{}}
	for _, sku := range in.SKUs {
		if v, ok := f.variants[sku]; ok {
			reply.Variants = append(reply.Variants, v)
		}
	}
	json.NewEncoder(w).Encode(reply)
}

func (f *fixture) token(user string) string {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		RegisteredClaims: identity.Registered(user, time.Now(), identity.MaxLife)})
	t.Header["kid"] = "k"
	signed, err := t.SignedString(f.key)
	require.NoError(f.t, err)
	return signed
}

// response is a decoded response of the service.
type response struct {
	Status  int
	Header  http.Header
	Raw     string
	Cart    Cart
	Problem struct {
		Type   string
		Errors []struct{ Location, Message string }
		Lines  []contract.PriceChangedLine
	}
}

func (a response) problem() string { return a.Problem.Type[strings.LastIndex(a.Problem.Type, "/")+1:] }

// do sends a request of a user, empty for a guest. ifMatch is sent as If-Match and, with GET, as If-None-Match. A body
// that is not a string is sent as JSON.
func (f *fixture) do(user, method, path, ifMatch string, body any) response {
	f.t.Helper()
	var sent []byte
	switch b := body.(type) {
	case nil:
	case string:
		sent = []byte(b)
	default:
		sent, _ = json.Marshal(b)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(sent))
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+f.token(user))
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
		r.Header.Set("If-None-Match", ifMatch)
	}
	if method != http.MethodGet {
		r.Header.Del("If-None-Match")
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	a := response{Status: w.Code, Header: w.Header(), Raw: w.Body.String()}
	if w.Code < 300 {
		json.Unmarshal(w.Body.Bytes(), &a.Cart)
	} else if w.Code >= 400 {
		require.Equal(f.t, "application/problem+json", w.Header().Get("Content-Type"), a.Raw)
		json.Unmarshal(w.Body.Bytes(), &a.Problem)
	}
	return a
}

func (f *fixture) requireOK(a response) response {
	f.t.Helper()
	require.Less(f.t, a.Status, 300, a.Raw)
	return a
}

func (f *fixture) requireProblem(a response, status int, problem, field string) {
	f.t.Helper()
	require.Equal(f.t, status, a.Status, a.Raw)
	require.Equal(f.t, problem, a.problem(), a.Raw)
	if field != "" {
		require.NotEmpty(f.t, a.Problem.Errors, a.Raw)
		require.Equal(f.t, field, a.Problem.Errors[0].Location, a.Raw)
	}
}

// fill makes a cart of the user, empty for a guest, and sets these quantities one after the other.
func (f *fixture) fill(user string, lines ...contract.Line) response {
	f.t.Helper()
	a := f.requireOK(f.do(user, "POST", "/api/v1/carts", "", "{}"))
	for _, l := range lines {
		a = f.requireOK(f.do(user, "PUT", path(a)+"/items/"+l.SKU, a.Header.Get("ETag"),
			map[string]any{"quantity": l.Quantity}))
	}
	return a
}

func path(a response) string { return "/api/v1/carts/" + a.Cart.ID }

func warningCodes(a response) []string {
	list := []string{}
	for _, w := range a.Cart.Warnings {
		list = append(list, w.Code)
	}
	return list
}

var berlin = contract.Address{Name: "Ann", Line1: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"}
