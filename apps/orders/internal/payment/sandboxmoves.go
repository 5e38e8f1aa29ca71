package payment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"haberdash/internal/money"
)

// Capture implements Provider.
func (s *Sandbox) Capture(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error) {
	return s.move(ctx, capture, key, authorisationID, amount, func(r *record) error {
		if err := r.authorisation("").Err(); err != nil {
			return err
		}
		if err := fits(amount, r.Amount, r.Captured); err != nil {
			return err
		}
		if r.Token == TokenSingleCapture && amount != r.Amount {
			return fmt.Errorf("%w: %s of %s", ErrWholeOnly, amount, r.Amount)
		}
		r.Captured.Amount += amount.Amount
		if r.Captured == r.Amount {
			r.Status = Captured
		}
		return nil
	})
}

// Refund implements Provider.
func (s *Sandbox) Refund(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error) {
	return s.move(ctx, refund, key, authorisationID, amount, func(r *record) error {
		if err := fits(amount, r.Captured, r.Refunded); err != nil {
			return err
		}
		r.Refunded.Amount += amount.Amount
		return nil
	})
}

// fits checks that amount is of the currency of whole, and no more than used leaves of it.
func fits(amount, whole, used money.Money) error {
	left, err := whole.Sub(used)
	if err != nil {
		return err
	}
	if amount.Currency != left.Currency {
		return fmt.Errorf("%w: %s of an authorisation in %s", ErrInvalid, amount, left.Currency)
	}
	if amount.Amount > left.Amount {
		return fmt.Errorf("%w: %s of %s", ErrExceeds, amount, left)
	}
	return nil
}

// move records a movement once; book decides it and adds it to the sums.
func (s *Sandbox) move(ctx context.Context, kind, key, authorisationID string, amount money.Money, book func(*record) error) (Movement, error) {
	if err := errors.Join(CheckKey(key), CheckAmount(amount)); err != nil {
		return Movement{}, err
	}
	order, ours := strings.CutPrefix(authorisationID, idPrefix)
	if !ours || CheckKey(order) != nil {
		return Movement{}, fmt.Errorf("%w: %q", ErrNotFound, authorisationID)
	}
	var m movement
	_, err := s.change(ctx, order, read, func(r *record) (bool, error) {
		if r.Decider == "" {
			return false, fmt.Errorf("%w: %q", ErrNotFound, authorisationID)
		}
		if i := slices.IndexFunc(r.Movements, func(m movement) bool { return m.Key == key }); i >= 0 {
			if m = r.Movements[i]; m.Kind != kind || m.Amount != amount {
				return false, fmt.Errorf("%w: %s", ErrKeyReused, key)
			}
			return false, nil
		}
		if err := book(r); err != nil {
			return false, err
		}
		m = movement{
			ID:   fmt.Sprintf("%s_%d", authorisationID, len(r.Movements)+1),
			Kind: kind, Key: key, Amount: amount, At: s.time(),
		}
		r.Movements = append(r.Movements, m)
		return true, nil
	})
	if err != nil {
		return Movement{}, err
	}
	return Movement{ID: m.ID, Key: m.Key, AuthorisationID: authorisationID, Amount: m.Amount}, nil
}
