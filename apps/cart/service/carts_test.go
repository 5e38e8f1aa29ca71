package service

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

func TestAGuestsCart(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, body := range []any{nil, "{}", map[string]string{"currency": "EUR"}} {
		a := s.do("", "POST", "/api/v1/carts", "", body)
		require.Equal(t, http.StatusCreated, a.Status, a.Raw)
		assert.GreaterOrEqual(t, len(a.Cart.ID), 26, "128 bits in base32")
		assert.Equal(t, path(a), a.Header.Get("Location"))
		assert.Regexp(t, `^"1-[0-9a-f]{12}"$`, a.Header.Get("ETag"))
		assert.JSONEq(t, `{"id":"`+a.Cart.ID+`","version":1,"currency":"EUR","items":[],"coupons":[],"warnings":[],
			"subtotal":{"amount":0,"currency":"EUR"},"discount":{"amount":0,"currency":"EUR"},"shipping":{"amount":0,"currency":"EUR"},
			"tax":{"amount":0,"currency":"EUR"},"total":{"amount":0,"currency":"EUR"}}`, a.Raw)
		assert.Equal(t, guestTTL, s.state.ttls[key(a.Cart.ID)])
		assert.NotContains(t, key(a.Cart.ID), a.Cart.ID, "the secret is not in the store")
	}
	assert.Zero(t, s.calls(), "an empty cart asks the catalogue nothing")
	s.refused(s.do("", "POST", "/api/v1/carts", "", `{"currency":"XXX"}`), 422, "invalid-request", "body.currency")
	s.refused(s.do("", "POST", "/api/v1/carts", "", `{"currency":"eur"}`), 422, "invalid-request", "body.currency")
	s.refused(s.do("", "POST", "/api/v1/carts", "", `{"money":1}`), 422, "invalid-request", "body.money")
	s.refused(s.do("", "POST", "/api/v1/carts", "", `{`), 400, "malformed-request", "")
}

func TestItemsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "tee-red-m", Quantity: 2}, contract.Line{SKU: "hat", Quantity: 1})
	assert.Equal(t, 2, s.calls(), "one call a change")
	assert.EqualValues(t, 3, a.Cart.Version)
	assert.Equal(t, CartItem{"tee-red-m", "TEE-RED-M", 2, money.New(19_99, "EUR"), money.New(39_98, "EUR"), 5}, a.Cart.Items[0])
	assert.Equal(t, money.New(44_99, "EUR"), a.Cart.Total)
	assert.Equal(t, []string{"address-missing"}, codes(a))

	a = s.ok(s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":3}`))
	assert.EqualValues(t, 3, a.Cart.Items[1].Quantity, "a quantity is set, not added")
	a = s.ok(s.do("", "PUT", path(a)+"/items/hat", `"4"`, `{"quantity":0}`))
	assert.Len(t, a.Cart.Items, 1)
	a = s.ok(s.do("", "DELETE", path(a)+"/items/tee-red-m", a.Header.Get("ETag"), nil))
	assert.Empty(t, a.Cart.Items)
	a = s.ok(s.do("", "PUT", path(a)+"/items/a%2Fb%20c%25", a.Header.Get("ETag"), `{"quantity":1}`))
	assert.Equal(t, "a/b c%", a.Cart.Items[0].SKU, "SKUs of any form")
}

func TestWrongQuantitiesNameTheirField(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("")
	for _, q := range []string{"-1", "1.5", "1000", "999999999999999999999", `"3"`, "null", "true", "[1]", `{}`} {
		s.refused(s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":`+q+`}`), 422, "invalid-quantity", "body.quantity")
	}
	s.refused(s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":1,"size":2}`), 422, "invalid-request", "body.size")
	for _, body := range []string{`{}`, `{"quantity":1e999}`, `{"quantity":`, "\xff", `[]`} {
		r := s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), body)
		assert.True(t, r.Status == 400 || r.Status == 422, r.Raw)
	}
	s.refused(s.do("", "PUT", path(a)+"/items/none", a.Header.Get("ETag"), `{"quantity":1}`), 404, "unknown-sku", "path.sku")
	s.refused(s.do("", "PUT", path(a)+"/items/"+strings.Repeat("x", 129), a.Header.Get("ETag"), `{"quantity":1}`), 422, "invalid-request", "path.sku")
	s.refused(s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":1,"x":"`+strings.Repeat("x", 1<<20)+`"}`), 413, "body-too-large", "")
}

func TestAnotherCurrencyIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.ok(s.do("", "POST", "/api/v1/carts", "", `{"currency":"USD"}`))
	s.refused(s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":1}`), 422, "currency-mismatch", "path.sku")
}

func TestChangesNeedTheVersionThatWasRead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 1})
	changes := []struct{ method, path, body string }{
		{"PUT", "/items/hat", `{"quantity":2}`}, {"DELETE", "/items/hat", ""}, {"POST", "/coupons", `{"code":"FREESHIP"}`},
		{"DELETE", "/coupons/FREESHIP", ""}, {"PUT", "/shipping", `{"address":{"name":"A","line1":"B","city":"C","postalCode":"D","country":"DE"}}`},
	}
	for _, c := range changes {
		var body any
		if c.body != "" {
			body = c.body
		}
		s.refused(s.do("", c.method, path(a)+c.path, "", body), 428, "precondition-required", "header.If-Match")
		s.refused(s.do("", c.method, path(a)+c.path, `"1"`, body), 412, "precondition-failed", "header.If-Match")
		s.refused(s.do("", c.method, "/api/v1/carts/"+strings.Repeat("A", 26)+c.path, "*", body), 404, "not-found", "")
	}
	s.sell("hat", 5_01, 7) // stock moves, the version does not
	now := s.ok(s.do("", "GET", path(a), "", nil))
	assert.NotEqual(t, a.Header.Get("ETag"), now.Header.Get("ETag"))
	assert.Equal(t, http.StatusOK, s.do("", "GET", path(a), a.Header.Get("ETag"), nil).Status, "a stale read is not 304")
	assert.Equal(t, http.StatusNotModified, s.do("", "GET", path(a), now.Header.Get("ETag"), nil).Status)
	s.ok(s.do("", "DELETE", path(a)+"/items/hat", a.Header.Get("ETag"), nil))
}

