package orderlog

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Return is a request to send lines back.
type Return struct {
	ID          string
	Fingerprint string // as in Parcel
	Lines       []contract.Line
	Reason      order.Sealed
}

// RequestReturn records that lines are to come back (rule 8). Problems: invalid-transition (409) when nothing was
// shipped, too-many-parts (409), invalid-quantity (422), unknown-sku (422), idempotency-key-reused (422).
func (r *Repository) RequestReturn(ctx context.Context, id string, request Return) (order.Order, uint64, error) {
	parts, err := mergeLines(request.Lines)
	if err != nil {
		return order.Order{}, 0, err
	}
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		if existing, found := o.Return(request.ID); found {
			return sameRequest(existing.Fingerprint, request.Fingerprint)
		}
		lines, sent, returned := o.LinesBySKU(), o.InFulfilments(order.Fulfilment.Sent), o.InReturns()
		if len(sent) == 0 {
			return invalidTransition(o)
		}
		before := 0
		for _, r := range o.Returns {
			before += len(r.Parts)
		}
		if err := checkRoom("returns", len(o.Returns), maxReturns, before+len(parts)); err != nil {
			return err
		}
		ret := order.Return{ID: request.ID, Fingerprint: request.Fingerprint, SealedReason: request.Reason,
			Status: order.Requested}
		for _, part := range parts {
			shipped, others := sent[part.SKU], returned[part.SKU]
			if err := part.checkAvailable(lines, shipped.Quantity-others.Quantity); err != nil {
				return err
			}
			part.Amount = share.Line{Quantity: shipped.Quantity, Amount: shipped.Amount}.Share(part.Quantity, others)
			ret.Parts = append(ret.Parts, part.Part)
		}
		tx.Emit(order.AggregateID(id), order.EventReturnRequested, order.ReturnRequested{OrderID: id, Return: ret})
		return nil
	})
}

// ReceiveReturn records that a return has come in, and what the order owes for it: what its lines cost, with the last
// units of the order also what shipping cost (Directive 2011/83/EU, article 13), and at most what can be given back. A
// repetition changes nothing. Problems: not-found (404), invalid-transition (409) for a repetition with another
// restock.
func (r *Repository) ReceiveReturn(ctx context.Context, id, returnID string,
	restock bool) (order.Order, uint64, error) {
	return r.changeReturn(ctx, id, returnID, func(tx *transaction, o order.Order, ret order.Return) error {
		switch {
		case ret.Status != order.Requested && ret.Restock == restock:
			return nil
		case ret.Status != order.Requested:
			return invalidTransition(o).With("returnStatus", ret.Status)
		}
		owed := share.Amount(ret.Parts)
		if o.ReceivedQuantity()+share.Quantity(ret.Parts) == o.Quantity() {
			owed += o.Freight()
		}
		tx.Emit(order.AggregateID(id), order.EventReturnReceived, order.ReturnReceived{
			OrderID: id, Number: o.Number, Customer: o.Customer, ID: ret.ID, Restock: restock,
			Owed: min(owed, o.Refundable()), Currency: o.Total.Currency,
		})
		return nil
	})
}

// RecordReturnRefund records that what a received return owes is given back, with the provider's id of the refund, and
// that its goods are in stock again if they should be. Problems: not-found (404), invalid-transition (409).
func (r *Repository) RecordReturnRefund(ctx context.Context, id, returnID, refund string) (order.Order, uint64, error) {
	return r.changeReturn(ctx, id, returnID, func(tx *transaction, o order.Order, ret order.Return) error {
		switch ret.Status {
		case order.Refunded:
			return nil
		case order.Received:
		default:
			return invalidTransition(o)
		}
		if ret.Owed > 0 {
			tx.EmitInternal(order.AggregateID(id), order.EventPaymentRefunded,
				order.MoneyMoved{OrderID: id, Ref: refund, For: ret.ID, Amount: o.Money(ret.Owed)})
		}
		tx.Emit(order.AggregateID(id), order.EventReturnRefunded, order.Outcome{OrderID: id, ID: ret.ID})
		return nil
	})
}

func (r *Repository) changeReturn(ctx context.Context, id, returnID string,
	decide func(*transaction, order.Order, order.Return) error) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		ret, found := o.Return(returnID)
		if !found {
			return fault.Missing("return")
		}
		return decide(tx, o, ret)
	})
}
