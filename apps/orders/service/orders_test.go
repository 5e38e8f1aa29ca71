package service

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

func TestGuestReadsTheirOrderWithItsToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	rec := f.place("k", "c1", "tok_visa")
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	v := read(t, rec)
	assert.Equal(t, "confirmed", v.Status)
	assert.Equal(t, "authorized", v.Payment.Status)
	assert.Equal(t, v.Total, v.Payment.Authorized)
	assert.NotEmpty(t, v.AccessToken)

	path := "/api/v1/orders/" + v.ID
	assert.Equal(t, http.StatusNotFound, f.do(http.MethodGet, path, nil).Code)
	assert.Equal(t, http.StatusNotFound, f.do(http.MethodGet, path, nil, "X-Order-Token", strings.Repeat("0", 64)).Code)
	assert.Equal(t, http.StatusNotFound, f.do(http.MethodGet, path, nil, "Test-User", "eve").Code)
	got := f.do(http.MethodGet, path, nil, "X-Order-Token", v.AccessToken)
	require.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, http.StatusNotModified, f.do(http.MethodGet, path, nil, "X-Order-Token", v.AccessToken,
		"If-None-Match", got.Header().Get("ETag")).Code)

	events := f.do(http.MethodGet, path+"/events", nil, "X-Order-Token", v.AccessToken)
	require.Equal(t, http.StatusOK, events.Code)
	assert.Contains(t, events.Body.String(), contract.OrderConfirmed)
	for _, secret := range []string{"tok_visa", v.AccessToken, "fingerprint"} {
		assert.NotContains(t, events.Body.String(), secret)
	}
}

func TestCancellationVoidsThePaymentAndReleasesTheStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	v := read(t, f.place("k", "c", "tok_visa", ada...))
	path := "/api/v1/orders/" + v.ID + "/cancel"
	assert.Equal(t, http.StatusNotFound, f.do(http.MethodPost, path, nil, "Test-User", "eve").Code)
	for range 2 {
		rec := f.do(http.MethodPost, path, nil, ada...)
		require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		got := read(t, rec)
		assert.Equal(t, "cancelled", got.Status)
		assert.Equal(t, "voided", got.Payment.Status)
		assert.Zero(t, got.Payment.Authorized.Amount)
	}
	assert.Equal(t, int64(5), f.stock)
	a, ok, err := f.sandbox.Find(t.Context(), v.ID)
	require.NoError(t, err)
	require.True(t, ok)
	assert.Equal(t, payment.Voided, a.Status)
	assert.Equal(t, http.StatusConflict, f.do(http.MethodPost, "/api/v1/orders/"+f.placeDeclined()+"/cancel", nil,
		ada...).Code)
	rejected := f.do(http.MethodGet, "/api/v1/orders?status=rejected", nil, ada...)
	assert.Contains(t, rejected.Body.String(), `"status":"rejected"`)
}

func TestListsArePagedAndOwned(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	for i := range 7 {
		require.Equal(t, http.StatusCreated, f.place(fmt.Sprint(i), "c", "tok_visa", ada...).Code)
		require.Equal(t, http.StatusCreated, f.place(fmt.Sprint(i), "c", "tok_visa", "Test-User", "bob").Code)
	}
	walk := func(query string, headers ...string) (numbers []string) {
		cursor := ""
		for {
			rec := f.do(http.MethodGet, "/api/v1/orders?limit=3"+query+cursor, nil, headers...)
			require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
			var page struct {
				Items      []view
				NextCursor *string
			}
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &page))
			for _, o := range page.Items {
				numbers = append(numbers, o.Number)
			}
			if page.NextCursor == nil {
				return numbers
			}
			cursor = "&cursor=" + *page.NextCursor
		}
	}
	assert.Equal(t, []string{"H10013", "H10011", "H10009", "H10007", "H10005", "H10003", "H10001"}, walk("", ada...))
	assert.Len(t, walk("", staff...), 14)
	assert.Len(t, walk("&status=confirmed", staff...), 14)
	assert.Len(t, walk("&status=cancelled", staff...), 0)
	assert.Len(t, walk("&customer=bob&status=confirmed", "Test-User", "boss", "Test-Roles", "admin"), 7)
	assert.Equal(t, http.StatusUnauthorized, f.do(http.MethodGet, "/api/v1/orders", nil).Code)
	assert.Equal(t, http.StatusForbidden, f.do(http.MethodGet, "/api/v1/orders?customer=bob", nil, ada...).Code)
	assert.Equal(t, http.StatusUnprocessableEntity, f.do(http.MethodGet, "/api/v1/orders?cursor=nonsense", nil,
		ada...).Code)
}

func TestStreamSendsEveryChangeOfTheOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	v := read(t, f.place("k", "c", "tok_visa", ada...))
	server := httptest.NewServer(f.handler)
	t.Cleanup(server.Close)
	open := func(user string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/orders/"+v.ID+"/stream", nil)
		require.NoError(t, err)
		req.Header.Set("Test-User", user)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	refused := open("eve")
	assert.Equal(t, http.StatusNotFound, refused.StatusCode)
	assert.Equal(t, "application/problem+json", refused.Header.Get("Content-Type"))
	res := open("ada")
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	next := func() (data string) {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return text
			}
		}
		return ""
	}
	assert.Contains(t, next(), `"status":"confirmed"`)
	require.Equal(t, http.StatusOK, f.do(http.MethodPost, "/api/v1/orders/"+v.ID+"/cancel", nil, ada...).Code)
	assert.Contains(t, next(), `"status":"cancelled"`)
}

func TestMalformedRequestNamesTheField(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	for name, c := range map[string]struct {
		body, location string
		status         int
	}{
		"unknown member": {`{"cartId":"c","surprise":1}`, "body.surprise", 422},
		"missing member": {`{"email":"a@example.com"}`, "body.cartId", 422},
		"wrong type":     {`{"cartId":7}`, "body.cartId", 422},
		"bad country": {`{"cartId":"c","email":"a@example.com","payment":{"method":"card","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"Germany"}}`,
			"body.shippingAddress.country", 422},
		"a name beside the address": {`{"cartId":"c","email":"Ada <a@example.com>","payment":{"method":"card","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"DE"}}`, "body.email", 422},
		"an address that no mail reaches": {`{"cartId":"c","email":"a@[127.0.0.1]","payment":{"method":"card","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"DE"}}`, "body.email", 422},
		"bad method": {`{"cartId":"c","email":"a@example.com","payment":{"method":"cash","token":"t"},
			"shippingAddress":{"name":"A","line1":"1","city":"B","postalCode":"1","country":"DE"}}`, "body.payment.method", 422},
		"not JSON":      {`{`, "body", 400},
		"invalid UTF-8": {"{\"cartId\":\"\xff\"}", "body", 400},
	} {
		rec := f.do(http.MethodPost, "/api/v1/orders", c.body, "Idempotency-Key", "k")
		assert.Equal(t, c.status, rec.Code, "%s: %s", name, rec.Body)
		assert.Contains(t, rec.Body.String(), `"location":"`+c.location, name)
		assert.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"), name)
	}
	huge := f.do(http.MethodPost, "/api/v1/orders", `{"cartId":"`+strings.Repeat("x", 1<<20)+`"}`, "Idempotency-Key", "k")
	assert.Equal(t, http.StatusRequestEntityTooLarge, huge.Code)
	assert.Zero(t, f.quotes.Load())
}

func TestRefusedChangeNamesTheFieldOfTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	path := "/api/v1/orders/" + f.buy().ID
	refund := func(amount int64) map[string]any {
		return map[string]any{"amount": money.New(amount, "EUR"), "reason": "sorry"}
	}
	refused := func(location string, rec *httptest.ResponseRecorder) {
		t.Helper()
		assert.GreaterOrEqual(t, rec.Code, 400)
		assert.Contains(t, rec.Body.String(), `"errors":[{"location":"`+location+`"`)
	}
	post := func(what string, body any, key string) *httptest.ResponseRecorder {
		return f.do(http.MethodPost, path+what, body, withKey(key, staff)...)
	}
	refused("body.lines[0].quantity", post("/fulfilments", parcelOf(0), "1"))
	refused("body.lines[0].quantity", post("/fulfilments", parcelOf(7), "2"))
	refused("body.lines", post("/fulfilments", map[string]any{"lines": []any{}, "carrier": "DHL", "trackingNumber": ""},
		"3"))
	f.requireStatus(post("/fulfilments", parcelOf(1), "4"), http.StatusCreated)
	refused("header.Idempotency-Key", post("/fulfilments", parcelOf(2), "4"))
	refused("body.amount", post("/refunds", refund(1_000_000), "5"))
	refused("body.amount.amount", post("/refunds", refund(0), "6"))
	refused("header.Idempotency-Key", f.do(http.MethodPost, path+"/refunds", refund(1), staff...))
	f.requireStatus(post("/refunds", refund(1), "7"), http.StatusCreated)
	refused("header.Idempotency-Key", post("/refunds", refund(2), "7"))
	unknown := map[string]any{"lines": []map[string]any{{"sku": "COAT", "quantity": 1}}, "reason": "too small"}
	refused("body.lines[0].sku", post("/returns", unknown, "8"))
	f.place("9", "c", "tok_visa", ada...)
	refused("header.Idempotency-Key", f.place("9", "c", "tok_declined", ada...))
}
