package order

import (
	"context"
	"fmt"
	"strconv"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// firstNumber is where order numbers start.
const firstNumber = 10_000

// named are the aggregates that a placement names.
func named(id, cart, customer string) (ids []string) {
	ids = []string{orderID(id), cartID(cart), listAll, listOfStatus(Placing)}
	if customer != "" {
		ids = append(ids, listOfCustomer(customer))
	}
	return ids
}

// Expect reads what Place will ask for, and further keys of the same store in the same call.
func (b *Book) Expect(ctx context.Context, id, cart, customer string, also ...string) (map[string]sidecar.Item, error) {
	return b.log.Preload(ctx, named(id, cart, customer), also...)
}

// Place records the intent, before anything is reserved or charged. created is false when the order was
// there already (rule 1); a request with another fingerprint is idempotency-key-reused (422). A cart that
// became another order in this version is cart-changed (409, rule 12).
func (b *Book) Place(ctx context.Context, fact contract.OrderFact, r Request) (o Order, version uint64, created bool, err error) {
	id, cart := orderID(fact.OrderID), cartID(fact.CartID)
	all := named(fact.OrderID, fact.CartID, fact.Customer)
	lists := all[2:]
	_, err = b.log.Do(ctx, all, func(tx *commitlog.Tx[State]) error {
		created = false
		if s, seq := tx.State(id); s.Order != nil {
			o, version = *s.Order, seq
			return o.Matches(r.Fingerprint)
		}
		if s, _ := tx.State(cart); s.Taken != nil && s.Taken.Order != "" && s.Taken.Version >= fact.CartVersion {
			return fault.New(fault.Conflict, "cart-changed", "This cart has been ordered already. Look at the cart again.")
		}
		_, n := tx.State(listAll)
		fact.Number = "H" + strconv.FormatUint(firstNumber+n+1, 10)
		tx.Emit(id, contract.OrderPlaced, fact)
		tx.Note(id, paymentRequested, r)
		tx.Note(cart, cartTaken, Taking{fact.CartVersion, fact.OrderID})
		for _, list := range lists {
			tx.Note(list, listed, Entry{fact.OrderID})
		}
		s, seq := tx.State(id)
		o, version, created = *s.Order, seq, true
		return nil
	})
	return o, version, created, err
}

// Matches refuses a request that is not the one the order was placed with.
func (o Order) Matches(fingerprint string) error {
	if o.Request.Fingerprint == fingerprint {
		return nil
	}
	return KeyReused()
}

// KeyReused refuses another request under an idempotency key (422).
func KeyReused() error {
	return fault.New(fault.Invalid, "idempotency-key-reused", "This Idempotency-Key was used for another request.").
		WithField("header.Idempotency-Key", "was used with another body")
}

// Confirm decides for the order (rules 2 and 3).
func (b *Book) Confirm(ctx context.Context, id, authorisation string, amount money.Money) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		switch {
		case o.Status == Rejected, o.Status == Cancelled, o.Rejection != nil:
			return invalid(o)
		case o.Status != Placing:
			return nil
		case amount != o.Total:
			return fmt.Errorf("order %s: authorised %s for a total of %s", id, amount, o.Total)
		}
		tx.Note(orderID(id), paymentAuthorized, moneyData{OrderID: id, Ref: authorisation, Amount: amount})
		tx.Emit(orderID(id), contract.OrderConfirmed, o.OrderFact)
		return nil
	})
}

// GiveUp records that an undecided order is going to be rejected: from here on nobody confirms it, so its
// money and its goods can be given back. An order that is decided already stays as it is, without error;
// the first reason stands.
func (b *Book) GiveUp(ctx context.Context, id string, why Rejection) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		if o.Status == Placing && o.Rejection == nil {
			why.OrderID = id
			tx.Note(orderID(id), givenUp, why)
		}
		return nil
	})
}

// Reject decides against the order (rule 2) and gives its cart free. Before it is called, nothing of the
// order must be left: no authorised money and no way that an attempt under way could still authorise some. Where
// there may be some, GiveUp comes first.
func (b *Book) Reject(ctx context.Context, o Order, why Rejection) (Order, uint64, error) {
	cart := cartID(o.CartID)
	return b.change(ctx, o.OrderID, []string{cart}, func(tx *commitlog.Tx[State], o Order) error {
		switch o.Status {
		case Rejected:
			return nil
		case Placing:
		default:
			return invalid(o)
		}
		why.OrderID = o.OrderID
		tx.Emit(orderID(o.OrderID), contract.OrderRejected, why)
		if s, _ := tx.State(cart); s.Taken != nil && s.Taken.Order == o.OrderID {
			tx.Note(cart, cartFreed, Taking{Version: s.Taken.Version})
		}
		return nil
	})
}

// Cancel ends a confirmed order (rule 4), for a reason that whoever asked may have given. What it holds is to be freed
// next: see Settled.
func (b *Book) Cancel(ctx context.Context, id string, why Sealed) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		switch {
		case o.Status == Cancelled:
			return nil
		case o.Status != Confirmed, len(o.fulfilled(Fulfilment.live)) > 0:
			return invalid(o)
		}
		tx.Emit(orderID(id), contract.OrderCancelled, ended{OrderID: id, Why: why})
		return nil
	})
}

// End ends what is not shipped of an order whose authorisation has ended (rule 11): it cancels the order, or
// its rest.
func (b *Book) End(ctx context.Context, id, reason string) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		sent := o.fulfilled(Fulfilment.sent).quantity()
		switch {
		case o.Status == Cancelled, o.RestEnded, sent == o.whole():
			return nil
		case o.Status != Confirmed && o.Status != PartiallyFulfilled, len(o.fulfilled(Fulfilment.live)) > 0 && o.pendingFulfilment():
			return invalid(o)
		case sent == 0:
			tx.Emit(orderID(id), contract.OrderCancelled, ended{OrderID: id, Reason: reason})
		default:
			tx.Emit(orderID(id), restEnded, ended{OrderID: id, Reason: reason})
		}
		return nil
	})
}

func (o Order) pendingFulfilment() bool {
	_, pending := find(o.Fulfilments, func(f Fulfilment) bool { return f.Status == Pending })
	return pending
}

// Settled records that the money and the stock of what ended are free (rule 5).
func (b *Book) Settled(ctx context.Context, id string) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		switch {
		case o.Status != Cancelled && !o.RestEnded:
			return invalid(o)
		case o.Settled:
			return nil
		}
		tx.Note(orderID(id), paymentVoided, moneyData{OrderID: id, Ref: o.Payment.Authorisation, Amount: o.Payment.Authorized})
		return nil
	})
}
