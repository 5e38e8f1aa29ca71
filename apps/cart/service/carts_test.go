package service

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

func TestAGuestGetsAnEmptyCartThatExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, body := range []any{nil, "{}", map[string]string{"currency": "EUR"}} {
		a := f.do("", "POST", "/api/v1/carts", "", body)
		require.Equal(t, http.StatusCreated, a.Status, a.Raw)
		assert.GreaterOrEqual(t, len(a.Cart.ID), 26, "128 bits in base32")
		assert.Equal(t, path(a), a.Header.Get("Location"))
		assert.Regexp(t, `^"1-[0-9a-f]{12}"$`, a.Header.Get("ETag"))
		assert.JSONEq(t, `{"id":"`+a.Cart.ID+`","version":1,"currency":"EUR","items":[],"coupons":[],"warnings":[],
			"subtotal":{"amount":0,"currency":"EUR"},"discount":{"amount":0,"currency":"EUR"},
			"shipping":{"amount":0,"currency":"EUR"},"tax":{"amount":0,"currency":"EUR"},
			"total":{"amount":0,"currency":"EUR"}}`, a.Raw)
		assert.Equal(t, storage.GuestTTL, f.state.ttls[storage.Key(a.Cart.ID)])
		assert.NotContains(t, storage.Key(a.Cart.ID), a.Cart.ID, "the secret is not in the store")
	}
	assert.Zero(t, f.countCatalogCalls(), "an empty cart needs no offers")
	f.requireProblem(f.do("", "POST", "/api/v1/carts", "", `{"currency":"XXX"}`),
		422, "invalid-request", "body.currency")
	f.requireProblem(f.do("", "POST", "/api/v1/carts", "", `{"currency":"eur"}`),
		422, "invalid-request", "body.currency")
	f.requireProblem(f.do("", "POST", "/api/v1/carts", "", `{"money":1}`), 422, "invalid-request", "body.money")
	f.requireProblem(f.do("", "POST", "/api/v1/carts", "", `{`), 400, "malformed-request", "")
}

func TestItemsAreSetAndRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "tee-red-m", Quantity: 2}, contract.Line{SKU: "hat", Quantity: 1})
	assert.Equal(t, 2, f.countCatalogCalls(), "one call for each change")
	assert.EqualValues(t, 3, a.Cart.Version)
	assert.Equal(t, CartItem{"tee-red-m", "TEE-RED-M", 2, money.New(19_99, "EUR"), money.New(39_98, "EUR"), 5},
		a.Cart.Items[0])
	assert.Equal(t, money.New(44_99, "EUR"), a.Cart.Total)
	assert.Equal(t, []string{"address-missing"}, warningCodes(a))

	a = f.requireOK(f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":3}`))
	assert.EqualValues(t, 3, a.Cart.Items[1].Quantity, "a quantity is set, not added")
	a = f.requireOK(f.do("", "PUT", path(a)+"/items/hat", `"4"`, `{"quantity":0}`))
	assert.Len(t, a.Cart.Items, 1)
	a = f.requireOK(f.do("", "DELETE", path(a)+"/items/tee-red-m", a.Header.Get("ETag"), nil))
	assert.Empty(t, a.Cart.Items)
	a = f.requireOK(f.do("", "PUT", path(a)+"/items/a%2Fb%20c%25", a.Header.Get("ETag"), `{"quantity":1}`))
	assert.Equal(t, "a/b c%", a.Cart.Items[0].SKU, "SKUs of any form")
}

func TestAWrongQuantityIsAnInvalidQuantity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("")
	for _, q := range []string{"-1", "1.5", "1000", "999999999999999999999", `"3"`, "null", "true", "[1]", `{}`} {
		f.requireProblem(f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":`+q+`}`),
			422, "invalid-quantity", "body.quantity")
	}
	f.requireProblem(f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":1,"size":2}`),
		422, "invalid-request", "body.size")
	for _, body := range []string{`{}`, `{"quantity":1e999}`, `{"quantity":`, "\xff", `[]`} {
		r := f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), body)
		assert.True(t, r.Status == 400 || r.Status == 422, r.Raw)
	}
	f.requireProblem(f.do("", "PUT", path(a)+"/items/none", a.Header.Get("ETag"), `{"quantity":1}`),
		404, "unknown-sku", "path.sku")
	f.requireProblem(f.do("", "PUT", path(a)+"/items/"+strings.Repeat("x", 129), a.Header.Get("ETag"), `{"quantity":1}`),
		422, "invalid-request", "path.sku")
	large := `{"quantity":1,"x":"` + strings.Repeat("x", 1<<20) + `"}`
	f.requireProblem(f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), large),
		413, "body-too-large", "")
}

func TestAnArticleInAnotherCurrencyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.requireOK(f.do("", "POST", "/api/v1/carts", "", `{"currency":"USD"}`))
	f.requireProblem(f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), `{"quantity":1}`),
		422, "currency-mismatch", "path.sku")
}

func TestAChangeNeedsTheETagOfTheCurrentVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 1})
	changes := []struct{ method, path, body string }{
		{"PUT", "/items/hat", `{"quantity":2}`}, {"DELETE", "/items/hat", ""},
		{"POST", "/coupons", `{"code":"FREESHIP"}`}, {"DELETE", "/coupons/FREESHIP", ""},
		{"PUT", "/shipping", `{"address":{"name":"A","line1":"B","city":"C","postalCode":"D","country":"DE"}}`},
	}
	for _, c := range changes {
		var body any
		if c.body != "" {
			body = c.body
		}
		f.requireProblem(f.do("", c.method, path(a)+c.path, "", body),
			428, "precondition-required", "header.If-Match")
		f.requireProblem(f.do("", c.method, path(a)+c.path, `"1"`, body),
			412, "precondition-failed", "header.If-Match")
		f.requireProblem(f.do("", c.method, "/api/v1/carts/"+strings.Repeat("A", 26)+c.path, "*", body),
			404, "not-found", "")
	}
	f.sell("hat", 5_01, 7) // the stock changes, the version does not
	now := f.requireOK(f.do("", "GET", path(a), "", nil))
	assert.NotEqual(t, a.Header.Get("ETag"), now.Header.Get("ETag"))
	assert.Equal(t, http.StatusOK, f.do("", "GET", path(a), a.Header.Get("ETag"), nil).Status, "a stale read is not 304")
	assert.Equal(t, http.StatusNotModified, f.do("", "GET", path(a), now.Header.Get("ETag"), nil).Status)
	f.requireOK(f.do("", "DELETE", path(a)+"/items/hat", a.Header.Get("ETag"), nil))
}

func TestOneOfManyConcurrentChangesSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("")
	start, statuses := make(chan struct{}), make(chan int, 20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			<-start
			statuses <- f.do("", "PUT", path(a)+"/items/hat", a.Header.Get("ETag"), map[string]int{"quantity": i + 1}).Status
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
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "tee-red-m", Quantity: 9})
	assert.Contains(t, warningCodes(a), "not-enough-stock")
	f.sell("hat", 6_00, 100)
	f.stopSelling("tee-red-m")
	b := f.requireOK(f.do("", "GET", path(a), "", nil))
	assert.Equal(t, a.Cart.Version+1, b.Cart.Version)
	assert.Equal(t, money.New(12_00, "EUR"), b.Cart.Items[0].Total)
	assert.Zero(t, b.Cart.Items[1].Available)
	assert.Equal(t, []string{"price-changed", "not-sold", "address-missing"}, warningCodes(b))
	c := f.requireOK(f.do("", "GET", path(a), "", nil))
	assert.Equal(t, b.Cart.Version, c.Cart.Version)
	assert.Equal(t, []string{"not-sold", "address-missing"}, warningCodes(c))
}

func TestCoupons(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	use := func(code string) response {
		return f.do("", "POST", path(a)+"/coupons", a.Header.Get("ETag"), map[string]string{"code": code})
	}
	f.requireProblem(use("NOPE"), 422, "invalid-coupon", "body.code")
	f.requireProblem(use(""), 422, "invalid-coupon", "body.code")
	f.requireProblem(use("FIVER"), 422, "invalid-coupon", "body.code")
	a = f.requireOK(use("welcome10"))
	assert.Equal(t, []string{"WELCOME10"}, a.Cart.Coupons)
	assert.Equal(t, money.New(1_00, "EUR"), a.Cart.Discount)
	b := f.requireOK(use("Welcome10"))
	assert.Equal(t, a.Cart, b.Cart, "a repetition changes nothing")
	a = f.requireOK(f.do("", "DELETE", path(a)+"/coupons/welcome10", a.Header.Get("ETag"), nil))
	assert.Empty(t, a.Cart.Coupons)
	assert.Equal(t, a.Cart.Subtotal, a.Cart.Total)
}

func TestShippingAddressAndOptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	list := func(query string) string {
		return f.requireOK(f.do("", "GET", path(a)+"/shipping-options"+query, "", nil)).Raw
	}
	assert.JSONEq(t, `{"items":[],"nextCursor":null}`, list(""))
	ship := func(address contract.Address, option string) response {
		return f.do("", "PUT", path(a)+"/shipping", a.Header.Get("ETag"),
			map[string]any{"address": address, "option": option})
	}
	f.requireProblem(ship(berlin, "pigeon"), 422, "invalid-shipping-option", "body.option")
	nowhere, nameless := berlin, berlin
	nowhere.Country, nameless.Name = "ZZ", " "
	f.requireProblem(ship(nowhere, ""), 422, "invalid-request", "body.address.country")
	f.requireProblem(ship(nameless, ""), 422, "invalid-request", "body.address.name")

	a = f.requireOK(ship(berlin, "express"))
	assert.Equal(t, berlin, *a.Cart.ShippingAddress)
	assert.Equal(t, "express", a.Cart.ShippingOption)
	assert.Equal(t, money.New(12_90, "EUR"), a.Cart.Shipping)
	assert.Equal(t, money.New(1_90+2_45, "EUR"), a.Cart.Tax)
	assert.Empty(t, a.Cart.Warnings)

	assert.JSONEq(t, `{"items":[
		{"id":"standard","name":"Standard","price":{"amount":490,"currency":"EUR"},"estimate":"2–4 working days"},
		{"id":"express","name":"Express","price":{"amount":1290,"currency":"EUR"},"estimate":"1–2 working days"}],
		"nextCursor":null}`, list(""))
	assert.Contains(t, list("?country=US&limit=1"), `"amount":1490`)
	f.requireProblem(f.do("", "GET", path(a)+"/shipping-options?country=ZZ", "", nil),
		422, "invalid-request", "query.country")
	f.requireProblem(f.do("", "GET", path(a)+"/shipping-options?cursor=x", "", nil),
		422, "invalid-request", "query.cursor")
}

func TestACustomersCartIsTheirs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.requireOK(f.do("ann", "GET", "/api/v1/carts/mine", "", nil))
	assert.Equal(t, a.Cart.ID, f.fill("ann", contract.Line{SKU: "hat", Quantity: 1}).Cart.ID)
	assert.Zero(t, f.state.ttls[storage.Key(a.Cart.ID)])
	assert.Len(t, f.requireOK(f.do("ann", "GET", path(a), "", nil)).Cart.Items, 1)
	for _, other := range []string{"", "bob"} {
		f.requireProblem(f.do(other, "GET", path(a), "", nil), 404, "not-found", "")
		f.requireProblem(f.do(other, "PUT", path(a)+"/items/hat", "*", `{"quantity":1}`), 404, "not-found", "")
		f.requireProblem(f.do(other, "GET", path(a)+"/shipping-options", "", nil), 404, "not-found", "")
		quote := contract.QuoteRequest{CartID: a.Cart.ID, ShippingAddress: berlin}
		f.requireProblem(f.do(other, "POST", "/internal/quotes", "", quote), 404, "not-found", "")
	}
	f.requireProblem(f.do("bob", "POST", path(a)+"/claim", "", nil), 404, "not-found", "")
	f.requireProblem(f.do("", "GET", "/api/v1/carts/mine", "", nil), 401, "unauthenticated", "")
	f.requireProblem(f.do("", "POST", path(a)+"/claim", "", nil), 401, "unauthenticated", "")
	f.requireProblem(f.do("ann", "POST", "/api/v1/carts", "", `{"currency":"USD"}`),
		409, "currency-mismatch", "")
	assert.Equal(t, "USD", f.requireOK(f.do("bob", "POST", "/api/v1/carts", "", `{"currency":"USD"}`)).Cart.Currency)
	assert.Equal(t, "USD", f.requireOK(f.do("bob", "POST", "/api/v1/carts", "", `{}`)).Cart.Currency)
}

func TestAClaimMergesAGuestsCartOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill("ann", contract.Line{SKU: "hat", Quantity: 1})
	g := f.fill("", contract.Line{SKU: "hat", Quantity: 2}, contract.Line{SKU: "tee-red-m", Quantity: 1})
	var a response
	for range 3 {
		a = f.requireOK(f.do("ann", "POST", path(g)+"/claim", "", nil))
		require.Len(t, a.Cart.Items, 2)
		assert.EqualValues(t, 3, a.Cart.Items[0].Quantity)
	}
	assert.NotEqual(t, g.Cart.ID, a.Cart.ID)
	for _, user := range []string{"", "ann", "bob"} {
		f.requireProblem(f.do(user, "GET", path(g), "", nil), 404, "not-found", "")
	}
	f.requireProblem(f.do("bob", "POST", path(g)+"/claim", "", nil), 404, "not-found", "")
	own := f.requireOK(f.do("ann", "POST", path(a)+"/claim", "", nil))
	assert.Equal(t, a.Cart, own.Cart, "a claim of the own cart changes nothing")
	f.requireProblem(f.do("ann", "POST", "/api/v1/carts/short/claim", "", nil), 404, "not-found", "")
}

