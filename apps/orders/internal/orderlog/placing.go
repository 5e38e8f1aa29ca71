package orderlog

import (
	"context"
	"fmt"
	"strconv"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// firstNumber is where order numbers start.
const firstNumber = 10_000

// PlacementAggregates names the aggregates that Place looks at. A caller may read them before, together with other keys
// of the store (commitlog.Partition.Preload).
func PlacementAggregates(orderID, cartID, customer string) []string {
	ids := []string{order.AggregateID(orderID), order.CartAggregateID(cartID)}
	return append(ids, placementLists(customer)...)
}

func placementLists(customer string) []string {
	lists := []string{readmodel.AllOrders.Aggregate(), readmodel.StatusList(order.Placing).Aggregate()}
	if customer != "" {
		lists = append(lists, readmodel.CustomerList(customer).Aggregate())
	}
	return lists
}

// Place records the intent to buy, before anything is reserved or charged. created is false when the order exists
// already (rule 1). Problems: idempotency-key-reused (422), if that order was placed with another fingerprint;
// cart-changed (409), if this version of the cart became another order (rule 12).
func (r *Repository) Place(ctx context.Context, fact contract.OrderFact,
	request order.Request) (o order.Order, version uint64, created bool, err error) {
	id, cart := order.AggregateID(fact.OrderID), order.CartAggregateID(fact.CartID)
	_, err = r.log.Do(ctx, PlacementAggregates(fact.OrderID, fact.CartID, fact.Customer), func(tx *transaction) error {
		created = false
		if s, seq := tx.State(id); s.Order != nil {
			o, version = *s.Order, seq
			return o.PlacedWith(request.Fingerprint)
		}
		if s, _ := tx.State(cart); s.Cart != nil && s.Cart.Order != "" && s.Cart.Version >= fact.CartVersion {
			return fault.New(fault.Conflict, "cart-changed", "This cart has been ordered already. Look at the cart again.")
		}
		_, n := tx.State(readmodel.AllOrders.Aggregate())
		fact.Number = "H" + strconv.FormatUint(firstNumber+n+1, 10)
		tx.Emit(id, contract.OrderPlaced, fact)
		tx.EmitInternal(id, order.EventPaymentRequested, request)
		tx.EmitInternal(cart, order.EventCartTaken, order.CartUse{Version: fact.CartVersion, Order: fact.OrderID})
		for _, list := range placementLists(fact.Customer) {
			tx.EmitInternal(list, order.EventListed, readmodel.Entry{Order: fact.OrderID})
		}
		s, seq := tx.State(id)
		o, version, created = *s.Order, seq, true
		return nil
	})
	return o, version, created, err
}

// Confirm decides for the order (rules 2 and 3). Problem: invalid-transition (409), also when its rejection has begun.
func (r *Repository) Confirm(ctx context.Context, id, authorisation string,
	amount money.Money) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		switch {
		case o.Status == order.Rejected, o.Status == order.Cancelled, o.Rejection != nil:
			return invalidTransition(o)
		case o.Status != order.Placing:
			return nil
		case amount != o.Total:
			return fmt.Errorf("order %s: authorised %s for a total of %s", id, amount, o.Total)
		}
		tx.EmitInternal(order.AggregateID(id), order.EventPaymentAuthorized,
			order.MoneyMoved{OrderID: id, Ref: authorisation, Amount: amount})
		tx.Emit(order.AggregateID(id), contract.OrderConfirmed, o.OrderFact)
		return nil
	})
}

// BeginRejection records that an undecided order will be rejected. From then on it cannot be confirmed, so its money
// and its stock can be freed. An order that is decided stays as it is, without an error; the first reason stands.
func (r *Repository) BeginRejection(ctx context.Context, id string, why order.Rejection) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		if o.Status == order.Placing && o.Rejection == nil {
			why.OrderID = id
			tx.EmitInternal(order.AggregateID(id), order.EventRejectionBegun, why)
		}
		return nil
	})
}

// Reject decides against the order (rule 2), and its cart can be ordered again. Nothing of the order may be left
// before: no authorised money, and no attempt in progress that could still authorise some. Where there may be one,
// call BeginRejection first. Problem: invalid-transition (409).
func (r *Repository) Reject(ctx context.Context, o order.Order, why order.Rejection) (order.Order, uint64, error) {
	cart := order.CartAggregateID(o.CartID)
	return r.change(ctx, o.OrderID, []string{cart}, func(tx *transaction, o order.Order) error {
		switch o.Status {
		case order.Rejected:
			return nil
		case order.Placing:
		default:
			return invalidTransition(o)
		}
		why.OrderID = o.OrderID
		tx.Emit(order.AggregateID(o.OrderID), contract.OrderRejected, why)
		if s, _ := tx.State(cart); s.Cart != nil && s.Cart.Order == o.OrderID {
			tx.EmitInternal(cart, order.EventCartFreed, order.CartUse{Version: s.Cart.Version})
		}
		return nil
	})
}
