package service

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

func TestReplayedKeyReturnsTheFirstOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	first := f.place("k", "c1", "tok_visa", ada...)
	require.Equal(t, http.StatusCreated, first.Code)
	f.start() // a restart, or another replica
	reordered := `{"shippingAddress":{"country":"DE","name":"Ada","line1":"1 Street","postalCode":"10115","city":"Berlin"},
		"payment":{"token":"tok_visa","method":"card"},"email":"ada@example.com","cartId":"c1"}`
	again := f.do(http.MethodPost, "/api/v1/orders", reordered, withKey("k", ada)...)
	assert.Equal(t, first.Code, again.Code)
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	assert.Empty(t, first.Header().Get("Idempotent-Replayed"))

	id := read(t, first).ID
	require.Equal(t, http.StatusOK, f.do(http.MethodPost, "/api/v1/orders/"+id+"/cancel", nil, ada...).Code)
	assert.Equal(t, first.Body.String(), f.place("k", "c1", "tok_visa", ada...).Body.String(),
		"also after the order has changed")

	other := f.place("k", "c1", "tok_declined", ada...)
	assert.Equal(t, http.StatusUnprocessableEntity, other.Code)
	assert.Contains(t, other.Body.String(), "idempotency-key-reused")
	assert.Equal(t, http.StatusCreated, f.place("k", "c2", "tok_visa", "Test-User", "bob").Code,
		"a key belongs to the caller")
	assert.Equal(t, http.StatusCreated, f.place("k", "c3", "tok_visa").Code)
	missing := f.do(http.MethodPost, "/api/v1/orders", placementBody("c1", "tok_visa"))
	assert.Equal(t, http.StatusBadRequest, missing.Code)
	assert.Contains(t, missing.Body.String(), "idempotency-key-required")
}

func TestFiftyConcurrentCopiesOfARequestPlaceOneOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 50)
	release := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range 50 {
		wg.Go(func() {
			<-release
			rec := f.place("k", "c1", "tok_visa", ada...)
			mu.Lock()
			defer mu.Unlock()
			if rec.Code != http.StatusCreated {
				assert.Equal(t, http.StatusConflict, rec.Code)
				assert.Contains(t, rec.Body.String(), "request-in-progress")
				assert.NotEmpty(t, rec.Header().Get("Retry-After"))
				return
			}
			answers[rec.Body.String()]++
		})
	}
	close(release)
	wg.Wait()
	assert.Len(t, answers, 1)
	assert.Equal(t, int64(49), f.stock)
}

func TestRejectedOrderReservesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	declined := f.place("k1", "c", "tok_insufficient_funds")
	assert.Equal(t, http.StatusPaymentRequired, declined.Code)
	assert.Contains(t, declined.Body.String(), `"code":"insufficient_funds"`)
	assert.Equal(t, int64(1), f.stock, "the stock is free again")
	again := f.place("k1", "c", "tok_insufficient_funds")
	assert.Equal(t, declined.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))

	require.Equal(t, http.StatusCreated, f.place("k2", "c", "tok_visa").Code)
	short := f.place("k3", "c", "tok_visa")
	assert.Equal(t, http.StatusConflict, short.Code)
	assert.Contains(t, short.Body.String(), "out-of-stock")
	assert.Contains(t, short.Body.String(), `"sku":"HAT"`)
	assert.Equal(t, http.StatusUnprocessableEntity, f.place("k4", "empty", "tok_visa").Code)
}

func TestPricesThatWereNotShownAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.mu.Lock()
	f.price = 1100
	f.mu.Unlock()
	refused := f.place("k1", "c", "tok_visa")
	require.Equal(t, http.StatusConflict, refused.Code)
	assert.Contains(t, refused.Body.String(), "/price-changed")
	assert.Contains(t, refused.Body.String(), `"lines":[{"sku":"HAT",`+
		`"was":{"amount":1000,"currency":"EUR"},"now":{"amount":1100,"currency":"EUR"}}]`)
	f.start()
	again := f.place("k1", "c", "tok_visa")
	assert.Equal(t, refused.Body.String(), again.Body.String(), "also from the log")
	assert.Equal(t, int64(1), f.stock)
	bought := f.place("k2", "c", "tok_visa")
	require.Equal(t, http.StatusCreated, bought.Code, "the cart has the new price: %s", bought.Body)
	assert.Equal(t, money.New(1790, "EUR"), read(t, bought).Total)

	f.mu.Lock()
	f.stock, f.discontinued = 1, true
	f.mu.Unlock()
	gone := f.place("k3", "d", "tok_visa")
	require.Equal(t, http.StatusConflict, gone.Code)
	assert.Contains(t, gone.Body.String(), "/cart-changed")
	assert.Contains(t, gone.Body.String(), `"skus":["HAT"]`)
}

func TestSilentProviderIsDecidedLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	rec := f.place("k", "c", "tok_timeout", ada...)
	f.requireStatus(rec, http.StatusAccepted)
	assert.Equal(t, "placing", read(t, rec).Status)
	f.advance(time.Second)
	again := f.place("k", "c", "tok_timeout", ada...)
	assert.Equal(t, http.StatusCreated, again.Code, again.Body.String())
	assert.Equal(t, read(t, rec).ID, read(t, again).ID)
	assert.Equal(t, int64(4), f.stock)
	assert.Equal(t, http.StatusCreated, f.place("e", "c", "tok_error", ada...).Code,
		"two failures are retried within the request")
}

// The provider authorised the payment after the request had timed out, and meanwhile the stock was sold to another
// buyer.
func TestRepetitionVoidsThePaymentWhenTheStockIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	rec := f.place("k", "c", "tok_timeout", ada...) // the provider authorises it and does not answer
	require.Equal(t, http.StatusAccepted, rec.Code)
	id := read(t, rec).ID
	f.mu.Lock()
	delete(f.reservations, id)
	f.stock = 0
	f.mu.Unlock()
	f.advance(time.Second)
	again := f.place("k", "c", "tok_timeout", ada...)
	assert.Equal(t, http.StatusConflict, again.Code, again.Body.String())
	a, found, err := f.sandbox.Find(t.Context(), id)
	require.NoError(t, err)
	require.True(t, found)
	assert.Equal(t, payment.Voided, a.Status)
}

func TestRepeatedRefusalGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	first := f.place("k", "empty", "tok_visa")
	require.Equal(t, http.StatusUnprocessableEntity, first.Code)
	assert.Empty(t, first.Header().Get("Idempotent-Replayed"))
	f.start() // another replica
	again := f.place("k", "empty", "tok_visa")
	assert.Equal(t, first.Code, again.Code)
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	other := f.place("k", "empty", "tok_slow")
	assert.Equal(t, http.StatusUnprocessableEntity, other.Code)
	assert.Contains(t, other.Body.String(), "idempotency-key-reused")
	assert.Empty(t, other.Header().Get("Idempotent-Replayed"))
}

// After a long outage the provider may have forgotten the order's key, and a further attempt could charge twice.
func TestOrderWhoseKeyTheProviderMayHaveForgottenIsRejected(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	rec := f.place("k", "c", "tok_timeout", ada...) // the provider authorises it and does not answer
	require.Equal(t, http.StatusAccepted, rec.Code)
	f.advance(24 * time.Hour)
	again := f.place("k", "c", "tok_timeout", ada...)
	assert.Equal(t, http.StatusPaymentRequired, again.Code, again.Body.String())
	a, _, err := f.sandbox.Find(t.Context(), read(t, rec).ID)
	require.NoError(t, err)
	assert.Zero(t, a.Reserved().Amount)
	assert.Equal(t, int64(5), f.stock)
}