func TestOfManyChangesOfOneVersionOneWins(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("")
	start, statuses := make(chan struct{}), make(chan int, 20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			<-start
			statuses <- s.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), map[string]int{"quantity": i + 1}).Status
		})
	}
	close(start)
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	assert.Equal(t, map[int]int{200: 1, 412: 19}, count)
}

func TestPricesFollowTheCatalogue(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "tee-red-m", Quantity: 9})
	assert.Contains(t, codes(a), "not-enough-stock")
	s.sell("hat", 6_00, 100)
	s.stopSelling("tee-red-m")
	b := s.ok(s.do("", "GET", path(a), "", nil))
	assert.Equal(t, a.Cart.Version+1, b.Cart.Version)
	assert.Equal(t, money.New(12_00, "EUR"), b.Cart.Items[0].Total)
	assert.Zero(t, b.Cart.Items[1].Available)
	assert.Equal(t, []string{"price-changed", "not-sold", "address-missing"}, codes(b))
	c := s.ok(s.do("", "GET", path(a), "", nil))
	assert.Equal(t, b.Cart.Version, c.Cart.Version)
	assert.Equal(t, []string{"not-sold", "address-missing"}, codes(c))
}

func TestCoupons(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	use := func(code string) answer {
		return s.do("", "POST", path(a)+"/coupons", a.Header.Get("ETag"), map[string]string{"code": code})
	}
	s.refused(use("NOPE"), 422, "invalid-coupon", "body.code")
	s.refused(use(""), 422, "invalid-coupon", "body.code")
	s.refused(use("FIVER"), 422, "invalid-coupon", "body.code")
	a = s.ok(use("welcome10"))
	assert.Equal(t, []string{"WELCOME10"}, a.Cart.Coupons)
	assert.Equal(t, money.New(1_00, "EUR"), a.Cart.Discount)
	b := s.ok(use("Welcome10"))
	assert.Equal(t, a.Cart, b.Cart, "a repetition changes nothing")
	a = s.ok(s.do("", "DELETE", path(a)+"/coupons/welcome10", a.Header.Get("ETag"), nil))
	assert.Empty(t, a.Cart.Coupons)
	assert.Equal(t, a.Cart.Subtotal, a.Cart.Total)
}

func TestShipping(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	assert.JSONEq(t, `{"items":[],"nextCursor":null}`, s.ok(s.do("", "GET", path(a)+"/shipping-options", "", nil)).Raw)
	ship := func(address contract.Address, option string) answer {
		return s.do("", "PUT", path(a)+"/shipping", a.Header.Get("ETag"), map[string]any{"address": address, "option": option})
	}
	s.refused(ship(berlin, "pigeon"), 422, "invalid-shipping-option", "body.option")
	nowhere, nameless := berlin, berlin
	nowhere.Country, nameless.Name = "ZZ", " "
	s.refused(ship(nowhere, ""), 422, "invalid-request", "body.address.country")
	s.refused(ship(nameless, ""), 422, "invalid-request", "body.address.name")

	a = s.ok(ship(berlin, "express"))
	assert.Equal(t, berlin, *a.Cart.ShippingAddress)
	assert.Equal(t, "express", a.Cart.ShippingOption)
	assert.Equal(t, money.New(12_90, "EUR"), a.Cart.Shipping)
	assert.Equal(t, money.New(1_90+2_45, "EUR"), a.Cart.Tax)
	assert.Empty(t, a.Cart.Warnings)

	assert.JSONEq(t, `{"items":[
		{"id":"standard","name":"Standard","price":{"amount":490,"currency":"EUR"},"estimate":"2–4 working days"},
		{"id":"express","name":"Express","price":{"amount":1290,"currency":"EUR"},"estimate":"1–2 working days"}],"nextCursor":null}`,
		s.ok(s.do("", "GET", path(a)+"/shipping-options", "", nil)).Raw)
	assert.Contains(t, s.ok(s.do("", "GET", path(a)+"/shipping-options?country=US&limit=1", "", nil)).Raw, `"amount":1490`)
	s.refused(s.do("", "GET", path(a)+"/shipping-options?country=ZZ", "", nil), 422, "invalid-request", "query.country")
	s.refused(s.do("", "GET", path(a)+"/shipping-options?cursor=x", "", nil), 422, "invalid-request", "query.cursor")
}

