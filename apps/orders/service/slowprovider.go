package service

import (
	"context"
	"fmt"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/faultflag"
	"haberdash/internal/money"
)

// slowProvider is a payment provider with the fault SlowPayment.
type slowProvider struct {
	payment.Provider
	faults *faultflag.Flags
}

// wait waits as long as a slow provider would. Its error is ErrNoAnswer, as that of every provider.
func (p slowProvider) wait(ctx context.Context) error {
	if err := p.faults.SlowDown(ctx, faultflag.SlowPayment); err != nil {
		return fmt.Errorf("%w: %w", payment.ErrNoAnswer, err)
	}
	return nil
}

// Authorise implements payment.Provider.
func (p slowProvider) Authorise(
	ctx context.Context, key string, amount money.Money, token string,
) (payment.Authorisation, error) {
	if err := p.wait(ctx); err != nil {
		return payment.Authorisation{}, err
	}
	return p.Provider.Authorise(ctx, key, amount, token)
}

// Capture implements payment.Provider.
func (p slowProvider) Capture(
	ctx context.Context, key, authorisationID string, amount money.Money,
) (payment.Movement, error) {
	if err := p.wait(ctx); err != nil {
		return payment.Movement{}, err
	}
	return p.Provider.Capture(ctx, key, authorisationID, amount)
}

// Void implements payment.Provider.
func (p slowProvider) Void(
	ctx context.Context, key string, amount money.Money, authorisationID string,
) (payment.Authorisation, error) {
	if err := p.wait(ctx); err != nil {
		return payment.Authorisation{}, err
	}
	return p.Provider.Void(ctx, key, amount, authorisationID)
}

// Refund implements payment.Provider.
func (p slowProvider) Refund(
	ctx context.Context, key, authorisationID string, amount money.Money,
) (payment.Movement, error) {
	if err := p.wait(ctx); err != nil {
		return payment.Movement{}, err
	}
	return p.Provider.Refund(ctx, key, authorisationID, amount)
}
