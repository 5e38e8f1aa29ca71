package service

import (
	"context"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// claim merges a guest's cart into the caller's, in three steps that can each be repeated: the guest's cart is marked
// as claimed, so that nobody changes it any more; its contents are merged, once; it is cleared.
func (s *Service) claim(ctx context.Context, in *CartPath) (*cartOutput, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	var guest storage.Cart
	err = sidecar.RetryConflicts(func() (err error) {
		guest, err = s.markClaimed(ctx, in.ID, caller.UserID)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out *cartOutput
	err = sidecar.RetryConflicts(func() (err error) {
		out, err = s.mergeClaimed(ctx, guest, caller.UserID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.clearClaimed(ctx, in.ID, caller.UserID); err != nil && !fault.Is(err, "not-found") {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot clear a merged cart, it stays until it expires")
	}
	return out, nil
}

// markClaimed marks a guest's cart as claimed. It leaves the customer's own cart as it is.
func (s *Service) markClaimed(ctx context.Context, id, user string) (storage.Cart, error) {
	guest, err := s.carts.Load(ctx, id)
	if err != nil || id == storage.CustomerCartID(user) {
		return guest, err
	}
	// For everybody else the cart does not exist, whatever else is wrong with the request.
	if err := guest.CheckClaim(user); err != nil {
		return guest, err
	}
	if guest.ClaimedBy() == "" {
		own, err := s.carts.LoadCustomerCart(ctx, user, guest.Snapshot().Currency)
		if err != nil {
			return guest, err
		}
		if err := own.CheckMerge(guest.Cart); err != nil {
			return guest, err
		}
	}
	if err := guest.Claim(user); err != nil {
		return guest, err
	}
	return guest, s.carts.Save(ctx, guest)
}

func (s *Service) mergeClaimed(ctx context.Context, guest storage.Cart, user string) (*cartOutput, error) {
	own, err := s.carts.LoadCustomerCart(ctx, user, guest.Snapshot().Currency)
	if err != nil {
		return nil, err
	}
	if guest.ID == own.ID {
		return s.refreshAndSave(ctx, own)
	}
	warnings, err := own.Merge(guest.Hash(), guest.Cart, s.quotes.Rules.Compatible)
	if err != nil {
		return nil, err
	}
	offers, err := s.quotes.Offers(ctx, own.SKUs())
	if err != nil {
		return nil, err
	}
	return s.save(ctx, own, offers, append(warnings, priceWarnings(own.Refresh(offers))...))
}

func (s *Service) clearClaimed(ctx context.Context, id, user string) error {
	guest, err := s.carts.Load(ctx, id)
	if err != nil || guest.ClaimedBy() != user {
		return err
	}
	guest.Clear()
	return s.carts.Save(ctx, guest)
}
