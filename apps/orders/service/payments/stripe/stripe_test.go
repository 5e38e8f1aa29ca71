package stripe_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/payment/paymenttest"
	"haberdash/apps/orders/service/payments/stripe"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

const secretKey = "sk_test_of_the_tests"

var price = money.New(1999, "EUR")

// start runs a provider for tests and returns its address.
func start(t *testing.T, o psp.Options) (*psp.Server, string) {
	t.Helper()
	o.SecretKey = secretKey
	p, err := psp.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		require.NoError(t, p.Close()) // first, as it ends the silent answers that the server would wait for
		server.Close()
	})
	return p, server.URL
}

func open(t *testing.T, url string) *stripe.Provider {
	t.Helper()
	p, err := stripe.New(stripe.Config{SecretKey: secretKey, URL: url})
	require.NoError(t, err)
	return p
}

func TestStripeConforms(t *testing.T) {
	t.Parallel()
	testConformance(t, psp.Options{})
}

func TestStripeConformsDespiteFaults(t *testing.T) {
	t.Parallel()
	testConformance(t, psp.Options{Faults: psp.Faults{Rate: 0.2, Seed: 7, Delay: 2 * time.Millisecond}})
}

// testConformance runs the suite, and then looks at the provider's own ledger.
func testConformance(t *testing.T, o psp.Options) {
	server, url := start(t, o)
	t.Run("suite", func(t *testing.T) {
		paymenttest.Test(t, paymenttest.Account{
			Open:     func(t *testing.T) payment.Provider { return open(t, url) },
			Approved: psp.TokenVisa, Declined: psp.TokenDeclined, DeclineCode: payment.CardDeclined,
			WholeOnly: psp.TokenSingleCapture,
		})
	})
	authorisations := map[string]int{}
	for _, a := range server.Ledger().Intents {
		var reserved, captured, refunded int64
		for _, m := range a.Movements {
			switch m.Kind {
			case "authorized":
				authorisations[a.Order]++
				reserved += m.Amount
			case "captured":
				reserved -= m.Amount
				captured += m.Amount
			case "released":
				reserved -= m.Amount
			case "refunded":
				refunded += m.Amount
			}
		}
		assert.Equal(t, a.Reserved, reserved, a)
		assert.True(t, 0 <= reserved && refunded <= captured && captured <= a.Amount, a)
	}
	assert.NotEmpty(t, authorisations)
	for order, n := range authorisations {
		assert.Equal(t, 1, n, "order %s", order)
	}
}

func TestSecretKeyNeverTravelsUnencrypted(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"": true, "https://api.stripe.example": true, "http://127.0.0.1:1": true,
		"http://[::1]:1": true, "http://localhost:1": true,
		"http://api.stripe.com": false, "ftp://127.0.0.1": false, "127.0.0.1:1": false, "https://": false, "%": false,
	} {
		_, err := stripe.New(stripe.Config{SecretKey: secretKey, URL: url})
		assert.Equal(t, ok, err == nil, url)
	}
	_, err := stripe.New(stripe.Config{})
	require.Error(t, err, "without a secret key")
}

func TestOutageIsTransientAndEachCallIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"a proxy's page": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>bad gateway</html>"))
		},
		"rate limited": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","code":"rate_limit"}}`))
		},
		"the key's first request still under way": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`))
		},
		"a wrong secret": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error"}}`))
		},
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"id":"pi_1"`))
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				assert.Empty(t, r.Header.Get("X-Stripe-Client-Telemetry"))
				handler(w, r)
			}))
			t.Cleanup(server.Close)
			p := open(t, server.URL)
			_, err := p.Authorise(t.Context(), "order", price, psp.TokenVisa)
			require.ErrorIs(t, err, payment.ErrProvider)
			_, err = p.Void(t.Context(), "order", price, "")
			require.ErrorIs(t, err, payment.ErrProvider)
			_, err = p.Capture(t.Context(), "c", "pi_1", price)
			require.ErrorIs(t, err, payment.ErrProvider)
			_, err = p.Refund(t.Context(), "r", "pi_1", price)
			require.ErrorIs(t, err, payment.ErrProvider)
			assert.EqualValues(t, 4, asked.Load())
		})
	}
}

func TestRefusedConnectionIsTransient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := open(t, server.URL).Authorise(t.Context(), "order", price, psp.TokenVisa)
	require.ErrorIs(t, err, payment.ErrProvider)
}
