package events

import (
	"context"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// feedPage is how many events of the orders log one request reads.
const feedPage = 200

// Export passes the carts that were ordered to put. Only their ids are known to the service, from the orders log; the
// ids of other guests' carts are known only to their guests.
//
// An export must contain them because orders has stored which version of a cart became an order. A customer's cart has
// the same id in every installation: without the export it would start at version 1 again, and orders would refuse that
// version as already ordered.
//
// A cart is written once, at the latest order that it remembers, because its prices may change between two events.
func (e *Events) Export(ctx context.Context, put func(sidecar.Item) error) error {
	for from := uint64(1); ; {
		page, err := e.fetch(ctx, consumer.Log{Source: "orders", Partition: "orders"}, from, feedPage)
		if err != nil || len(page.Events) == 0 {
			return err
		}
		if err := e.exportOrdered(ctx, page.Events, put); err != nil {
			return err
		}
		from = page.Next
	}
}

func (e *Events) exportOrdered(ctx context.Context, events []contract.Event, put func(sidecar.Item) error) error {
	var orders []contract.OrderFact
	var ids []string
	for _, event := range events {
		if event.Type != contract.OrderConfirmed {
			continue
		}
		order, err := contract.DecodeOrderFact(event)
		if err != nil {
			continue // it is a dead letter, and names no cart
		}
		orders, ids = append(orders, order), append(ids, order.CartID)
	}
	carts, err := e.carts.LoadMany(ctx, ids)
	if err != nil {
		return err
	}
	for _, order := range orders {
		c, found := carts[order.CartID]
		if found {
			if c, found, err = e.currentCart(ctx, c); err != nil {
				return err
			}
		}
		if !found || c.LastOrder() != order.OrderID {
			continue
		}
		item, err := c.Item()
		if err == nil {
			err = put(item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// currentCart returns the cart itself or, if it was claimed, the cart that it was merged into.
func (e *Events) currentCart(ctx context.Context, c storage.Cart) (current storage.Cart, found bool, err error) {
	id, merged := mergedInto(c)
	if !merged {
		return c, true, nil
	}
	carts, err := e.carts.LoadMany(ctx, []string{id})
	if err != nil {
		return storage.Cart{}, false, err
	}
	current, found = carts[id]
	return current, found, nil
}
