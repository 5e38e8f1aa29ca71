// Package stripe is the payment port over Stripe's PaymentIntents API.
//
// An order's key becomes a PaymentIntent with manual capture: created under an idempotency key that follows
// from the order's, so that whoever comes first and however often, there is one; then confirmed in a call
// of its own. Void can therefore close a key before any attempt on it arrived: it creates the same intent
// and cancels it.
//
// Stripe remembers an idempotency key for a day and answers it with the first answer, a 500 included. So
//   - a repetition is followed by a look at the present state;
//   - a remembered 500 is followed by a look, and by a further numbered key if nothing had happened. All
//     replicas walk the same numbers, so they still agree;
//   - what must hold for longer is written where it happens: a capture in the intent's metadata, by the same
//     call, and a refund in its own.
package stripe

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
)

// Config is what the adapter needs to know.
type Config struct {
	SecretKey     string `json:"-"` // authenticates to Stripe
	WebhookSecret string `json:"-"` // what Stripe signs events with
	URL           string // of another server that speaks the API; empty for Stripe's own
}

// Provider implements payment.Provider.
type Provider struct {
	api           *stripe.Client
	webhookSecret string

	// single remembers that the account has no multicapture. It spares a refused call a payment, no more.
	single atomic.Bool
}

var _ payment.Provider = (*Provider)(nil)

// patience ends a call whose ctx has no deadline of its own.
const patience = 30 * time.Second

// New makes a provider. It does not call Stripe.
func New(c Config) (*Provider, error) {
	if c.SecretKey == "" || c.WebhookSecret == "" {
		return nil, errors.New("stripe: the secret key and the webhook secret are needed")
	}
	if c.URL == "" {
		c.URL = stripe.APIURL
	}
	if err := checkURL(c.URL); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // one host takes all calls; the default of 2 would reconnect under load
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL:        &c.URL,
		HTTPClient: &http.Client{Transport: transport, Timeout: patience},
		// The callers repeat, within their own deadlines; and errors go to our log, without what is
		// personal in them.
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &Provider{
		api:           stripe.NewClient(c.SecretKey, stripe.WithBackends(backends)),
		webhookSecret: c.WebhookSecret,
	}, nil
}

// checkURL keeps the secret key off the open network.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("stripe: %w", err)
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return fmt.Errorf("stripe: %q is neither https nor on this machine", text)
	}
	return nil
}
