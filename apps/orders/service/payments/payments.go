// Package payments moves the money of orders through a payment provider. It repeats a call that fails, until the
// provider answers or the time for a request is over. The adapters of the port are below it: sandbox and stripe.
package payments

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/sidecar"
)

// Exporter is a provider that stores its records in the store of this service. Without them, the payments of an
// imported order could not be captured or refunded. A provider that keeps its records
// itself does not implement it.
type Exporter interface {
	// Export passes the records of orders to put. An order without a record is left out.
	Export(ctx context.Context, orderIDs []string, put func(sidecar.Item) error) error
}

// Client moves the money of orders. Its errors are those of payment.Provider. It is safe for concurrent use.
type Client struct {
	provider payment.Provider
	timeout  time.Duration
}

// NewClient makes a client that waits at most timeout for the provider's answer.
func NewClient(provider payment.Provider, timeout time.Duration) *Client {
	return &Client{provider, timeout}
}

// Authorise reserves the order's total. An order that costs nothing needs no provider.
func (c *Client) Authorise(ctx context.Context, o order.Order) (a payment.Authorisation, err error) {
	if o.Total.Amount == 0 {
		return payment.Authorisation{ID: "free", Amount: o.Total, Status: payment.Authorised}, nil
	}
	err = c.repeat(ctx, func(ctx context.Context) error {
		a, err = c.provider.Authorise(ctx, o.OrderID, o.Total, o.Request.Token)
		return err
	})
	return a, err
}

// Void releases what is authorised and not captured of the order, and returns what is left.
func (c *Client) Void(ctx context.Context, o order.Order) (left payment.Authorisation, err error) {
	err = c.repeat(ctx, func(ctx context.Context) error {
		left, err = c.provider.Void(ctx, o.OrderID, o.Total, o.Payment.Authorisation)
		return err
	})
	return left, err
}

// Capture captures a fulfilment's share.
func (c *Client) Capture(ctx context.Context, o order.Order, f order.Fulfilment) (m payment.Movement, err error) {
	err = c.repeat(ctx, func(ctx context.Context) error {
		m, err = c.provider.Capture(ctx, o.OrderID+"/"+f.ID, o.Payment.Authorisation, o.Money(f.Amount()))
		return err
	})
	return m, err
}

// Refund gives an amount back, for the return or refund with the id.
func (c *Client) Refund(ctx context.Context, o order.Order, id string, amount int64) (m payment.Movement, err error) {
	err = c.repeat(ctx, func(ctx context.Context) error {
		m, err = c.provider.Refund(ctx, o.OrderID+"/"+id, o.Payment.Authorisation, o.Money(amount))
		return err
	})
	return m, err
}

// firstPause is the pause after the first failed attempt. It doubles with each attempt.
const firstPause = 100 * time.Millisecond

// repeat repeats a call that failed, until the timeout.
func (c *Client) repeat(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		err := call(ctx)
		if !errors.Is(err, payment.ErrProvider) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// NoAnswer reports whether the provider failed or did not answer. The outcome is unknown then.
func NoAnswer(err error) bool {
	return errors.Is(err, payment.ErrNoAnswer) || errors.Is(err, payment.ErrProvider)
}

// RefusalCode is the code of a provider's final refusal; empty for success and for an error after which the call can be
// repeated.
func RefusalCode(err error) string {
	var declined *payment.Declined
	switch {
	case errors.As(err, &declined):
		return declined.Code
	case errors.Is(err, payment.ErrVoided):
		return "authorization_ended"
	case errors.Is(err, payment.ErrExceeds):
		return "amount_exceeds_authorization"
	case errors.Is(err, payment.ErrWholeOnly):
		return "partial_capture_unsupported"
	}
	return ""
}
