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

// stripeError finds Stripe's error in err; nil if there is none.
func stripeError(err error) *stripe.Error {
	var e *stripe.Error
	errors.As(err, &e)
	return e
}

// keyReused reports whether the idempotency key was used before with other parameters, or for another call.
func keyReused(e *stripe.Error) bool {
	return e.Type == stripe.ErrorTypeIdempotency && e.HTTPStatusCode == http.StatusBadRequest
}

// repeated reports whether Stripe has repeated the first answer, or error, of an idempotency key.
func repeated(r *stripe.APIResponse) bool {
	return r != nil && r.Header.Get("Idempotent-Replayed") == "true"
}

// errorRepeats reports whether Stripe will answer the idempotency key with an internal error for as long as it
// remembers the key.
func errorRepeats(e *stripe.Error) bool {
	return e.HTTPStatusCode >= http.StatusInternalServerError && repeated(e.LastResponse)
}

// portError is the port's error for an error that does not answer the request.
func portError(ctx context.Context, err error) error {
	e := stripeError(err)
	switch {
	case e == nil && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", payment.ErrNoAnswer, ctx.Err())
	case e == nil:
		return fmt.Errorf("%w: %s", payment.ErrProvider, connectionError(err))
	case e.HTTPStatusCode >= http.StatusInternalServerError,
		e.HTTPStatusCode == http.StatusTooManyRequests,
		e.HTTPStatusCode == http.StatusConflict,     // the first request with the key is still in progress
		e.HTTPStatusCode == http.StatusUnauthorized, // a wrong secret is an outage, not a mistake of the buyer
		e.HTTPStatusCode == http.StatusForbidden:
		return &refusal{payment.ErrProvider, e}
	}
	return &refusal{errors.New("stripe refused"), e}
}

// refusal keeps Stripe's error for errors.As. Its text is short, because the whole error has personal data.
type refusal struct {
	kind error
	e    *stripe.Error
}

// Error implements error.
func (r *refusal) Error() string {
	return fmt.Sprintf("%v: status %d, type %s, code %q, param %q, request %s",
		r.kind, r.e.HTTPStatusCode, r.e.Type, r.e.Code, r.e.Param, r.e.RequestID)
}

// Unwrap lets errors.Is find the kind and errors.As Stripe's error.
func (r *refusal) Unwrap() []error { return []error{r.kind, r.e} }

// connectionError is the text of a connection's error. Other errors may quote the answer, and are not repeated.
func connectionError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return "an answer that cannot be read"
}
