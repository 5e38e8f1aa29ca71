package stripe_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

// An internal error may hide a capture that is not noted in the metadata. Then no further capture is made.
func TestCaptureThatIsNotNotedIsNotRepeated(t *testing.T) {
	t.Parallel()
	server, address := start(t, psp.Options{})
	behind, err := url.Parse(address)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	var once sync.Once
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") != "move/c/1" {
			proxy.ServeHTTP(w, r)
			return
		}
		once.Do(func() { post(t, address+r.URL.Path, "amount_to_capture=700&final_capture=false") })
		w.Header().Set("Idempotent-Replayed", "true")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"error":{"type":"api_error"}}`))
	}))
	t.Cleanup(front.Close)
	p := open(t, front.URL)
	auth, err := p.Authorise(t.Context(), "order", price, psp.TokenVisa)
	require.NoError(t, err)
	for range 2 {
		_, err = p.Capture(t.Context(), "c", auth.ID, money.New(700, "EUR"))
		require.ErrorIs(t, err, payment.ErrProvider)
	}
	assert.EqualValues(t, 700, server.Ledger().Intents[0].Captured)
}

// post sends a form as another program with the secret key would.
func post(t *testing.T, address, form string) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form))
	if !assert.NoError(t, err) {
		return
	}
	req.Header.Set("Authorization", "Bearer "+secretKey)
	res, err := http.DefaultClient.Do(req)
	if assert.NoError(t, err) {
		assert.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusOK, res.StatusCode)
	}
}

// Most accounts have no multicapture, and Stripe refuses a payment that requests it.
func TestAccountWithoutMulticaptureIsPaid(t *testing.T) {
	t.Parallel()
	server, url := start(t, psp.Options{SingleCapture: true})
	for _, p := range []payment.Provider{open(t, url), open(t, url)} {
		for _, key := range []string{"o1", "o2"} {
			auth, err := p.Authorise(t.Context(), key, price, psp.TokenVisa)
			require.NoError(t, err)
			_, err = p.Capture(t.Context(), "part of "+key, auth.ID, money.New(1, "EUR"))
			require.ErrorIs(t, err, payment.ErrWholeOnly)
		}
		_, err := p.Authorise(t.Context(), "declined", price, psp.TokenDeclined)
		var declined *payment.Declined
		require.ErrorAs(t, err, &declined)
		_, err = p.Authorise(t.Context(), "invalid", price, "tok_unheard_of")
		require.ErrorAs(t, err, &declined)
		assert.Equal(t, payment.InvalidToken, declined.Code)
	}
	_, err := open(t, url).Capture(t.Context(), "whole", server.Ledger().Intents[0].ID, price)
	require.NoError(t, err)
}

// An account may have payments that another program has made.
func TestIntentsOfOtherProgramsAreNotFound(t *testing.T) {
	t.Parallel()
	server, address := start(t, psp.Options{})
	post(t, address+"/v1/payment_intents", "amount=100&currency=eur&capture_method=manual")
	id := server.Ledger().Intents[0].ID

	p := open(t, address)
	_, err := p.Capture(t.Context(), "c", id, money.New(100, "EUR"))
	require.ErrorIs(t, err, payment.ErrNotFound)
	_, err = p.Refund(t.Context(), "r", id, money.New(100, "EUR"))
	require.ErrorIs(t, err, payment.ErrNotFound)
	_, err = p.Void(t.Context(), "", money.New(100, "EUR"), id)
	require.ErrorIs(t, err, payment.ErrInvalid)
	_, err = p.Void(t.Context(), "order", money.New(100, "EUR"), id)
	require.ErrorIs(t, err, payment.ErrNotFound)
}

// Errors are logged, and a log must have no tokens and no client secrets.
func TestErrorsContainNoSecrets(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{Faults: psp.Faults{Rate: 1, Seed: 3, Delay: time.Nanosecond}})
	p := open(t, url)
	for range 30 {
		_, err := p.Authorise(t.Context(), "order", price, "tok_confidential")
		if err == nil {
			continue
		}
		for _, secret := range []string{"tok_confidential", "_secret", secretKey} {
			assert.NotContains(t, err.Error(), secret)
		}
	}
}
