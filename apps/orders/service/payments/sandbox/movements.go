package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// Capture implements payment.Provider.
func (p *Provider) Capture(ctx context.Context, key, authorisationID string,
	amount money.Money) (payment.Movement, error) {
	return p.move(ctx, capture, key, authorisationID, amount, func(r *record) error {
		if err := r.authorisation("").Err(); err != nil {
			return err
		}
		if err := checkRest(amount, r.Amount, r.Captured); err != nil {
			return err
		}
		if r.Token == TokenSingleCapture && amount != r.Amount {
			return fmt.Errorf("%w: %s of %s", payment.ErrWholeOnly, amount, r.Amount)
		}
		r.Captured.Amount += amount.Amount
		if r.Captured == r.Amount {
			r.Status = payment.Captured
		}
		return nil
	})
}

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, key, authorisationID string,
	amount money.Money) (payment.Movement, error) {
	return p.move(ctx, refund, key, authorisationID, amount, func(r *record) error {
		if err := checkRest(amount, r.Captured, r.Refunded); err != nil {
			return err
		}
		r.Refunded.Amount += amount.Amount
		return nil
	})
}

// checkRest refuses an amount that is of another currency than whole, or greater than what used leaves of it.
func checkRest(amount, whole, used money.Money) error {
	left, err := whole.Sub(used)
	if err != nil {
		return err
	}
	if amount.Currency != left.Currency {
		return fmt.Errorf("%w: %s of an authorisation in %s", payment.ErrInvalid, amount, left.Currency)
	}
	if amount.Amount > left.Amount {
		return fmt.Errorf("%w: %s of %s", payment.ErrExceeds, amount, left)
	}
	return nil
}

// move records a movement once. addToSums refuses it, or adds it to the sums of the record.
func (p *Provider) move(ctx context.Context, kind, key, authorisationID string, amount money.Money,
	addToSums func(*record) error) (payment.Movement, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Movement{}, err
	}
	orderKey, ours := strings.CutPrefix(authorisationID, idPrefix)
	if !ours || payment.CheckKey(orderKey) != nil {
		return payment.Movement{}, fmt.Errorf("%w: %q", payment.ErrNotFound, authorisationID)
	}
	var m movement
	_, err := p.change(ctx, orderKey, func(r *record) (write bool, err error) {
		if r.Decider == "" {
			return false, fmt.Errorf("%w: %q", payment.ErrNotFound, authorisationID)
		}
		if i := slices.IndexFunc(r.Movements, func(m movement) bool { return m.Key == key }); i >= 0 {
			if m = r.Movements[i]; m.Kind != kind || m.Amount != amount {
				return false, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
			}
			return false, nil
		}
		if err := addToSums(r); err != nil {
			return false, err
		}
		m = movement{
			ID:   fmt.Sprintf("%s_%d", authorisationID, len(r.Movements)+1),
			Kind: kind, Key: key, Amount: amount, At: p.time(),
		}
		r.Movements = append(r.Movements, m)
		return true, nil
	})
	if err != nil {
		return payment.Movement{}, err
	}
	return payment.Movement{ID: m.ID, Key: m.Key, AuthorisationID: authorisationID, Amount: m.Amount}, nil
}
