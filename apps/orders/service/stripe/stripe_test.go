package stripe_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/payment/paymenttest"
	"haberdash/apps/orders/service/stripe"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

const (
	secretKey     = "sk_test_of_the_tests"
	webhookSecret = "whsec_of_the_tests"
)

var price = money.New(1999, "EUR")

// start runs a provider for tests, and gives its address.
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
	p, err := stripe.New(stripe.Config{SecretKey: secretKey, WebhookSecret: webhookSecret, URL: url})
	require.NoError(t, err)
	return p
}

func account(url string) paymenttest.Account {
	return paymenttest.Account{
		Open: func(t *testing.T) payment.Provider {
			p, err := stripe.New(stripe.Config{SecretKey: secretKey, WebhookSecret: webhookSecret, URL: url})
			require.NoError(t, err)
			return p
		},
		Approved: psp.TokenVisa, Declined: psp.TokenDeclined, DeclineCode: payment.CardDeclined,
		WholeOnly: psp.TokenSingleCapture,
	}
}

func TestStripe(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{})
	paymenttest.Test(t, account(url))
}

func TestStripeOverFaults(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{Faults: psp.Faults{Rate: 0.2, Seed: 7, Delay: 2 * time.Millisecond}})
	paymenttest.Test(t, account(url))
}
