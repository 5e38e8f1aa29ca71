package inventory_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

const reservationO1 = "/internal/reservations/o1"

func TestAReservationFromHoldToReturn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	f.receive("tie", 1)
	for range 2 {
		a := f.reserve("o1", line("hat", 2), line("tie", 1), line("hat", 1))
		assert.Equal(t, 200, a.StatusCode)
		assert.JSONEq(t, `{"orderId":"o1","status":"held",
			"lines":[{"sku":"hat","quantity":3},{"sku":"tie","quantity":1}]}`, a.raw)
	}
	const ship, shipOne = reservationO1 + "/ship", `{"id":"f2","lines":[{"sku":"hat","quantity":1}]}`
	problem(t, f.do(http.MethodPost, ship, shipOne), 409, "invalid-transition", "")
	for range 2 {
		assert.Equal(t, "committed", f.do(http.MethodPost, reservationO1+"/commit", "").json["status"])
	}
	for range 2 {
		a := f.do(http.MethodPost, ship, `{"id":"f1","lines":[{"sku":"hat","quantity":3}]}`)
		assert.JSONEq(t, `{"orderId":"o1","status":"committed","lines":[{"sku":"tie","quantity":1}]}`, a.raw)
	}
	problem(t, f.do(http.MethodPost, ship, shipOne), 422, "invalid-quantity", "body.lines")
	f.level("hat", 2, 0)
	for range 2 {
		a := f.do(http.MethodPost, reservationO1+"/return", `{"id":"f1","lines":[{"sku":"hat","quantity":3}]}`)
		assert.Equal(t, 200, a.StatusCode)
	}
	f.level("hat", 5, 0)
	last := f.do(http.MethodPost, ship, `{"id":"f2","lines":[{"sku":"tie","quantity":1}]}`)
	assert.JSONEq(t, `{"orderId":"o1","status":"shipped","lines":[]}`, last.raw)
}

func TestAReleasedReservationIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	f.reserve("o3", line("hat", 2))
	for range 2 {
		a := f.do(http.MethodDelete, "/internal/reservations/o3", "")
		assert.JSONEq(t, `{"orderId":"o3","status":"released","lines":[]}`, a.raw)
	}
	assert.Equal(t, "released", f.status("o3"))
	problem(t, f.do(http.MethodPost, "/internal/reservations/o3/commit", ""), 409, "invalid-transition", "")
	f.level("hat", 5, 0)
}

func TestReservationsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	f.receive("tie", 1)
	f.reserve("o1", line("hat", 3), line("tie", 1))
	short := f.reserve("o2", line("hat", 3), line("tie", 1))
	problem(t, short, 409, "out-of-stock", "")
	assert.Equal(t, []any{
		map[string]any{"sku": "hat", "requested": 3.0, "available": 2.0},
		map[string]any{"sku": "tie", "requested": 1.0, "available": 0.0},
	}, short.json["lines"])
	unknown := f.reserve("o2", line("hat", 2), line("no-such", 1))
	problem(t, unknown, 404, "unknown-sku", "")
	assert.Equal(t, "no-such", unknown.json["sku"])
	repeated := f.reserve("o1", line("no-such", 1))
	assert.Equal(t, "held", repeated.json["status"], "a repetition gets the first answer, even if the product is gone")
	problem(t, f.reserve("o2", line("hat", 0)), 422, "invalid-request", "body.lines[0].quantity")
	problem(t, f.reserve("o2"), 422, "invalid-request", "body.lines")
	problem(t, f.do(http.MethodPost, "/internal/reservations/o9/commit", ""), 404, "not-found", "")
}

func TestOnlyWhatIsSoldAsItWasShownIsReserved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 5)
	f.receive("old-tie", 5)
	shown := func(sku string, cents int64) contract.Shown {
		return contract.Shown{SKU: sku, UnitPrice: money.New(cents, "EUR")}
	}
	cheaper := f.reserveShown("o1", []contract.Shown{shown("hat", 900)}, line("hat", 2))
	problem(t, cheaper, 409, "price-changed", "")
	eur := func(amount float64) map[string]any { return map[string]any{"amount": amount, "currency": "EUR"} }
	assert.Equal(t, []any{map[string]any{"sku": "hat", "was": eur(900), "now": eur(1000)}}, cheaper.json["lines"])
	both := []contract.Shown{shown("hat", 900), shown("old-tie", 1000)}
	gone := f.reserveShown("o1", both, line("hat", 2), line("old-tie", 1))
	problem(t, gone, 409, "cart-changed", "")
	assert.Equal(t, []any{"old-tie"}, gone.json["skus"])
	f.level("hat", 5, 0)

	same := f.reserveShown("o1", []contract.Shown{shown("hat", 1000)}, line("hat", 2))
	assert.Equal(t, 200, same.StatusCode)
	repeated := f.reserveShown("o1", []contract.Shown{shown("hat", 900)}, line("hat", 2))
	assert.Equal(t, 200, repeated.StatusCode, "a repetition gets the first answer, even if the price has changed")
	f.level("hat", 5, 2)
}
