package service

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/stripe"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
)

// Notifier is a payment provider that tells of what happens on its side.
type Notifier interface {
	ReadEvent(body []byte, signature string) (stripe.Event, error)
	// Look gives an authorisation's present state.
	Look(ctx context.Context, authorisationID string) (payment.Authorisation, error)
}

// MountWebhooks takes the provider's webhooks.
func (s *Service) MountWebhooks(api huma.API, from Notifier) {
	httpx.Register(api, huma.Operation{OperationID: "stripe-webhook", Method: http.MethodPost, Path: "/api/v1/payments/stripe/webhook",
		Tags: []string{"Payments"}, Summary: "Hear of a payment from Stripe", MaxBodyBytes: stripe.MaxEvent, SkipValidateBody: true},
		func(ctx context.Context, in *webhookInput) (*webhookOutput, error) {
			e, err := from.ReadEvent(in.RawBody, in.Signature)
			switch {
			case errors.Is(err, stripe.ErrMalformed):
				return nil, fault.New(fault.Malformed, "malformed-request", "This is no event.").WithField("body", "is not an event").Because(err)
			case err != nil:
				return nil, fault.New(fault.Malformed, "invalid-signature", "The signature does not fit, or is too old.").
					WithField("header."+stripe.SignatureHeader, "does not fit").Because(err)
			}
			if err := s.hear(ctx, from, e); err != nil {
				return nil, err
			}
			out := &webhookOutput{}
			out.Body.Received = true
			return out, nil
		})
}

type webhookInput struct {
	Signature string `header:"Stripe-Signature" maxLength:"4096"`
	RawBody   []byte `contentType:"application/json"`
}

type webhookOutput struct {
	Body struct {
		Received bool `json:"received"`
	}
}

// hear looks at the order that an event is about. The event itself is believed nothing: it may be old, or come
// again, or after others; what has become of the authorisation the provider is asked.
func (s *Service) hear(ctx context.Context, from Notifier, e stripe.Event) error {
	if e.Key == "" {
		return nil
	}
	o, _, err := s.Book.Get(ctx, e.Key)
	switch {
	case fault.Is(err, "not-found"): // somebody else's, on the same account
		return nil
	case err != nil:
		return err
	case o.Status == order.Placing:
		return s.live(ctx, o.OrderID)
	case !o.Unshipped() || o.Duties().Any() || e.AuthorisationID != o.Payment.Authorisation:
		return nil
	}
	auth, err := from.Look(ctx, e.AuthorisationID)
	if err != nil {
		return fault.New(fault.Unavailable, "unavailable", "The payment provider does not answer just now.").Because(err)
	}
	if auth.Status != payment.Voided {
		return nil
	}
	o, version, err := s.Book.End(ctx, o.OrderID, "authorization-expired")
	if err != nil {
		return err
	}
	telemetry.Log(ctx).Info().Str("order", o.OrderID).Msg("the provider has ended the authorisation")
	_, _, err = s.settle(ctx, o, version)
	promised(ctx, o, err)
	return nil
}
