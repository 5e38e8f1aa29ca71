package service

import (
	"context"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// feedPage is how many events of the orders log are asked for at once.
const feedPage = 200

// exportCarts hands out the carts that were ordered: those alone can be found, in the orders log. They must not stay
// behind. A customer's cart has the same id anywhere, and orders has noted which version of it became an order: one
// that began anew would count from 1 and be refused as ordered already. Of others, whose ids only their guests know,
// nothing is left but what was in them.
//
// A cart is handed out once, with the last order that it remembers: its prices may change between two events.
func (s *Service) exportCarts(ctx context.Context, put func(sidecar.Item) error) error {
	fetch := consumer.FetchFrom(s.catalog)
	for from := uint64(1); ; {
		page, err := fetch(ctx, consumer.Log{Source: "orders", Partition: "orders"}, from, feedPage)
		if err != nil || len(page.Events) == 0 {
			return err
		}
		if err := s.exportOrdered(ctx, page.Events, put); err != nil {
			return err
		}
		from = page.Next
	}
}

func (s *Service) exportOrdered(ctx context.Context, events []contract.Event, put func(sidecar.Item) error) error {
	var facts []contract.OrderFact
	var ids []string
	for _, event := range events {
		if event.Type != contract.OrderConfirmed {
			continue
		}
		fact, err := contract.DecodeOrderFact(event)
		if err != nil {
			continue // it is parked, and concerns no cart
		}
		facts, ids = append(facts, fact), append(ids, fact.CartID)
	}
	carts, err := s.carts.loadMany(ctx, ids)
	if err != nil {
		return err
	}
	for _, fact := range facts {
		c, there := carts[fact.CartID]
		if there && c.ClaimedBy() != "" { // after its order; see takeOut
			own := ownID(c.ClaimedBy())
			claimed, err := s.carts.loadMany(ctx, []string{own})
			if err != nil {
				return err
			}
			c, there = claimed[own]
		}
		if !there || c.LastOrder() != fact.OrderID {
			continue
		}
		item, err := c.item()
		if err == nil {
			err = put(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
