package inventory_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnAdjustmentCountsOncePerCallerAndKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const body = `{"delta":10,"reason":"delivery"}`
	first := f.adjust("hat", "k1", body)
	assert.Equal(t, http.StatusOK, first.StatusCode, first.raw)
	assert.JSONEq(t, `{"sku":"hat","onHand":10,"reserved":0,"available":10,
		"locations":[{"location":"main","onHand":10,"reserved":0}]}`, first.raw)
	assert.Empty(t, first.Header.Get("Idempotent-Replayed"))
	f.receive("hat", 7)
	for _, same := range []string{body, `{"reason" : "delivery", "location":"main","delta":10}`} {
		again := f.adjust("hat", "k1", same)
		assert.Equal(t, http.StatusOK, again.StatusCode)
		assert.Equal(t, first.raw, again.raw, "the first answer")
		assert.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	}
	for _, other := range []string{`{"delta":11,"reason":"delivery"}`, `{"delta":10,"reason":"found"}`} {
		problem(t, f.adjust("hat", "k1", other), 422, "idempotency-key-reused", "header.Idempotency-Key")
	}
	problem(t, f.adjust("tie", "k1", body), 422, "idempotency-key-reused", "header.Idempotency-Key")
	f.level("hat", 17, 0)
	other := f.adjust("hat", "k1", body, "Authorization", "Test bert staff")
	assert.Equal(t, http.StatusOK, other.StatusCode)
	assert.Empty(t, other.Header.Get("Idempotent-Replayed"), "each caller has keys of their own")
	f.level("hat", 27, 0)

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.Equal(t, 200, f.adjust("hat", "k2", `{"delta":-1,"reason":"moth"}`).StatusCode) })
	}
	wg.Wait()
	f.level("hat", 26, 0)
}

func TestAdjustmentsAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	f.reserve("o1", line("hat", 3))
	noKey := f.adjust("hat", "", `{"delta":1,"reason":"x"}`)
	problem(t, noKey, 400, "idempotency-key-required", "header.Idempotency-Key")
	for _, delta := range []string{
		"0", "-0", "1.5", "1.0", "1e2", "1e400", "1000000001", "-1000000001", "9223372036854775808", `"1"`, "null", "true",
		"[1]", "{}",
	} {
		problem(t, f.adjust("hat", "k"+delta, `{"delta":`+delta+`,"reason":"x"}`), 422, "invalid-quantity", "body.delta")
	}
	for body, want := range map[string]struct {
		status     int
		typ, field string
	}{
		`{"reason":"x"}`:                             {422, "invalid-quantity", "body.delta"},
		`{"delta":1000000000,"reason":"x"}`:          {422, "invalid-quantity", "body.delta"},
		`{"delta":1,"reason":"x","location":"moon"}`: {422, "invalid-request", "body.location"},
		`{"delta":1}`:                                {422, "invalid-request", ""},
		`{"delta":1,"reason":" "}`:                   {422, "invalid-request", ""},
		`{"delta":1,"reason":7}`:                     {422, "invalid-request", ""},
		`{"delta":1,"reason":"x","extra":1}`:         {422, "invalid-request", ""},
		`{"delta":1,`:                                {400, "malformed-request", "body"},
		``:                                           {400, "malformed-request", ""},
	} {
		problem(t, f.adjust("hat", "k", body), want.status, want.typ, want.field)
	}
	problem(t, f.adjust("no-such", "k", `{"delta":1,"reason":"x"}`), 404, "unknown-sku", "")
	longKey := f.adjust("hat", strings.Repeat("k", 256), `{"delta":1,"reason":"x"}`)
	problem(t, longKey, 422, "invalid-request", "header.Idempotency-Key")
	short := f.adjust("hat", "k", `{"delta":-3,"reason":"x"}`)
	problem(t, short, 409, "insufficient-stock", "body.delta")
	assert.Equal(t, 2.0, short.json["available"])
	f.level("hat", 5, 3)
	allowed := f.adjust("hat", "k", `{"delta":-2,"reason":"x"}`)
	assert.Equal(t, 200, allowed.StatusCode, "a refused adjustment does not use its key")
	f.level("hat", 3, 3)
}

func TestEachLocationIsAdjustedByItself(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "north", "south")
	const south = `{"delta":3,"reason":"x","location":"south"}`
	f.adjust("hat", "k1", `{"delta":2,"reason":"x"}`)
	first := f.adjust("hat", "k2", south)
	assert.JSONEq(t, `{"sku":"hat","onHand":5,"reserved":0,"available":5,"locations":[
		{"location":"north","onHand":2,"reserved":0},{"location":"south","onHand":3,"reserved":0}]}`, first.raw)
	problem(t, f.adjust("hat", "k2", `{"delta":3,"reason":"x"}`), 422, "idempotency-key-reused", "")
	held := f.reserve("o1", line("hat", 4))
	assert.JSONEq(t, `{"orderId":"o1","status":"held","lines":[{"sku":"hat","quantity":4}]}`, held.raw)
	assert.Equal(t, first.raw, f.adjust("hat", "k2", south).raw)
	problem(t, f.adjust("hat", "k3", `{"delta":-1,"reason":"x"}`), 409, "insufficient-stock", "")
	f.level("hat", 5, 4)
	history := f.do(http.MethodGet, "/api/v1/stock/hat/history", "")
	assert.Len(t, history.json["items"], 4)
}
