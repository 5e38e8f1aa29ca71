package webhook

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// Mount serves the route of Stripe's webhooks. handle is called with each genuine event; after an error Stripe delivers
// the event again.
func Mount(api huma.API, reader *Reader, handle func(context.Context, Event) error) {
	operation := huma.Operation{OperationID: "stripe-webhook", Method: http.MethodPost,
		Path: "/api/v1/payments/stripe/webhook", Tags: []string{"Payments"}, Summary: "Receive an event from Stripe",
		MaxBodyBytes: MaxBody, SkipValidateBody: true}
	httpx.Register(api, operation, func(ctx context.Context, in *webhookInput) (*webhookOutput, error) {
		event, err := reader.Read(in.RawBody, in.Signature)
		if err != nil {
			return nil, refusal(err)
		}
		if err := handle(ctx, event); err != nil {
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

func refusal(err error) error {
	if errors.Is(err, ErrMalformed) {
		return fault.New(fault.Malformed, "malformed-request", "The body is not an event of Stripe.").
			WithField("body", "is not an event of Stripe").Because(err)
	}
	return fault.New(fault.Malformed, "invalid-signature", "The signature is invalid or too old.").
		WithField("header."+SignatureHeader, "is invalid or too old").Because(err)
}
