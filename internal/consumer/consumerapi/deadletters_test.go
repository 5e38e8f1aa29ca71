package consumerapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumerapi"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// cart is an app whose consumer has three dead letters.
type cart struct {
	t      *testing.T
	mesh   *memory.Mesh
	broken bool
}

func newCart(t *testing.T) *cart {
	d := &cart{t: t, mesh: memory.NewMesh(), broken: true}
	c := consumer.New(consumer.Options{
		State: memory.NewState(), Logs: []consumer.Log{{Source: "orders", Partition: "orders"}},
		Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) },
		Handlers: map[string]consumer.Handler{"order.confirmed": func(context.Context, contract.Event) error {
			if d.broken {
				return errors.New("no such cart")
			}
			return nil
		}},
	})
	for n := uint64(1); n <= 3; n++ {
		data, err := json.Marshal(contract.Event{
			ID: contract.EventID("orders", "orders", n, 0), Type: "order.confirmed", Source: "orders",
			Partition: "orders", Commit: n, Position: n, Aggregate: "order/o",
			Data: json.RawMessage(`{"email":"ada@example.test"}`),
		})
		require.NoError(t, err)
		require.Equal(t, []sidecar.Outcome{sidecar.Done}, c.DeliverDead(t.Context(), []sidecar.Delivery{{Data: data}}))
	}
	consumerapi.Mount(httpx.NewAPI(app(d.mesh, "cart"), "test"), "cart", c)
	return d
}

func (d *cart) do(role, method, path string, query url.Values) (int, map[string]any) {
	d.t.Helper()
	res, err := d.mesh.Invoke(d.t.Context(), sidecar.Request{
		App: "cart", Method: method, Path: path, Query: query, Header: http.Header{"Test-Role": {role}},
	})
	require.NoError(d.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	var v map[string]any
	if len(body) > 0 {
		require.NoError(d.t, json.Unmarshal(body, &v), "%s", body)
	}
	return res.Status, v
}

// app adds an app to the mesh. Its callers have the role in their header Test-Role.
func app(mesh *memory.Mesh, name string) *chi.Mux {
	router := chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if role := r.Header.Get("Test-Role"); role != "" {
				caller := identity.Caller{UserID: "u", Roles: []string{role}}
				r = r.WithContext(identity.With(r.Context(), caller, "token"))
			}
			next.ServeHTTP(w, r)
		})
	})
	mesh.Join(name, router)
	return router
}

func TestDeadLettersAreListedReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	d := newCart(t)
	status, page := d.do("admin", "GET", "/api/v1/dead-letters/cart", url.Values{"limit": {"2"}})
	require.Equal(t, 200, status, page)
	items := page["items"].([]any)
	require.Len(t, items, 2)
	assert.Equal(t, map[string]any{
		"id": "orders:orders:3", "event": "orders/orders/3/0", "type": "order.confirmed", "source": "orders",
		"partition": "orders", "position": 3.0, "aggregate": "order/o", "reason": "no such cart",
		"at": "2026-05-01T12:00:00Z", "tries": 1.0,
	}, items[0], "without the data of the event")
	next := url.Values{"cursor": {page["nextCursor"].(string)}}
	status, page = d.do("admin", "GET", "/api/v1/dead-letters/cart", next)
	require.Equal(t, 200, status, page)
	require.Len(t, page["items"], 1)
	assert.Nil(t, page["nextCursor"])

	status, problem := d.do("admin", "POST", "/api/v1/dead-letters/cart/orders:orders:3/replay", nil)
	assert.Equal(t, 409, status)
	assert.Equal(t, "no such cart", problem["reason"])
	d.broken = false
	status, _ = d.do("admin", "POST", "/api/v1/dead-letters/cart/orders:orders:3/replay", nil)
	assert.Equal(t, 204, status)
	status, _ = d.do("admin", "DELETE", "/api/v1/dead-letters/cart/orders:orders:1", nil)
	assert.Equal(t, 204, status)
	_, page = d.do("admin", "GET", "/api/v1/dead-letters/cart", nil)
	assert.Len(t, page["items"], 1)
}

func TestOnlyAdministratorsSeeDeadLetters(t *testing.T) {
	t.Parallel()
	d := newCart(t)
	for method, path := range map[string]string{
		"GET": "", "POST": "/orders:orders:3/replay", "DELETE": "/orders:orders:3",
	} {
		for role, want := range map[string]int{"": 401, "customer": 403, "staff": 403} {
			status, _ := d.do(role, method, "/api/v1/dead-letters/cart"+path, nil)
			assert.Equal(t, want, status, "%s as %q", method, role)
		}
		status, _ := d.do("admin", method, "/api/v1/dead-letters/catalog"+path, nil)
		assert.Equal(t, 404, status, "another app's")
	}
	for _, id := range []string{"orders:orders:9", "x"} {
		status, _ := d.do("admin", "POST", "/api/v1/dead-letters/cart/"+id+"/replay", nil)
		assert.Equal(t, 404, status)
	}
	status, _ := d.do("admin", "GET", "/api/v1/dead-letters/cart", url.Values{"cursor": {"x"}})
	assert.Equal(t, 422, status)
}

func TestCursorsAreListed(t *testing.T) {
	t.Parallel()
	d := newCart(t)
	var got contract.Cursors
	require.NoError(t, sidecar.Call(t.Context(), d.mesh, "cart", "GET", "/internal/consumers", nil, nil, &got))
	assert.Equal(t, []contract.Cursor{{Source: "orders", Partition: "orders", Position: 3, Parked: 3}}, got.Cursors)
}
