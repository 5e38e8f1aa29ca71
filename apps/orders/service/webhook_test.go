package service

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

	"haberdash/apps/orders/service/payments/stripe"
	"haberdash/apps/orders/service/payments/webhook"
	"haberdash/tests/psp"
)

const (
	stripeSecret  = "sk_test_of_orders"
	webhookSecret = "whsec_of_orders"
)

// newStripeFixture is a fixture with Stripe's adapter, and a provider that sends webhooks to it.
func newStripeFixture(t *testing.T, stock int64) (*fixture, *psp.Server, string) {
	t.Helper()
	var f atomic.Pointer[fixture]
	hooks := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/api/v1/payments/stripe/webhook"
		f.Load().handler.ServeHTTP(rw, r)
	}))
	provider, err := psp.New(psp.Options{SecretKey: stripeSecret, WebhookURL: hooks.URL, WebhookSecret: webhookSecret})
	require.NoError(t, err)
	server := httptest.NewServer(provider)
	adapter, err := stripe.New(stripe.Config{SecretKey: stripeSecret, URL: server.URL})
	require.NoError(t, err)
	f.Store(newFixturePaying(t, stock, adapter))
	t.Cleanup(func() {
		require.NoError(t, provider.Close())
		server.Close()
		hooks.Close()
	})
	return f.Load(), provider, server.URL
}

func (f *fixture) postWebhook(body, signature string) *httptest.ResponseRecorder {
	return f.do(http.MethodPost, "/api/v1/payments/stripe/webhook", body, "Stripe-Signature", signature)
}

// accountOf is the provider's account of an order.
func accountOf(t *testing.T, p *psp.Server, order string) psp.Account {
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

func TestOrderIsPaidThroughStripe(t *testing.T) {
	t.Parallel()
	f, provider, _ := newStripeFixture(t, 5)
	v := f.buy()
	path := "/api/v1/orders/" + v.ID
	assert.Equal(t, v.Total.Amount, accountOf(t, provider, v.ID).Reserved)
	rec := f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), staff...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	assert.Equal(t, "captured", read(t, rec).Payment.Status)
	rec = f.do(http.MethodPost, path+"/refunds", map[string]any{"amount": map[string]any{"amount": 100,
		"currency": "EUR"}, "reason": "sorry"},
		withKey("r", staff)...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	a := accountOf(t, provider, v.ID)
	assert.Equal(t, []int64{0, v.Total.Amount, 100}, []int64{a.Reserved, a.Captured, a.Refunded})

	declined := f.place("d", "c", "tok_declined", ada...)
	assert.Equal(t, http.StatusPaymentRequired, declined.Code, declined.Body.String())
	cancelled := f.buy()
	rec = f.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel", nil, ada...)
	require.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
	assert.Equal(t, "voided", read(t, rec).Payment.Status)
	assert.Zero(t, accountOf(t, provider, cancelled.ID).Reserved)
}

func TestAuthorisationThatTheProviderEndsCancelsTheOrder(t *testing.T) {
	t.Parallel()
	f, provider, url := newStripeFixture(t, 5)
	v := f.buy()
	res, err := http.Post(url+"/test/expire/"+accountOf(t, provider, v.ID).ID, "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	f.waitForStatus(v.ID, "cancelled", "voided")
	assert.Eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.stock == 5 }, timeout, tick,
		"its stock is released")
}

func TestForgedAndReplayedWebhooksChangeNothing(t *testing.T) {
	t.Parallel()
	f, provider, _ := newStripeFixture(t, 5)
	v := f.buy()
	event := func(order, intent string) string {
		return fmt.Sprintf(`{"id":"evt_1","object":"event","type":"payment_intent.canceled","created":1700000000,
			"data":{"object":{"id":%q,"object":"payment_intent","metadata":{"order":%q}}}}`, intent, order)
	}
	body, now := event(v.ID, accountOf(t, provider, v.ID).ID), time.Now()
	for name, signature := range map[string]string{
		"none": "", "nonsense": "t=1,v1=00", "another secret": psp.Sign("whsec_other", now, []byte(body)),
		"another body": psp.Sign(webhookSecret, now, []byte(body+" ")), "an old recording": psp.Sign(webhookSecret,
			now.Add(-time.Hour), []byte(body)),
	} {
		rec := f.postWebhook(body, signature)
		assert.Equal(t, http.StatusBadRequest, rec.Code, name)
		assert.Contains(t, rec.Body.String(), "invalid-signature", name)
	}
	for _, nonsense := range []string{"", "{", "[]", `{"object":"charge"}`} {
		rec := f.postWebhook(nonsense, psp.Sign(webhookSecret, now, []byte(nonsense)))
		assert.Equal(t, http.StatusBadRequest, rec.Code, nonsense)
	}
	huge := strings.Repeat(" ", webhook.MaxBody+1)
	assert.Equal(t, http.StatusRequestEntityTooLarge, f.postWebhook(huge, psp.Sign(webhookSecret, now, []byte(huge))).Code)

	// These are signed, but untrue according to the provider, or about payments of another program.
	for _, untrue := range []string{body, event("no-such-order", "pi_1"), event(v.ID, "pi_other")} {
		for range 2 {
			rec := f.postWebhook(untrue, psp.Sign(webhookSecret, now, []byte(untrue)))
			assert.Equal(t, http.StatusOK, rec.Code, rec.Body.String())
		}
	}
	o := f.order(v.ID)
	assert.Equal(t, []any{"confirmed", "authorized", v.Version}, []any{o.Status, o.Payment.Status, v.Version})
	assert.Equal(t, v.Total.Amount, accountOf(t, provider, v.ID).Reserved)
}
