// Package events applies events of other services to carts: a confirmed order removes its lines, and a deleted account
// closes its cart. It also exports the carts that were ordered, which it finds in the orders log.
package events

import (
	"context"
	"errors"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Events handles events, at least once each.
type Events struct {
	Consumer *consumer.Consumer

	carts storage.Carts
	fetch consumer.Fetch
}

// New makes Events. apps serves the feeds of orders and users, state stores the consumer's cursors.
func New(state sidecar.State, apps sidecar.Invoker, carts storage.Carts) *Events {
	e := &Events{carts: carts, fetch: consumer.FetchFrom(apps)}
	e.Consumer = consumer.New(consumer.Options{
		State: state, Fetch: e.fetch,
		Handlers: map[string]consumer.Handler{contract.OrderConfirmed: e.OrderConfirmed, contract.UserDeleted: e.UserDeleted},
		Batches:  map[string]consumer.BatchHandler{contract.OrderConfirmed: e.OrdersConfirmed},
	})
	return e
}

// OrderConfirmed removes a confirmed order from the cart that it was placed from. A second delivery changes nothing.
func (e *Events) OrderConfirmed(ctx context.Context, event contract.Event) error {
	order, err := contract.DecodeOrderFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	err = sidecar.RetryConflicts(func() error { return e.removeOrder(ctx, order) })
	failpoint.Reach(afterOrderRemoved)
	switch {
	case fault.Is(err, "not-found"): // a guest's cart expires
		return nil
	case errors.Is(err, sidecar.ErrCorrupt):
		return consumer.Permanent(err)
	}
	return err
}

// removeOrder removes an order from its cart. A cart that was claimed after the order was merged into the customer's
// cart, whose versions are its own: only the ordered quantities are removed from that one.
func (e *Events) removeOrder(ctx context.Context, order contract.OrderFact) error {
	c, err := e.carts.Load(ctx, order.CartID)
	if err != nil {
		return err
	}
	version := order.CartVersion
	if id, merged := mergedInto(c); merged {
		if c, err = e.carts.Load(ctx, id); err != nil {
			return err
		}
		version = 0
	}
	c.RemoveOrdered(order.OrderID, version, quantities(order))
	return e.carts.Save(ctx, c)
}

// mergedInto returns the id of the customer's cart that a claimed cart was merged into.
func mergedInto(c storage.Cart) (id string, merged bool) {
	if c.ClaimedBy() == "" {
		return "", false
	}
	return storage.CustomerCartID(c.ClaimedBy()), true
}

func quantities(order contract.OrderFact) []cart.Quantity {
	list := make([]cart.Quantity, len(order.Lines))
	for i, l := range order.Lines {
		list[i] = cart.Quantity{SKU: l.SKU, Quantity: l.Quantity}
	}
	return list
}

// errOneByOne makes the consumer handle the events of a batch one by one with OrderConfirmed.
var errOneByOne = errors.New("the batch has a cart that was claimed, or two orders of one cart")

// OrdersConfirmed is OrderConfirmed for several orders of different carts. It calls the store twice in all.
func (e *Events) OrdersConfirmed(ctx context.Context, events []contract.Event) error {
	orders, ids := map[string]contract.OrderFact{}, []string{}
	for _, event := range events {
		order, err := contract.DecodeOrderFact(event)
		if err != nil {
			return err
		}
		if _, twice := orders[order.CartID]; twice {
			return errOneByOne
		}
		orders[order.CartID], ids = order, append(ids, order.CartID)
	}
	carts, err := e.carts.LoadMany(ctx, ids)
	if err != nil {
		return err
	}
	for id, c := range carts {
		if _, merged := mergedInto(c); merged {
			return errOneByOne
		}
		c.RemoveOrdered(orders[id].OrderID, orders[id].CartVersion, quantities(orders[id]))
	}
	err = e.carts.SaveMany(ctx, carts)
	failpoint.Reach(afterOrderRemoved)
	return err
}

// UserDeleted closes the cart of a deleted account and discards its dead letters. A guest's cart that the customer
// claimed is merged into their cart; if a crash interrupted the merge, the guest's cart expires.
func (e *Events) UserDeleted(ctx context.Context, event contract.Event) error {
	user, err := contract.DecodeUserFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	if err := e.carts.Close(ctx, user.UserID); err != nil {
		return err
	}
	return e.Consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, user.UserID) })
}
