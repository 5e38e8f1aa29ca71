package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/service/stripe"
	"haberdash/tests/psp"
)

const (
	stripeSecret  = "sk_test_of_orders"
	webhookSecret = "whsec_of_orders"
)

// newStripeWorld is the service with Stripe's adapter and a provider beside it that sends its webhooks.
func newStripeWorld(t *testing.T, stock int64) (*world, *psp.Server, string) {
	t.Helper()
	var w atomic.Pointer[world]
	hooks := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/api/v1/payments/stripe/webhook"
		w.Load().handler.ServeHTTP(rw, r)
	}))
	provider, err := psp.New(psp.Options{SecretKey: stripeSecret, WebhookURL: hooks.URL, WebhookSecret: webhookSecret})
	require.NoError(t, err)
	server := httptest.NewServer(provider)
	adapter, err := stripe.New(stripe.Config{SecretKey: stripeSecret, WebhookSecret: webhookSecret, URL: server.URL})
	require.NoError(t, err)
	made := newWorldPaying(t, stock, adapter)
	w.Store(made)
	t.Cleanup(func() {
		require.NoError(t, provider.Close())
		server.Close()
		hooks.Close()
	})
	return made, provider, server.URL
}

func (w *world) hook(body, signature string) *httptest.ResponseRecorder {
	return w.do(http.MethodPost, "/api/v1/payments/stripe/webhook", body, "Stripe-Signature", signature)
}

func account(t *testing.T, p *psp.Server, order string) psp.Account {
	t.Helper()
	var found []psp.Account
	for _, a := range p.Ledger().Intents {
		if a.Order == order {
			found = append(found, a)
		}
	}
	require.Len(t, found, 1, "one order, one intent")
	return found[0]
}

func TestAnOrderPaidThroughStripe(t *testing.T) {
	t.Parallel()
	w, provider, _ := newStripeWorld(t, 5)
	v := w.buy()
	path := "/api/v1/orders/" + v.ID
	assert.Equal(t, v.Total.Amount, account(t, provider, v.ID).Reserved)
	rec := w.do(http.MethodPost, path+"/fulfilments", parcel(1), boss...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	assert.Equal(t, "captured", read(t, rec).Payment.Status)
	rec = w.do(http.MethodPost, path+"/refunds", map[string]any{"amount": map[string]any{"amount": 100, "currency": "EUR"}, "reason": "sorry"},
		append([]string{"Idempotency-Key", "r"}, boss...)...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	a := account(t, provider, v.ID)
	assert.Equal(t, []int64{0, v.Total.Amount, 100}, []int64{a.Reserved, a.Captured, a.Refunded})

	declined := w.place("d", "c", "tok_declined", "Test-User", "ada")
	assert.Equal(t, http.StatusPaymentRequired, declined.Code, declined.Body.String())
	cancelled := w.buy()
	rec = w.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel", nil, "Test-User", "ada")
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	assert.Equal(t, "voided", read(t, rec).Payment.Status)
	assert.Zero(t, account(t, provider, cancelled.ID).Reserved)
}

func TestAnAuthorisationThatTheProviderEndsCancelsTheOrder(t *testing.T) {
	t.Parallel()
	w, provider, url := newStripeWorld(t, 5)
	v := w.buy()
	res, err := http.Post(url+"/test/expire/"+account(t, provider, v.ID).ID, "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	w.comesTo(v.ID, "cancelled", "voided")
	assert.Eventually(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.stock == 5 }, soon, tick, "its goods are free")
}

func TestForgedAndReplayedWebhooksChangeNothing(t *testing.T) {
	t.Parallel()
	w, provider, _ := newStripeWorld(t, 5)
	v := w.buy()
	event := func(order, intent string) string {
		return fmt.Sprintf(`{"id":"evt_1","object":"event","type":"payment_intent.canceled","created":1700000000,
			"data":{"object":{"id":%q,"object":"payment_intent","metadata":{"order":%q}}}}`, intent, order)
	}
	body, now := event(v.ID, account(t, provider, v.ID).ID), time.Now()
	for name, signature := range map[string]string{
		"none": "", "nonsense": "t=1,v1=00", "another secret": psp.Sign("whsec_other", now, []byte(body)),
		"another body": psp.Sign(webhookSecret, now, []byte(body+" ")), "an old recording": psp.Sign(webhookSecret, now.Add(-time.Hour), []byte(body)),
	} {
		rec := w.hook(body, signature)
		assert.Equal(t, http.StatusBadRequest, rec.Code, name)
		assert.Contains(t, rec.Body.String(), "invalid-signature", name)
	}
	for _, nonsense := range []string{"", "{", "[]", `{"object":"charge"}`} {
		rec := w.hook(nonsense, psp.Sign(webhookSecret, now, []byte(nonsense)))
		assert.Equal(t, http.StatusBadRequest, rec.Code, nonsense)
	}
	huge := strings.Repeat(" ", stripe.MaxEvent+1)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.hook(huge, psp.Sign(webhookSecret, now, []byte(huge))).Code)

	// Properly signed, but the provider knows nothing of it; and one about other people's payments.
	for _, untrue := range []string{body, event("no-such-order", "pi_1"), event(v.ID, "pi_other")} {
		for range 2 {
			rec := w.hook(untrue, psp.Sign(webhookSecret, now, []byte(untrue)))
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		}
	}
	o := w.order(v.ID)
	assert.Equal(t, []any{"confirmed", "authorized", v.Version}, []any{o.Status, o.Payment.Status, v.Version})
	assert.Equal(t, v.Total.Amount, account(t, provider, v.ID).Reserved)
}
