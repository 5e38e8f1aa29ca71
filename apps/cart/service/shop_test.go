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

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumerapi"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// shop is the cart service over the memory doubles, beside a catalogue that answers from a table.
type shop struct {
	t       *testing.T
	mesh    *memory.Mesh
	state   *faulty
	key     ed25519.PrivateKey
	handler http.Handler

	mu       sync.Mutex
	variants map[string]contract.Variant
	asked    int
}

// faulty is a state store that can be out of order.
type faulty struct {
	*memory.State
	mu      sync.Mutex
	down    bool
	ttls    map[string]time.Duration
	failing int  // counts writes down; the one that makes it 0 fails
	written bool // and happens all the same
}

var errDown = errors.New("state is down")

func (f *faulty) broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return errDown
	}
	return nil
}

func (f *faulty) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := f.broken(); err != nil {
		return sidecar.Item{}, err
	}
	return f.State.Get(ctx, key)
}

func (f *faulty) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	return f.write(key, opts, func() error { return f.State.Create(ctx, key, value, opts...) })
}

func (f *faulty) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	return f.write(key, opts, func() error { return f.State.Put(ctx, key, value, etag, opts...) })
}

func (f *faulty) write(key string, opts []sidecar.PutOption, write func() error) error {
	if err := f.broken(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ttls[key] = sidecar.Options(opts).TTL
	f.failing--
	if f.failing != 0 {
		return write()
	}
	if f.written {
		write()
	}
	return errDown
}

func (f *faulty) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := f.broken(); err != nil {
		return nil, err
	}
	return f.State.GetMany(ctx, keys)
}

func (f *faulty) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, mesh: memory.NewMesh(), state: &faulty{State: memory.NewState(), ttls: map[string]time.Duration{}}, variants: map[string]contract.Variant{}}
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s.key = private
	keys := identity.NewCached(func(context.Context) (identity.JWKS, error) {
		return identity.JWKS{Keys: []identity.JWK{identity.PublicJWK("k", public)}}, nil
	}, time.Now)
	service := New(Deps{State: s.state, Invoker: s.mesh, Book: pricing.Demo(), NewID: rand.Text})
	router := chi.NewRouter()
	router.NotFound(httpx.NotFound)
	routes := router.With(httpx.Trace(zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)), httpx.Recover, httpx.Authenticate(identity.NewVerifier(keys, time.Now)), httpx.Conditional)
	api := httpx.NewAPI(routes, "cart")
	service.Mount(api)
	consumerapi.Mount(api, "cart", service.consumer)
	service.consumer.Follow(consumer.Log{Source: "orders", Partition: "orders"}, consumer.Log{Source: "users", Partition: "users"})
	service.consumer.Subscribe(s.mesh, roster.DeadLetterTopic("cart"), roster.Get("cart").Topics()...)
	s.handler = router
	s.mesh.Join("catalog", http.HandlerFunc(s.catalog))
	s.sell("tee-red-m", 19_99, 5)
	s.sell("hat", 5_01, 100)
	s.sell("a/b c%", 1_00, 1)
	return s
}

func (s *shop) sell(sku string, cents, available int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.variants[sku] = contract.Variant{SKU: sku, Title: strings.ToUpper(sku), Price: money.New(cents, "EUR"), Available: available, Taxable: true, ShippedGoods: true}
}

func (s *shop) stopSelling(sku string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.variants, sku)
}

func (s *shop) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *shop) catalog(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	var in contract.VariantsRequest
	if r.URL.Path != "/internal/variants" || json.NewDecoder(r.Body).Decode(&in) != nil || len(in.SKUs) == 0 || len(in.SKUs) > 200 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	reply := contract.VariantsReply{Variants: []contract.Variant{}}
	for _, sku := range in.SKUs {
		if v, ok := s.variants[sku]; ok {
			reply.Variants = append(reply.Variants, v)
		}
	}
	json.NewEncoder(w).Encode(reply)
}

func (s *shop) token(user string) string {
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{RegisteredClaims: jwt.RegisteredClaims{
		Subject: user, Issuer: identity.Issuer, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}})
	t.Header["kid"] = "k"
	signed, err := t.SignedString(s.key)
	require.NoError(s.t, err)
	return signed
}

// answer is what came back, decoded for convenience.
type answer struct {
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

func (a answer) problem() string { return a.Problem.Type[strings.LastIndex(a.Problem.Type, "/")+1:] }

// do sends a request as user (empty: a guest) with If-Match (empty: none). A body that is no string is
// sent as JSON.
func (s *shop) do(user, method, path, ifMatch string, body any) answer {
	s.t.Helper()
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
		r.Header.Set("Authorization", "Bearer "+s.token(user))
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
		r.Header.Set("If-None-Match", ifMatch)
	}
	if method != http.MethodGet {
		r.Header.Del("If-None-Match")
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	a := answer{Status: w.Code, Header: w.Header(), Raw: w.Body.String()}
	if w.Code < 300 {
		json.Unmarshal(w.Body.Bytes(), &a.Cart)
	} else if w.Code >= 400 {
		require.Equal(s.t, "application/problem+json", w.Header().Get("Content-Type"), a.Raw)
		json.Unmarshal(w.Body.Bytes(), &a.Problem)
	}
	return a
}

func (s *shop) ok(a answer) answer {
	s.t.Helper()
	require.Less(s.t, a.Status, 300, a.Raw)
	return a
}

func (s *shop) refused(a answer, status int, problem, field string) {
	s.t.Helper()
	require.Equal(s.t, status, a.Status, a.Raw)
	require.Equal(s.t, problem, a.problem(), a.Raw)
	if field != "" {
		require.NotEmpty(s.t, a.Problem.Errors, a.Raw)
		require.Equal(s.t, field, a.Problem.Errors[0].Location, a.Raw)
	}
}

// filled is a cart of the user's, or a guest's, with these quantities put in one after the other.
func (s *shop) filled(user string, lines ...contract.Line) answer {
	s.t.Helper()
	a := s.ok(s.do(user, "POST", "/api/v1/carts", "", "{}"))
	for _, l := range lines {
		a = s.ok(s.do(user, "PUT", path(a)+"/items/"+l.SKU, a.Header.Get("ETag"), map[string]any{"quantity": l.Quantity}))
	}
	return a
}

func path(a answer) string { return "/api/v1/carts/" + a.Cart.ID }

func codes(a answer) []string {
	list := []string{}
	for _, w := range a.Cart.Warnings {
		list = append(list, w.Code)
	}
	return list
}

var berlin = contract.Address{Name: "Ann", Line1: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"}
