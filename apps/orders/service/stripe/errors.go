package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
)

// refusal is Stripe's error, or nil if err is none of its.
func refusal(err error) *stripe.Error {
	var e *stripe.Error
	errors.As(err, &e)
	return e
}

// reused reports whether the idempotency key came before with other parameters, or for another call.
func reused(e *stripe.Error) bool {
	return e.Type == stripe.ErrorTypeIdempotency && e.HTTPStatusCode == http.StatusBadRequest
}

// remembered reports whether an answer, or an error, is the first one under its idempotency key again.
func remembered(r *stripe.APIResponse) bool {
	return r != nil && r.Header.Get("Idempotent-Replayed") == "true"
}

// stuck reports whether an idempotency key will answer with an internal error for as long as it lives.
func stuck(e *stripe.Error) bool {
	return e.HTTPStatusCode >= http.StatusInternalServerError && remembered(e.LastResponse)
}

// failed words an error that is no answer to what was asked.
func failed(ctx context.Context, err error) error {
	e := refusal(err)
	switch {
	case e == nil && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", payment.ErrNoAnswer, ctx.Err())
	case e == nil:
		return fmt.Errorf("%w: %s", payment.ErrProvider, transport(err))
	case e.HTTPStatusCode >= http.StatusInternalServerError,
		e.HTTPStatusCode == http.StatusTooManyRequests,
		e.HTTPStatusCode == http.StatusConflict,     // the key's first request is still under way
		e.HTTPStatusCode == http.StatusUnauthorized, // a wrong secret is an outage, not the buyer's fault
		e.HTTPStatusCode == http.StatusForbidden:
		return &refused{payment.ErrProvider, e}
	}
	return &refused{errors.New("stripe refused"), e}
}

// refused keeps Stripe's error for errors.As, and its text short: the whole has personal data.
type refused struct {
	kind error
	e    *stripe.Error
}

// Error implements error.
func (r *refused) Error() string {
	return fmt.Sprintf("%v: status %d, type %s, code %q, param %q, request %s",
		r.kind, r.e.HTTPStatusCode, r.e.Type, r.e.Code, r.e.Param, r.e.RequestID)
}

// Unwrap lets errors.Is find the kind and errors.As Stripe's error.
func (r *refused) Unwrap() []error { return []error{r.kind, r.e} }

// transport is what became of the connection. Other errors may quote the answer, and are not repeated.
func transport(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return "an answer that cannot be read"
}