// Whoever may not claim a cart gets the same answer, whatever else is wrong: nothing tells that the cart exists.
func TestAForeignCartIsNotFoundWhateverElseIsWrong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hats := contract.Line{SKU: "hat", Quantity: 1}
	anns, guests, merged := f.fill("ann", hats), f.fill("", hats), f.fill("", hats)
	f.requireOK(f.do("ann", "POST", path(guests)+"/claim", "", nil))
	f.requireOK(f.do("eve", "POST", path(merged)+"/claim", "", nil))
	// Bob's cart has another currency, which would be a conflict. Mallory has no cart at all.
	f.sell("dollar", 1_00, 9)
	f.mu.Lock()
	dollar := f.variants["dollar"]
	dollar.Price.Currency = "USD"
	f.variants["dollar"] = dollar
	f.mu.Unlock()
	f.requireOK(f.do("bob", "POST", "/api/v1/carts", "", `{"currency":"USD"}`))
	f.requireOK(f.do("bob", "PUT", "/api/v1/carts/"+storage.CustomerCartID("bob")+"/items/dollar", "*",
		`{"quantity":1}`))
	for _, user := range []string{"bob", "mallory"} {
		for _, foreign := range []string{path(anns), path(guests), path(merged), "/api/v1/carts/nothing"} {
			for _, tag := range []string{"", "*", `"999"`, "nonsense"} {
				f.requireProblem(f.do(user, "POST", foreign+"/claim", tag, nil), 404, "not-found", "")
			}
			f.requireProblem(f.do(user, "PUT", foreign+"/items/nothing", `"999"`, `{"quantity":1}`), 404, "not-found", "")
			f.requireProblem(f.do(user, "DELETE", foreign+"/items/nothing", `"999"`, nil), 404, "not-found", "")
			f.requireProblem(f.do(user, "POST", foreign+"/coupons", `"999"`, `{"code":"none"}`), 404, "not-found", "")
			f.requireProblem(f.do(user, "DELETE", foreign+"/coupons/none", `"999"`, nil), 404, "not-found", "")
		}
	}
}

func TestAnInterruptedClaimCanBeRepeated(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		for step := 1; step <= 3; step++ {
			f := newFixture(t)
			f.fill("ann", contract.Line{SKU: "hat", Quantity: 1})
			g := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
			f.state.failing, f.state.written = step, written
			first := f.do("ann", "POST", path(g)+"/claim", "", nil)
			assert.Equal(t, step < 3, first.Status == 503, "the last step may fail")
			a := f.requireOK(f.do("ann", "POST", path(g)+"/claim", "", nil))
			assert.EqualValues(t, 3, a.Cart.Items[0].Quantity, "step %d", step)
		}
	}
}

// Each call of the store is a round trip that the client waits for.
func TestStoreCallsOfEachRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hats := contract.Line{SKU: "hat", Quantity: 2}
	a, b, guests, own := f.fill("", hats), f.fill("", hats), f.fill("", hats), f.fill("ann")
	batch := []contract.Event{confirmed("o1", a), confirmed("o2", b)}
	for _, c := range []struct {
		name string
		want int
		do   func()
	}{
		{"create a guest's cart", 1, func() { f.requireOK(f.do("", "POST", "/api/v1/carts", "", "{}")) }},
		{"create a customer's cart", 2, func() { f.requireOK(f.do("bob", "POST", "/api/v1/carts", "", "{}")) }},
		{"read", 1, func() { f.requireOK(f.do("", "GET", path(a), "", nil)) }},
		{"change", 2, func() { f.requireOK(f.do("", "PUT", path(a)+"/items/hat", "*", `{"quantity":3}`)) }},
		{"list shipping options", 1, func() { f.requireOK(f.do("", "GET", path(a)+"/shipping-options", "", nil)) }},
		{"quote", 1, func() { f.quote("", a.Cart.ID, "") }},
		{"confirm an order", 2, func() { assert.NoError(t, f.handle(batch[0])) }},
		{"confirm orders", 2, func() { assert.NoError(t, f.service.events.OrdersConfirmed(t.Context(), batch)) }},
		{"claim", 7, func() { f.requireOK(f.do("ann", "POST", path(guests)+"/claim", "", nil)) }},
		{"read the own cart", 1, func() { f.requireOK(f.do("ann", "GET", path(own), "", nil)) }},
	} {
		assert.Equal(t, c.want, f.state.countCalls(c.do), c.name)
	}
}

func TestAnUnavailableStoreOrCatalogueIs503(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	f.state.setDown(true)
	r := f.do("", "GET", path(a), "", nil)
	f.requireProblem(r, 503, "unavailable", "")
	assert.Equal(t, "1", r.Header.Get("Retry-After"))
	f.requireProblem(f.do("", "POST", "/api/v1/carts", "", nil), 503, "unavailable", "")
	f.state.setDown(false)
	f.mesh.Join("catalog", nil)
	f.requireProblem(f.do("", "GET", path(a), "", nil), 503, "unavailable", "")
}
