// Package stripe implements the port of package payment with Stripe's PaymentIntents API.
//
// An order's key becomes a PaymentIntent with manual capture. It is created with an idempotency key that is derived
// from the order's key, so there is only one, however often it is requested, and confirmed with a second call. Void
// can therefore close a key before any attempt with it arrives: it creates the same intent and cancels it.
//
// Stripe remembers an idempotency key for a day and repeats its first answer, even an internal error. So
//   - after a repeated answer the adapter reads the intent;
//   - after a repeated internal error it reads the intent and, if nothing has happened, tries a further numbered key.
//     All replicas use the same numbers, so they agree;
//   - what must be known for longer is stored with Stripe: a capture in the intent's metadata, by the same call, and a
//     refund in its own metadata.
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

// Config of a Provider.
type Config struct {
	SecretKey string `json:"-"` // authenticates to Stripe
	URL       string // of another server with the same API; empty for Stripe itself
}

// Provider implements payment.Provider. It is safe for concurrent use.
type Provider struct {
	api *stripe.Client

	// noMulticapture remembers that the account has no multicapture, which saves a refused call for each payment.
	noMulticapture atomic.Bool
}

var _ payment.Provider = (*Provider)(nil)

// callTimeout bounds a call whose ctx has no deadline of its own.
const callTimeout = 30 * time.Second

// New makes a provider. It does not call Stripe.
func New(c Config) (*Provider, error) {
	if c.SecretKey == "" {
		return nil, errors.New("stripe: the secret key is empty")
	}
	if c.URL == "" {
		c.URL = stripe.APIURL
	}
	if err := checkURL(c.URL); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // all calls go to one host; with the default of 2, each would connect under load
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL:        &c.URL,
		HTTPClient: &http.Client{Transport: transport, Timeout: callTimeout},
		// Callers repeat calls themselves, within their own deadlines. The service logs the errors itself, without
		// personal data.
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &Provider{api: stripe.NewClient(c.SecretKey, stripe.WithBackends(backends))}, nil
}

// checkURL refuses an address to which the secret key would travel unencrypted.
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
