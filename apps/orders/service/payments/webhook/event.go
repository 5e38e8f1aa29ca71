// Package webhook receives Stripe's webhooks: it verifies their signatures, decodes their events, and serves their
// route.
package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v86/webhook"

	"haberdash/apps/orders/service/payments/stripe/intent"
)

// Event is the event of a webhook. Stripe delivers an event at least once, late, and in any order: it is a reason to
// look at the authorisation, and no more.
type Event struct {
	ID              string // the same in every delivery
	Type            string // such as payment_intent.canceled
	OrderID         string // empty if the event concerns no order of this service
	AuthorisationID string // empty if the event concerns no payment
	At              time.Time
}

// SignatureHeader is the header with a webhook's signature.
const SignatureHeader = "Stripe-Signature"

// MaxBody is the largest body of a webhook in bytes. Stripe's have a few kilobytes.
const MaxBody = 256 << 10

// maxAge is how old a signature may be. Within that time a recorded webhook can be replayed.
const maxAge = 5 * time.Minute

// Errors of Read; compare with errors.Is. The sender is to blame for each of them.
var (
	ErrForged    = errors.New("stripe: the webhook is not signed with our secret")
	ErrStale     = errors.New("stripe: the webhook's signature is too old")
	ErrMalformed = errors.New("stripe: the webhook is not an event")
)

// Reader verifies and decodes webhooks. It is safe for concurrent use.
type Reader struct{ secret string }

// NewReader makes a reader of webhooks that Stripe signs with secret.
func NewReader(secret string) (*Reader, error) {
	if secret == "" {
		return nil, errors.New("stripe: the webhook secret is empty")
	}
	return &Reader{secret}, nil
}

// Read verifies a webhook by its raw body and its signature header, and decodes its event. Errors: ErrForged, ErrStale,
// ErrMalformed.
func (r *Reader) Read(body []byte, signature string) (Event, error) {
	if len(body) > MaxBody {
		return Event{}, fmt.Errorf("%w: %d bytes", ErrMalformed, len(body))
	}
	switch err := webhook.ValidatePayloadWithTolerance(body, signature, r.secret, maxAge); {
	case errors.Is(err, webhook.ErrTooOld):
		return Event{}, ErrStale
	case err != nil:
		return Event{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	// Not stripe.Event, because the endpoint may have another API version than the library. The members that are decoded
	// here are the same in all versions.
	var e struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    struct {
			Object struct {
				ID            string            `json:"id"`
				Object        string            `json:"object"`
				PaymentIntent json.RawMessage   `json:"payment_intent"` // of charges, refunds and disputes
				Metadata      map[string]string `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.Object != "event" || e.ID == "" || e.Type == "" {
		return Event{}, fmt.Errorf("%w: it is a %q", ErrMalformed, e.Object)
	}
	object := e.Data.Object
	event := Event{ID: e.ID, Type: e.Type, OrderID: object.Metadata[intent.MetaOrder], At: intent.Time(e.Created)}
	if object.Object == "payment_intent" {
		event.AuthorisationID = object.ID
	} else {
		_ = json.Unmarshal(object.PaymentIntent, &event.AuthorisationID) // an id, null, or missing
	}
	return event, nil
}
