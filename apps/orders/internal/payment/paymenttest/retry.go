package paymenttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// open opens an adapter whose calls are repeated after ErrProvider.
func (a Account) open(t *testing.T) payment.Provider { return retrying{a.Open(t)} }

type retrying struct{ payment.Provider }

// retry repeats a call after ErrProvider, at most a hundred times.
func retry[T any](f func() (T, error)) (v T, err error) {
	for range 100 {
		if v, err = f(); !errors.Is(err, payment.ErrProvider) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return v, err
}

func (p retrying) Authorise(ctx context.Context, key string, amount money.Money,
	token string) (payment.Authorisation, error) {
	return retry(func() (payment.Authorisation, error) { return p.Provider.Authorise(ctx, key, amount, token) })
}

func (p retrying) Capture(ctx context.Context, key, authorisationID string,
	amount money.Money) (payment.Movement, error) {
	return retry(func() (payment.Movement, error) { return p.Provider.Capture(ctx, key, authorisationID, amount) })
}

func (p retrying) Void(ctx context.Context, key string, amount money.Money,
	authorisationID string) (payment.Authorisation, error) {
	return retry(func() (payment.Authorisation, error) { return p.Provider.Void(ctx, key, amount, authorisationID) })
}

func (p retrying) Refund(ctx context.Context, key, authorisationID string,
	amount money.Money) (payment.Movement, error) {
	return retry(func() (payment.Movement, error) { return p.Provider.Refund(ctx, key, authorisationID, amount) })
}
