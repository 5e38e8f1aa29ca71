package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stripe/stripe-go/v86/webhook"
)

// Event is what a webhook tells. Stripe delivers an event at least once, late, and in any order: it is a
// reason to look at the authorisation, and no more.
type Event struct {
	ID              string // the same in every delivery
	Type            string // such as payment_intent.canceled
	Key             string // the order's; empty if the event is about none of ours
	AuthorisationID string // empty if the event is about no payment
	At              time.Time
}

// SignatureHeader is the header with a webhook's signature.
const SignatureHeader = "Stripe-Signature"

// MaxEvent is how large a webhook's body may be. Stripe's are a few kilobytes.
const MaxEvent = 256 << 10

// tolerance is how old a signature may be: what a recorded webhook can be replayed within.
const tolerance = 5 * time.Minute

// Errors of ReadEvent; compare with errors.Is. All are the sender's fault.
var (
	ErrForged    = errors.New("stripe: the webhook is not signed with our secret")
	ErrStale     = errors.New("stripe: the webhook's signature is too old")
	ErrMalformed = errors.New("stripe: the webhook is no event")
)

// ReadEvent verifies a webhook, from its raw body and its Stripe-Signature header, and gives the event.
//
// Errors: ErrForged, ErrStale, ErrMalformed.
func (p *Provider) ReadEvent(body []byte, signature string) (Event, error) {
	if len(body) > MaxEvent {
		return Event{}, fmt.Errorf("%w: %d bytes", ErrMalformed, len(body))
	}
	switch err := webhook.ValidatePayloadWithTolerance(body, signature, p.webhookSecret, tolerance); {
	case errors.Is(err, webhook.ErrTooOld):
		return Event{}, ErrStale
	case err != nil:
		return Event{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	// Not stripe.Event: the endpoint may have another API version than the library, and of the objects we
	// read what all versions have.
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
	about := e.Data.Object
	event := Event{ID: e.ID, Type: e.Type, Key: about.Metadata[metaOrder], At: at(e.Created)}
	if about.Object == "payment_intent" {
		event.AuthorisationID = about.ID
	} else {
		_ = json.Unmarshal(about.PaymentIntent, &event.AuthorisationID) // an id, null, or missing
	}
	return event, nil
}
