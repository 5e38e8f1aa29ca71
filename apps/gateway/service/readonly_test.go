package service_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// store is one that may be away.
type store struct {
	sidecar.State
	away atomic.Bool
}

func (s *store) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if s.away.Load() {
		return sidecar.Item{}, errors.New("away")
	}
	return s.State.Get(ctx, key)
}

// gate is a replica of a gateway with a state store, and tokens for it.
type gate struct {
	*shop
	boss, ada string
}

func openGate(t *testing.T, state sidecar.State) gate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s := &shop{mesh: memory.NewMesh(), private: private}
	g, err := service.New(service.Deps{Config: service.Config{RateLimit: "off"}, Invoker: s.mesh, Log: zerolog.Nop(), State: state,
		Verifier: identity.NewVerifier(keys{"k1": public}, time.Now)})
	require.NoError(t, err)
	server := httpx.NewServer(httpx.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	g.Mount(server, func(context.Context) error { return nil })
	s.Handler = server.Router
	token := func(user string, roles ...string) string {
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{Roles: roles, RegisteredClaims: jwt.RegisteredClaims{
			Issuer: identity.Issuer, Subject: user, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}})
		token.Header["kid"] = "k1"
		text, err := token.SignedString(private)
		require.NoError(t, err)
		return "Bearer " + text
	}
	return gate{s, token("boss", "customer", "admin"), token("ada", "customer")}
}

func (g gate) set(t *testing.T, body string) int {
	t.Helper()
	return g.ask("PUT", "/api/v1/read-only", body, "Authorization", g.boss, "Content-Type", "application/json").Code
}

func TestAReadOnlyShopCanBeLookedAt(t *testing.T) {
	t.Parallel()
	g := openGate(t, memory.NewState())
	joinEcho(g.shop)
	require.Equal(t, http.StatusOK, g.ask("POST", "/api/v1/carts", "").Code)
	require.Equal(t, http.StatusOK, g.set(t, `{"readOnly":true}`))
	for path, methods := range map[string][]string{
		"/api/v1/products/x": {"PUT", "DELETE"}, "/api/v1/carts": {"POST"}, "/api/v1/orders": {"POST"}, "/api/v1/me": {"PATCH"},
		"/api/v1/auth/register": {"POST"}, "/api/v1/payments/stripe/webhook": {"POST"},
	} {
		for _, method := range methods {
			w := g.ask(method, path, "")
			requireProblem(t, http.StatusServiceUnavailable, "read-only", w)
			require.Equal(t, "30", w.Header().Get("Retry-After"))
		}
		require.Equal(t, http.StatusOK, g.ask("GET", path, "").Code)
	}
	for _, path := range []string{"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"} {
		require.Equal(t, http.StatusOK, g.ask("POST", path, "").Code)
	}
	w := g.ask("GET", "/api/v1/read-only", "", "Authorization", g.boss)
	require.Equal(t, http.StatusOK, w.Code)
	var mode struct {
		ReadOnly bool
		Since    time.Time
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &mode))
	require.True(t, mode.ReadOnly)
	require.WithinDuration(t, time.Now(), mode.Since, time.Minute)
	require.Equal(t, http.StatusOK, g.set(t, `{"readOnly":false}`))
	require.Equal(t, http.StatusOK, g.ask("POST", "/api/v1/carts", "").Code)
}

func TestReadOnlyIsForAdministrators(t *testing.T) {
	t.Parallel()
	g := openGate(t, memory.NewState())
	for _, method := range []string{"GET", "PUT"} {
		body := map[string]string{"PUT": `{"readOnly":true}`}[method]
		require.Equal(t, 401, g.ask(method, "/api/v1/read-only", body).Code)
		require.Equal(t, 403, g.ask(method, "/api/v1/read-only", body, "Authorization", g.ada).Code)
	}
	for _, body := range []string{`{}`, `{"readOnly":1}`, `{"readOnly":null}`, `{"readOnly":true,"x":1}`, `[]`} {
		require.Equal(t, 422, g.set(t, body), body)
	}
	require.Equal(t, 400, g.set(t, `{`))
	joinEcho(g.shop)
	require.Equal(t, http.StatusOK, g.ask("POST", "/api/v1/carts", "").Code)
}

// Within half a second every replica knows, and one that starts later. A store that is away changes nothing.
func TestReadOnlyReachesEveryReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := &store{State: memory.NewState()}
		one, two := openGate(t, state), openGate(t, state)
		joinEcho(one.shop)
		joinEcho(two.shop)
		require.Equal(t, 200, two.ask("POST", "/api/v1/carts", "").Code)
		require.Equal(t, 200, one.set(t, `{"readOnly":true}`))
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 503, two.ask("POST", "/api/v1/carts", "").Code)
		three := openGate(t, state)
		require.Equal(t, 503, three.ask("POST", "/api/v1/carts", "").Code)
		state.away.Store(true)
		time.Sleep(time.Minute)
		require.Equal(t, 503, two.ask("POST", "/api/v1/carts", "").Code)
		state.away.Store(false)
		require.Equal(t, 200, two.set(t, `{"readOnly":false}`))
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 200, one.ask("POST", "/api/v1/carts", "").Code)
	})
}

// Who turns it on hears of it when the writes of before are answered.
func TestReadOnlyWaitsForWritesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGate(t, memory.NewState())
		end := make(chan struct{})
		g.mesh.Join("cart", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
		go g.ask("POST", "/api/v1/carts", "")
		synctest.Wait()
		set := make(chan int)
		go func() { set <- g.set(t, `{"readOnly":true}`) }()
		synctest.Wait()
		require.Equal(t, 503, g.ask("POST", "/api/v1/carts", "").Code, "nothing new is let in")
		select {
		case <-set:
			t.Fatal("a write is under way")
		case <-time.After(10 * time.Second):
		}
		close(end)
		require.Equal(t, 200, <-set)
	})
}

func TestReadOnlyIsDescribed(t *testing.T) {
	t.Parallel()
	g := openGate(t, memory.NewState())
	for _, app := range []string{"catalog", "cart", "orders", "users"} {
		g.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"openapi":"3.1.0","paths":{}}`)) }))
	}
	w := g.ask("GET", "/openapi.json", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"/api/v1/read-only"`)
}
