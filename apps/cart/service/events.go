package service

import (
	"context"
	"errors"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// ordered: a confirmed order leaves the cart it was placed from. Told again, it finds that it has left.
func (s *Service) ordered(ctx context.Context, event contract.Event) error {
	fact, err := contract.DecodeOrderFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	_, err = again(func() (struct{}, error) { return struct{}{}, s.takeOut(ctx, fact.CartID, fact.CartVersion, fact) })
	failpoint.Reach(afterTakeOut)
	switch {
	case err == nil, fault.Is(err, "not-found"): // a guest's cart may have expired
		return nil
	case fault.Of(err).Kind == fault.Unavailable:
		return err
	}
	return consumer.Permanent(err)
}

// errNotPlain says that an order's cart is a case for ordered.
var errNotPlain = errors.New("a cart that was claimed, or ordered twice")

// orderedTogether is ordered for many: two calls of the store instead of two for each.
func (s *Service) orderedTogether(ctx context.Context, events []contract.Event) error {
	facts, ids := map[string]contract.OrderFact{}, []string{}
	for _, event := range events {
		fact, err := contract.DecodeOrderFact(event)
		if err != nil {
			return err
		}
		if _, twice := facts[fact.CartID]; twice {
			return errNotPlain
		}
		facts[fact.CartID], ids = fact, append(ids, fact.CartID)
	}
	carts, err := s.carts.loadMany(ctx, ids)
	if err != nil {
		return err
	}
	var items []sidecar.Item
	for id, c := range carts {
		if user := c.ClaimedBy(); user != "" && id != ownID(user) {
			return errNotPlain
		}
		ordered(c, facts[id].CartVersion, facts[id])
		if !c.Changed() {
			continue
		}
		item, err := c.item()
		if err != nil {
			return err
		}
		items = append(items, item)
	}
	err = s.carts.state.PutManyIf(ctx, items)
	failpoint.Reach(afterTakeOut)
	return err
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
	ordered(c, version, fact)
	return s.carts.save(ctx, c)
}

func ordered(c stored, version int64, fact contract.OrderFact) {
	lines := make([]cart.Quantity, len(fact.Lines))
	for i, l := range fact.Lines {
		lines[i] = cart.Quantity{SKU: l.SKU, Quantity: l.Quantity}
	}
	c.Ordered(fact.OrderID, version, lines)
}

// deleted: of a customer who is no more nothing is kept. A guest's cart that they claimed is in theirs; one whose
// merging a crash interrupted expires.
func (s *Service) deleted(ctx context.Context, event contract.Event) error {
	fact, err := contract.DecodeUserFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	if _, err := again(func() (struct{}, error) { return struct{}{}, s.carts.close(ctx, fact.UserID) }); err != nil {
		return err
	}
	return s.consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, fact.UserID) })
}
