package inventory_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

func TestOnlyStaffReadAndChangeStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	for _, caller := range []struct {
		header string
		status int
		typ    string
	}{{"", 401, "unauthenticated"}, {"Test bob customer", 403, "forbidden"}} {
		for _, path := range []string{"hat", "hat/history", "no-such", "hat/history?limit=x"} {
			a := f.do(http.MethodGet, "/api/v1/stock/"+path, "", "Authorization", caller.header)
			problem(t, a, caller.status, caller.typ, "")
		}
		a := f.adjust("hat", "", "nonsense", "Authorization", caller.header)
		problem(t, a, caller.status, caller.typ, "")
		assert.Equal(t, caller.status == 401, a.Header.Get("WWW-Authenticate") != "")
	}
	got := f.do(http.MethodGet, "/api/v1/stock/hat", "", "Authorization", "Test root admin")
	assert.JSONEq(t, `{"sku":"hat","onHand":5,"reserved":0,"available":5,
		"locations":[{"location":"main","onHand":5,"reserved":0}]}`, got.raw)
}

func TestTheETagChangesWithTheStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	tag := f.do(http.MethodGet, "/api/v1/stock/hat", "").Header.Get("ETag")
	assert.Regexp(t, `^"[^"]+"$`, tag)
	got := f.do(http.MethodGet, "/api/v1/stock/hat", "", "If-None-Match", tag)
	assert.Equal(t, http.StatusNotModified, got.StatusCode)
	f.reserve("o1", line("hat", 1))
	got = f.do(http.MethodGet, "/api/v1/stock/hat", "", "If-None-Match", tag)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.NotEqual(t, tag, got.Header.Get("ETag"))
}

func TestStockOfSKUsWithoutMovementsOrProducts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	assert.JSONEq(t, `{"sku":"tie","onHand":0,"reserved":0,"available":0,
		"locations":[{"location":"main","onHand":0,"reserved":0}]}`,
		f.do(http.MethodGet, "/api/v1/stock/tie", "").raw, "the catalogue has it, and it was never moved")
	problem(t, f.do(http.MethodGet, "/api/v1/stock/no-such", ""), 404, "unknown-sku", "")
	f.receive("no-more", 2)
	f.level("no-more", 2, 0) // its product is deleted, its stock is not
	f.receive("A/b|| ü%", 3)
	f.level("A/b|| ü%", 3, 0)
	f.catalogue.fail(sidecar.StoreUnavailable(errors.New("down")))
	a := f.do(http.MethodGet, "/api/v1/stock/tie", "")
	problem(t, a, 503, "unavailable", "")
	assert.NotContains(t, a.raw, "down")
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
}

func TestHistoryIsPaged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 7 {
		f.adjust("hat", fmt.Sprint("k", i), fmt.Sprintf(`{"delta":%d,"reason":"r"}`, i+1))
	}
	var seqs []any
	for cursor := ""; ; {
		page := f.do(http.MethodGet, "/api/v1/stock/hat/history?limit=3&cursor="+cursor, "")
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
	assert.JSONEq(t, `{"items":[],"nextCursor":null}`, f.do(http.MethodGet, "/api/v1/stock/tie/history", "").raw)
	a := f.do(http.MethodGet, "/api/v1/stock/hat/history?cursor=junk", "")
	problem(t, a, 422, "invalid-request", "query.cursor")
	problem(t, f.do(http.MethodGet, "/api/v1/stock/no-such/history", ""), 404, "unknown-sku", "")
}
