package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

// replicas are processes of the service on one store. None of them looks at the log unless a request makes it, so each
// is as far behind the others as it can be.
type replicas struct {
	*fixture
	handlers []http.Handler
}

func newReplicas(t *testing.T, n int) *replicas {
	f := newFixture(t, 25)
	f.syncEvery = time.Hour
	r := &replicas{fixture: f}
	for range n {
		f.start()
		r.handlers = append(r.handlers, f.handler)
	}
	return r
}

// outcome is what an answer says, without the times in it and without the versions of the cart, which the double of the
// cart service counts up with each quote.
type outcome struct {
	Status               int
	Replayed, ETag, Body string
}

var different = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]+"|"cartVersion":\d+`)

// send sends a request to one of the replicas.
func (r *replicas) send(replica int, in request) outcome {
	body := new(bytes.Buffer)
	if in.body != nil {
		require.NoError(r.t, json.NewEncoder(body).Encode(in.body))
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, in.method, in.path, body)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(in.headers); i += 2 {
		req.Header.Set(in.headers[i], in.headers[i+1])
	}
	w := httptest.NewRecorder()
	var answer http.ResponseWriter = w
	if in.operation == "stream-order" {
		answer = &oneEvent{w, cancel}
	}
	r.handlers[replica%len(r.handlers)].ServeHTTP(answer, req)
	return outcome{w.Code, w.Header().Get("Idempotent-Replayed"), w.Header().Get("ETag"),
		different.ReplaceAllString(w.Body.String(), `""`)}
}

// oneEvent ends a stream after its first event.
type oneEvent struct {
	*httptest.ResponseRecorder
	end func()
}

func (w *oneEvent) Write(p []byte) (int, error) {
	n, err := w.ResponseRecorder.Write(p)
	if strings.HasSuffix(w.Body.String(), "\n\n") {
		w.end()
	}
	return n, err
}

// SetWriteDeadline lets a stream set its deadlines.
func (w *oneEvent) SetWriteDeadline(time.Time) error { return nil }

// request is a request of the test, with the operation that it calls.
type request struct {
	operation, method, path string
	body                    any
	headers                 []string
}

// known are ids from the answers so far, that later requests name.
type known struct{ orders, parcels, returns []string }

func (k *known) learn(body string) {
	var o struct {
		ID, Number  string
		Fulfilments []struct{ ID string }
		Returns     []struct{ ID string }
	}
	if json.Unmarshal([]byte(body), &o) != nil || o.Number == "" {
		return
	}
	k.orders = append(k.orders, o.ID)
	for _, f := range o.Fulfilments {
		k.parcels = append(k.parcels, f.ID)
	}
	for _, r := range o.Returns {
		k.returns = append(k.returns, r.ID)
	}
}

