package service

import (
	"context"
	"encoding/json"
	"errors"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
)

// ordered: a confirmed order leaves the cart it was placed from. Told again, it finds that it has left.
func (s *Service) ordered(ctx context.Context, event contract.Event) error {
	var fact contract.OrderFact
	if err := json.Unmarshal(event.Data, &fact); err != nil || fact.OrderID == "" {
		return commitlog.Poison(errors.New("the order is not understood"))
	}
	_, err := again(func() (struct{}, error) { return struct{}{}, s.takeOut(ctx, fact.CartID, fact.CartVersion, fact) })
	failpoint.Reach(afterTakeOut)
	switch {
	case err == nil, fault.Is(err, "not-found"): // a guest's cart may have expired
		return nil
	case fault.Of(err).Kind == fault.Unavailable:
		return err
	}
	return commitlog.Poison(err)
}

// takeOut follows a cart that was claimed after its order to the cart that it was merged into, whose
// versions are its own: there only the ordered quantities leave.
func (s *Service) takeOut(ctx context.Context, id string, version int64, fact contract.OrderFact) error {
	c, err := s.carts.load(ctx, id)
	if err != nil {
		return err
	}
	if user := c.ClaimedBy(); user != "" && id != ownID(user) {
		return s.takeOut(ctx, ownID(user), 0, fact)
	}
	lines := make([]cart.Quantity, len(fact.Lines))
	for i, l := range fact.Lines {
		lines[i] = cart.Quantity{SKU: l.SKU, Quantity: l.Quantity}
	}
	c.Ordered(fact.OrderID, version, lines)
	return s.carts.save(ctx, c)
}