func TestACustomersCartIsTheirs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.ok(s.do("ann", "GET", "/api/v1/carts/mine", "", nil))
	assert.Equal(t, a.Cart.ID, s.filled("ann", contract.Line{SKU: "hat", Quantity: 1}).Cart.ID)
	assert.Zero(t, s.state.ttls[key(a.Cart.ID)])
	assert.Len(t, s.ok(s.do("ann", "GET", path(a), "", nil)).Cart.Items, 1)
	for _, other := range []string{"", "bob"} {
		s.refused(s.do(other, "GET", path(a), "", nil), 404, "not-found", "")
		s.refused(s.do(other, "PUT", path(a)+"/items/hat", "*", `{"quantity":1}`), 404, "not-found", "")
		s.refused(s.do(other, "GET", path(a)+"/shipping-options", "", nil), 404, "not-found", "")
		s.refused(s.do(other, "POST", "/internal/quotes", "", contract.QuoteRequest{CartID: a.Cart.ID, ShippingAddress: berlin}), 404, "not-found", "")
	}
	s.refused(s.do("bob", "POST", path(a)+"/claim", "", nil), 404, "not-found", "")
	s.refused(s.do("", "GET", "/api/v1/carts/mine", "", nil), 401, "unauthenticated", "")
	s.refused(s.do("", "POST", path(a)+"/claim", "", nil), 401, "unauthenticated", "")
	s.refused(s.do("ann", "POST", "/api/v1/carts", "", `{"currency":"USD"}`), 409, "currency-mismatch", "")
	assert.Equal(t, "USD", s.ok(s.do("bob", "POST", "/api/v1/carts", "", `{"currency":"USD"}`)).Cart.Currency)
	assert.Equal(t, "USD", s.ok(s.do("bob", "POST", "/api/v1/carts", "", `{}`)).Cart.Currency)
}

func TestClaim(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.filled("ann", contract.Line{SKU: "hat", Quantity: 1})
	g := s.filled("", contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "tee-red-m", Quantity: 1})
	var a answer
	for range 3 {
		a = s.ok(s.do("ann", "POST", path(g)+"/claim", "", nil))
		require.Len(t, a.Cart.Items, 2)
		assert.EqualValues(t, 3, a.Cart.Items[0].Quantity)
	}
	assert.NotEqual(t, g.Cart.ID, a.Cart.ID)
	for _, user := range []string{"", "ann", "bob"} {
		s.refused(s.do(user, "GET", path(g), "", nil), 404, "not-found", "")
	}
	s.refused(s.do("bob", "POST", path(g)+"/claim", "", nil), 404, "not-found", "")
	own := s.ok(s.do("ann", "POST", path(a)+"/claim", "", nil))
	assert.Equal(t, a.Cart, own.Cart, "one's own cart needs no claim")
	s.refused(s.do("ann", "POST", "/api/v1/carts/short/claim", "", nil), 404, "not-found", "")
}

func TestAClaimThatBrokeOffIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		for step := 1; step <= 3; step++ {
			s := newShop(t)
			s.filled("ann", contract.Line{SKU: "hat", Quantity: 1})
			g := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
			s.state.failing, s.state.written = step, written
			first := s.do("ann", "POST", path(g)+"/claim", "", nil)
			assert.Equal(t, step < 3, first.Status == 503, "the last step may fail")
			a := s.ok(s.do("ann", "POST", path(g)+"/claim", "", nil))
			assert.EqualValues(t, 3, a.Cart.Items[0].Quantity, "step %d", step)
		}
	}
}

func TestAnOutageIs503(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	s.state.setDown(true)
	r := s.do("", "GET", path(a), "", nil)
	s.refused(r, 503, "unavailable", "")
	assert.Equal(t, "1", r.Header.Get("Retry-After"))
	s.refused(s.do("", "POST", "/api/v1/carts", "", nil), 503, "unavailable", "")
	s.state.setDown(false)
	s.mesh.Join("catalog", nil)
	s.refused(s.do("", "GET", path(a), "", nil), 503, "unavailable", "")
}
