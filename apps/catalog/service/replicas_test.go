package service

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newReplicas starts processes of the service on the same stores. None of them looks at the logs unless a request makes
// it, so each is as far behind the others as it can be.
func newReplicas(t *testing.T, n int) []*fixture {
	f := newFixture(t, false)
	f.syncEvery = time.Hour
	var all []*fixture
	for range n {
		all = append(all, f.startAnother(false))
	}
	return all
}

// request is a request of the test, with the operation that it calls. Answers that nobody else may see must be those
// of one process. Others may be a second old, so they only may not deny what one process shows.
type request struct {
	operation, method, path, body string
	headers                       []string
	mayBeOld                      bool
}

// outcome is what an answer says, without times, ids and digests.
type outcome struct {
	status         int
	replayed, body string
}

var different = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]+"|"prd_[^"]+"|"nextCursor":"[^"]+"`)

func (f *fixture) send(in request) outcome {
	a := f.call(in.method, in.path, in.body, in.headers...)
	return outcome{a.status, a.header.Get("Idempotent-Replayed"), different.ReplaceAllString(string(a.body), `""`)}
}

// denies reports whether the answer says less than the one that one process gives: an error, an empty list, a missing
// variant.
func (o outcome) denies(want outcome) bool {
	if want.status != 200 {
		return o.status != want.status && o.status != 200
	}
	count := func(o outcome) int {
		var list struct{ Total, Variants any }
		var tree []any
		switch {
		case json.Unmarshal([]byte(o.body), &tree) == nil:
			return min(1, len(tree))
		case json.Unmarshal([]byte(o.body), &list) != nil:
			return 0
		}
		if variants, ok := list.Variants.([]any); ok {
			return len(variants)
		}
		total, _ := list.Total.(float64)
		return min(1, int(total))
	}
	return o.status != 200 || count(o) < count(want)
}

// draw makes a random request. Few handles, keys and versions make repetitions, conflicts and wrong names frequent.
func draw(r *rand.Rand) request {
	oneOf := func(values ...string) string { return values[r.IntN(len(values))] }
	h, order := oneOf("a", "b", "c"), oneOf("o1", "o2")
	version := "If-Match: " + oneOf(`"1"`, `"2"`, `"3"`, `"4"`, "*", "*")
	form := fmt.Sprintf(`{"handle":%q,"title":"Ribbon %s","status":%q,"variants":[{"sku":"%s-1","price":{"amount":%d,`+
		`"currency":"EUR"}}]}`, h, oneOf("red", "blue"), oneOf("active", "active", "draft"), strings.ToUpper(h),
		100+r.IntN(3))
	category := fmt.Sprintf(`{"handle":%q,"name":%q}`, h, oneOf("Trim", "Lace"))
	lines := `{"id":"` + oneOf("s1", "s2") + `","lines":[{"sku":"BASE","quantity":1}]}`
	key := "Idempotency-Key: " + oneOf("k1", "k2", "k3")
	staff := func(operation, method, path, body string, headers ...string) request {
		return request{operation, method, "staff " + path, body, headers, false}
	}
	internal := func(operation, method, path, body string) request {
		return request{operation, method, path, body, nil, false}
	}
	public := func(operation, path string) request { return request{operation, "GET", path, "", nil, true} }
	reservation := "/internal/reservations/" + order
	choices := []request{
		staff("create-product", "POST", "/api/v1/products", form),
		staff("create-product", "POST", "/api/v1/products", form),
		staff("replace-product", "PUT", "/api/v1/products/"+h, form, version),
		staff("replace-product", "PUT", "/api/v1/products/"+h, form, version),
		staff("delete-product", "DELETE", "/api/v1/products/"+h, "", version),
		staff("import-products", "POST", "/api/v1/products/import", form, "Content-Type: application/x-ndjson"),
		staff("get-product", "GET", "/api/v1/products/"+h, ""),
		public("get-product", "/api/v1/products/"+h),
		staff("list-products", "GET", "/api/v1/products?sort=title&status="+oneOf("active", "draft", "all"), ""),
		staff("list-products", "GET", "/api/v1/products?sort=title&q=ribbon+"+oneOf("red", "blue"), ""),
		staff("list-products", "GET", "/api/v1/products?sort=title&inStock=true", ""),
		public("list-products", "/api/v1/products?q=ribbon+"+oneOf("red", "blue")),
		{"get-variants", "POST", "/internal/variants", `{"skus":["A-1","B-1","C-1","BASE"]}`, nil, true},
		staff("create-category", "POST", "/api/v1/categories", category),
		staff("replace-category", "PUT", "/api/v1/categories/"+h, category),
		staff("delete-category", "DELETE", "/api/v1/categories/"+h, ""),
		staff("get-category", "GET", "/api/v1/categories/"+h, ""),
		public("get-category", "/api/v1/categories/"+h),
		staff("list-categories", "GET", "/api/v1/categories", ""),
		public("list-categories", "/api/v1/categories"),
		staff("get-stock", "GET", "/api/v1/stock/"+oneOf("BASE", "A-1", "B-1"), ""),
		staff("adjust-stock", "POST", "/api/v1/stock/"+oneOf("BASE", "BASE", "A-1")+"/adjustments",
			fmt.Sprintf(`{"delta":%d,"reason":"count"}`, r.IntN(7)-2), key),
		staff("get-stock-history", "GET", "/api/v1/stock/BASE/history?limit=3", ""),
		internal("reserve-stock", "PUT", reservation,
			`{"lines":[{"sku":"BASE","quantity":1}],"expiresAt":"2100-01-01T00:00:00Z"}`),
		internal("reserve-stock", "PUT", reservation, fmt.Sprintf(`{"lines":[{"sku":"BASE","quantity":1}],`+
			`"shown":[{"sku":"%s-1","unitPrice":{"amount":%d,"currency":"EUR"},"taxable":true,"shipped":true}],`+
			`"expiresAt":"2100-01-01T00:00:00Z"}`, strings.ToUpper(h), 100+r.IntN(3))),
		internal("release-stock", "DELETE", reservation, ""),
		internal("commit-stock", "POST", reservation+"/commit", ""),
		internal("ship-stock", "POST", reservation+"/ship", lines),
		internal("return-stock", "POST", reservation+"/return", lines),
		{"get-media", "GET", "/media/felt-fedora.svg", "", nil, true},
	}
	return choices[r.IntN(len(choices))]
}

