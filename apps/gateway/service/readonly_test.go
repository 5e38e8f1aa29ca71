package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// unreliableStore is a state store that can be unavailable for reads.
type unreliableStore struct {
	sidecar.State
	unavailable atomic.Bool
}

func (s *unreliableStore) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if s.unavailable.Load() {
		return sidecar.Item{}, errors.New("unavailable")
	}
	return s.State.Get(ctx, key)
}

// replica is one of several gateways with the same state store, and Authorization headers that it accepts.
type replica struct {
	*testGateway
	admin, customer string
}

func newReplica(t *testing.T, state sidecar.State) replica {
	t.Helper()
	g := newTestGatewayWith(t, service.Config{}, state)
	expires := time.Now().Add(5 * time.Minute)
	return replica{
		g, "Bearer " + g.token(t, "admin", expires, "customer", "admin"),
		"Bearer " + g.token(t, "customer", expires, "customer"),
	}
}

// set sends a request to the switch as an administrator, and returns the status.
func (g replica) set(t *testing.T, body string) int {
	t.Helper()
	return g.send("PUT", "/api/v1/read-only", body, "Authorization", g.admin, "Content-Type", "application/json").Code
}

func TestReadOnlyModeRefusesOnlyWrites(t *testing.T) {
	t.Parallel()
	g := newReplica(t, memory.NewState())
	joinEcho(g.testGateway)
	require.Equal(t, http.StatusOK, g.send("POST", "/api/v1/carts", "").Code)
	require.Equal(t, http.StatusOK, g.set(t, `{"readOnly":true}`))
	for path, methods := range map[string][]string{
		"/api/v1/products/x": {"PUT", "DELETE"}, "/api/v1/carts": {"POST"}, "/api/v1/orders": {"POST"},
		"/api/v1/me":            {"PATCH"},
		"/api/v1/auth/register": {"POST"}, "/api/v1/payments/stripe/webhook": {"POST"},
	} {
		for _, method := range methods {
			w := g.send(method, path, "")
			requireProblem(t, http.StatusServiceUnavailable, "read-only", w)
			require.Equal(t, "30", w.Header().Get("Retry-After"))
		}
		require.Equal(t, http.StatusOK, g.send("GET", path, "").Code)
	}
	for _, path := range []string{"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"} {
		require.Equal(t, http.StatusOK, g.send("POST", path, "").Code)
	}
	w := g.send("GET", "/api/v1/read-only", "", "Authorization", g.admin)
	require.Equal(t, http.StatusOK, w.Code)
	var mode struct {
		ReadOnly bool
		Since    time.Time
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &mode))
	require.True(t, mode.ReadOnly)
	require.WithinDuration(t, time.Now(), mode.Since, time.Minute)
	require.Equal(t, http.StatusOK, g.set(t, `{"readOnly":false}`))
	require.Equal(t, http.StatusOK, g.send("POST", "/api/v1/carts", "").Code)
}

func TestOnlyAdministratorsSetReadOnlyMode(t *testing.T) {
	t.Parallel()
	g := newReplica(t, memory.NewState())
	for _, method := range []string{"GET", "PUT"} {
		body := map[string]string{"PUT": `{"readOnly":true}`}[method]
		require.Equal(t, 401, g.send(method, "/api/v1/read-only", body).Code)
		require.Equal(t, 403, g.send(method, "/api/v1/read-only", body, "Authorization", g.customer).Code)
	}
	for _, body := range []string{`{}`, `{"readOnly":1}`, `{"readOnly":null}`, `{"readOnly":true,"x":1}`, `[]`} {
		require.Equal(t, 422, g.set(t, body), body)
	}
	require.Equal(t, 400, g.set(t, `{`))
	joinEcho(g.testGateway)
	require.Equal(t, http.StatusOK, g.send("POST", "/api/v1/carts", "").Code)
}

// Every replica, also one that starts later, knows the mode within half a second. It keeps the mode while the store is
// unavailable.
func TestReadOnlyModeAppliesToAllReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := &unreliableStore{State: memory.NewState()}
		one, two := newReplica(t, state), newReplica(t, state)
		joinEcho(one.testGateway)
		joinEcho(two.testGateway)
		require.Equal(t, 200, two.send("POST", "/api/v1/carts", "").Code)
		require.Equal(t, 200, one.set(t, `{"readOnly":true}`))
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 503, two.send("POST", "/api/v1/carts", "").Code)
		three := newReplica(t, state)
		require.Equal(t, 503, three.send("POST", "/api/v1/carts", "").Code)
		state.unavailable.Store(true)
		time.Sleep(time.Minute)
		require.Equal(t, 503, two.send("POST", "/api/v1/carts", "").Code)
		state.unavailable.Store(false)
		require.Equal(t, 200, two.set(t, `{"readOnly":false}`))
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, 200, one.send("POST", "/api/v1/carts", "").Code)
	})
}

// The request that turns the mode on is answered when the writes before it have been answered.
func TestReadOnlyModeWaitsForWritesInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newReplica(t, memory.NewState())
		end := make(chan struct{})
		g.mesh.Join("cart", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
		go g.send("POST", "/api/v1/carts", "")
		synctest.Wait()
		set := make(chan int)
		go func() { set <- g.set(t, `{"readOnly":true}`) }()
		synctest.Wait()
		require.Equal(t, 503, g.send("POST", "/api/v1/carts", "").Code, "no new write is accepted")
		select {
		case <-set:
			t.Fatal("a write is in progress")
		case <-time.After(10 * time.Second):
		}
		close(end)
		require.Equal(t, 200, <-set)
	})
}

func TestReadOnlyModeIsInTheOpenAPIDocument(t *testing.T) {
	t.Parallel()
	g := newReplica(t, memory.NewState())
	for _, app := range []string{"catalog", "cart", "orders", "users"} {
		g.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"openapi":"3.1.0","paths":{}}`))
		}))
	}
	w := g.send("GET", "/openapi.json", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"/api/v1/read-only"`)
}
