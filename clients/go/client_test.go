package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newServer starts a server that answers with handle, and returns a client for it. The client does not wait between
// attempts: it records the pauses instead.
func newServer(t *testing.T, handle http.HandlerFunc) (c *Client, pauses *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	c, pauses = New(server.URL+"/", nil), &[]time.Duration{}
	c.wait = func(_ context.Context, d time.Duration) error {
		*pauses = append(*pauses, d)
		return nil
	}
	return c, pauses
}

// writeProblem answers with a problem. members are further members of the document, such as `,"lines":[]`.
func writeProblem(w http.ResponseWriter, status int, name, members string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	const document = `{"type":"https://haberdash.dev/problems/%s","title":"No","status":%d,"detail":"No."%s}`
	fmt.Fprintf(w, document, name, status, members)
}

func TestRequestCarriesParametersAndBody(t *testing.T) {
	t.Parallel()
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/api/v1/carts/a%2Fb/items/S%20KU", r.URL.EscapedPath())
		assert.Equal(t, `"3"`, r.Header.Get("If-Match"))
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		assert.Empty(t, r.Header.Get("Authorization"))
		var body map[string]any
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		assert.Equal(t, map[string]any{"quantity": 2.0}, body)
		w.Header().Set("ETag", `"4"`)
		fmt.Fprint(w, `{"id":"a/b","version":4}`)
	})
	a, err := c.SetCartItem(t.Context(), "a/b", "S KU", SetItemRequest{Quantity: 2}, SetCartItemParams{IfMatch: `"3"`})
	require.NoError(t, err)
	require.Equal(t, `"4"`, a.ETag())
	require.EqualValues(t, 4, a.Value.Version)
}

func TestUnsetParametersAreNotSent(t *testing.T) {
	t.Parallel()
	var got string
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.RawQuery
		fmt.Fprint(w, `{"items":[]}`)
	})
	params := ListProductsParams{Q: "felt hat", InStock: Ptr(false), Limit: Ptr[int64](5)}
	_, err := c.ListProducts(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, "inStock=false&limit=5&q=felt+hat", got)
}

func TestProblemsAreReturnedAsErrors(t *testing.T) {
	t.Parallel()
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, 409, "out-of-stock",
			`,"errors":[{"location":"body.lines[0]","message":"too many"}],"lines":[{"sku":"MUG","available":1}]`)
	})
	_, err := c.GetMe(t.Context(), GetMeParams{})
	require.True(t, IsProblem(fmt.Errorf("wrapped: %w", err), "out-of-stock"))
	require.False(t, IsProblem(err, "price-changed"))
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 409, p.Status)
	require.Equal(t, []FieldError{{"body.lines[0]", "too many"}}, p.Errors)
	var lines []struct{ SKU string }
	require.NoError(t, p.Member("lines", &lines))
	require.Equal(t, "MUG", lines[0].SKU)
	require.Error(t, p.Member("code", &lines))
}

func TestErrorPageOfAProxyBecomesAProblem(t *testing.T) {
	t.Parallel()
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "<html>", http.StatusBadGateway)
	})
	_, err := c.GetMe(t.Context(), GetMeParams{})
	var p *Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "502 about:blank: <html>\n", p.Error())
}

func TestNotModifiedIsNotAnError(t *testing.T) {
	t.Parallel()
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) })
	a, err := c.GetProduct(t.Context(), "hat", GetProductParams{IfNoneMatch: `"1"`})
	require.NoError(t, err)
	require.True(t, a.NotModified())
}

func TestAllAttemptsUseOneIdempotencyKey(t *testing.T) {
	t.Parallel()
	var keys []string
	c, pauses := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) {
		case 1:
			panic(http.ErrAbortHandler) // no response
		case 2:
			w.Header().Set("Retry-After", "2")
			writeProblem(w, 409, "request-in-progress", "")
		default:
			w.Header().Set("Idempotent-Replayed", "true")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":"o1"}`)
		}
	})
	a, err := c.PlaceOrder(t.Context(), Placement{}, PlaceOrderParams{})
	require.NoError(t, err)
	require.True(t, a.Replayed())
	require.Len(t, keys, 3)
	require.NotEmpty(t, keys[0])
	require.Equal(t, []string{keys[0], keys[0]}, keys[1:])
	require.Equal(t, []time.Duration{200 * time.Millisecond, 2 * time.Second}, *pauses)

	_, err = c.PlaceOrder(t.Context(), Placement{}, PlaceOrderParams{IdempotencyKey: "mine"})
	require.NoError(t, err)
	require.Equal(t, "mine", keys[3])
}

func TestUnsafeRequestsAreNotRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		writeProblem(w, 503, "unavailable", "")
	})
	_, err := c.CreateCart(t.Context(), CreateCartRequest{})
	require.True(t, IsProblem(err, "unavailable"))
	require.EqualValues(t, 1, calls.Load())
	_, err = c.GetCart(t.Context(), "c", GetCartParams{})
	require.True(t, IsProblem(err, "unavailable"))
	require.EqualValues(t, 1+maxAttempts, calls.Load())
}

func TestFollowOrderYieldsEachState(t *testing.T) {
	t.Parallel()
	c, _ := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "token", r.Header.Get("X-Order-Token"))
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\nevent: order\ndata: {\"status\":\"placing\"}\n\n")
		fmt.Fprint(w, "id: 2\nevent: order\ndata: {\"status\":\"confirmed\"}\n\n")
	})
	var seen []OrderStatus
	for o, err := range c.FollowOrder(t.Context(), "o1", "token") {
		require.NoError(t, err)
		seen = append(seen, o.Status)
	}
	require.Equal(t, []OrderStatus{OrderStatusPlacing, OrderStatusConfirmed}, seen)
}