// A buyer cannot pay a price that another replica has replaced before the order.
func TestAPriceThatAnotherReplicaHasReplacedIsRefused(t *testing.T) {
	t.Parallel()
	replicas := newReplicas(t, 2)
	const form = `{"handle":"base","title":"Base","variants":[{"sku":"BASE","price":{"amount":%d,"currency":"EUR"}}]}`
	const reservation = `{"lines":[{"sku":"BASE","quantity":1}],"expiresAt":"2100-01-01T00:00:00Z",` +
		`"shown":[{"sku":"BASE","unitPrice":{"amount":%d,"currency":"EUR"},"taxable":true,"shipped":true}]}`
	staff := replicas[0]
	require.Equal(t, 201, staff.call("POST", "staff /api/v1/products", fmt.Sprintf(form, 100)).status)
	require.Equal(t, 200, staff.call("POST", "staff /api/v1/stock/BASE/adjustments", `{"delta":5,"reason":"count"}`,
		"Idempotency-Key: k").status)
	buyer := replicas[1]
	reserve := func(order string, shown int) int {
		return buyer.call("PUT", "/internal/reservations/"+order, fmt.Sprintf(reservation, shown)).status
	}
	require.Equal(t, 200, reserve("o1", 100), "the other replica knows the product")
	require.Equal(t, 200, staff.call("PUT", "staff /api/v1/products/base", fmt.Sprintf(form, 120), "If-Match: *").status)
	assert.Equal(t, 409, reserve("o2", 100))
	assert.Equal(t, 200, reserve("o2", 120))
}

// Requests to any of two replicas get the answers that one process would give, although each replica only knows what it
// has looked up. Buyers may see what is a second old, and are denied nothing because of it.
func TestTwoReplicasAnswerAsOne(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	succeeded := map[string]bool{}
	t.Run("sequences", func(t *testing.T) {
		for seed := range uint64(40) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(seed, 0))
				one, two := newReplicas(t, 1)[0], newReplicas(t, 2)
				base := request{"", "POST", "staff /api/v1/products", `{"handle":"base","title":"Base","variants":[{"sku":"BASE",` +
					`"price":{"amount":100,"currency":"EUR"}}]}`, nil, false}
				require.Equal(t, 201, one.send(base).status)
				require.Equal(t, 201, two[0].send(base).status)
				for i := range 200 {
					in, replica := draw(random), random.IntN(2)
					want, got := one.send(in), two[replica].send(in)
					about := fmt.Sprintf("request %d, %s %s, to replica %d", i, in.method, in.path, replica)
					if in.mayBeOld {
						require.False(t, got.denies(want), "%s: %v instead of %v", about, got, want)
					} else {
						require.Equal(t, want, got, about)
					}
					if want.status < 300 {
						mu.Lock()
						succeeded[in.operation] = true
						mu.Unlock()
					}
				}
			})
		}
	})
	for _, path := range newFixture(t, false).api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op != nil {
				assert.True(t, succeeded[op.OperationID], "no sequence has %s with success", op.OperationID)
			}
		}
	}
}