// draw makes a random request. Few keys and ids make repetitions, reused keys and wrong ids frequent.
func (k *known) draw(r *rand.Rand) request {
	oneOf := func(values ...string) string { return values[r.IntN(len(values))] }
	recent := func(values []string) string {
		if len(values) == 0 {
			return "none"
		}
		return values[max(0, len(values)-1-r.IntN(4))]
	}
	who := [][]string{ada, staff, {"Test-User", "eve"}, nil}[r.IntN(4)]
	keyed := func(caller []string) []string { return withKey(oneOf("k1", "k2", "k3", "k4"), caller) }
	order := "/api/v1/orders/" + recent(k.orders)
	lines := []contract.Line{{SKU: oneOf("HAT", "HAT", "HAT", "TIE"), Quantity: 1}}
	switch r.IntN(17) {
	case 0, 1, 2, 3:
		return request{"place-order", "POST", "/api/v1/orders",
			placementBody(oneOf("c1", "c2", "empty"), oneOf("tok_visa", "tok_visa", "tok_visa", "tok_declined")),
			keyed([][]string{ada, nil}[r.IntN(2)])}
	case 4:
		return request{"list-orders", "GET", "/api/v1/orders?limit=3&status=" + oneOf("confirmed", "cancelled", "fulfilled"),
			nil, who}
	case 5:
		return request{"get-order", "GET", order, nil, who}
	case 6:
		return request{"get-order-events", "GET", order + "/events", nil, who}
	case 7:
		return request{"stream-order", "GET", order + "/stream", nil, who}
	case 8:
		return request{"internal-order-decision", "GET", "/internal/orders/" + recent(k.orders) + "/decision", nil, nil}
	case 9:
		return request{"cancel-order", "POST", order + "/cancel", map[string]any{"reason": "because"}, who}
	case 10:
		return request{"create-fulfilment", "POST", order + "/fulfilments",
			map[string]any{"lines": lines, "carrier": oneOf("DHL", "UPS"), "trackingNumber": "1"}, keyed(staff)}
	case 11:
		return request{"deliver-fulfilment", "POST", order + "/fulfilments/" + recent(k.parcels) + "/deliver", nil, staff}
	case 12:
		return request{"request-return", "POST", order + "/returns", map[string]any{"lines": lines, "reason": "too small"},
			keyed(who)}
	case 13:
		return request{"receive-return", "POST", order + "/returns/" + recent(k.returns) + "/receive",
			map[string]any{"restock": r.IntN(2) == 0}, staff}
	case 14:
		return request{"create-refund", "POST", order + "/refunds", map[string]any{"reason": "sorry",
			"amount": map[string]any{"amount": 10 + r.IntN(1500), "currency": "EUR"}}, keyed(staff)}
	case 15:
		return request{"internal-histories", "POST", "/internal/histories",
			map[string]any{"orderIds": []string{recent(k.orders)}}, nil}
	default:
		return request{"internal-contacts", "POST", "/internal/contacts",
			map[string]any{"orderIds": []string{recent(k.orders)}}, nil}
	}
}

// Requests to any of two replicas get the answers that one process would give, although each replica only knows what it
// has looked up.
func TestTwoReplicasAnswerAsOne(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	succeeded := map[string]bool{}
	t.Run("sequences", func(t *testing.T) {
		for seed := range uint64(25) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, 0))
				one, two, ids := newReplicas(t, 1), newReplicas(t, 2), &known{}
				for i := range 120 {
					in, replica := ids.draw(random), random.IntN(2)
					want := one.send(0, in)
					require.Equal(t, want, two.send(replica, in), "request %d, %s %s, to replica %d", i, in.method, in.path, replica)
					ids.learn(want.Body)
					if want.Status < 300 {
						mu.Lock()
						succeeded[in.operation] = true
						mu.Unlock()
					}
				}
			})
		}
	})
	f := newFixture(t, 0)
	for _, path := range f.api.OpenAPI().Paths {
		for _, op := range []string{operationOf(path.Get), operationOf(path.Post), operationOf(path.Put),
			operationOf(path.Patch), operationOf(path.Delete)} {
			erasure := strings.HasPrefix(op, "internal-erase-") // destroys keys, which are read from the store
			assert.True(t, op == "" || erasure || succeeded[op], "no sequence has %s with success", op)
		}
	}
}

func operationOf(o *huma.Operation) string {
	if o == nil {
		return ""
	}
	return o.OperationID
}

// A replica in whose memory an order is undecided looks at the log before it says that the first request is still in
// progress.
func TestAnOrderThatAnotherReplicaHasDecidedIsNotInProgress(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2)
	r.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		id := strings.TrimPrefix(in.URL.Path, "/internal/reservations/")
		if in.Method == http.MethodPut { // the order is in the log, and undecided
			read := r.send(1, request{"get-order", "GET", "/api/v1/orders/" + id, nil, ada})
			assert.Contains(t, read.Body, `"status":"placing"`)
		}
		r.catalog(w, in)
	}))
	place := request{"place-order", "POST", "/api/v1/orders", placementBody("c", "tok_visa"), withKey("k", ada)}
	decided := r.send(0, place)
	require.Equal(t, http.StatusCreated, decided.Status, decided.Body)
	decided.Replayed = "true"
	assert.Equal(t, decided, r.send(1, place))
}
