package order

import (
	"context"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// ReturnRequest asks to send lines back.
type ReturnRequest struct {
	ID          string
	Fingerprint string // as in Parcel
	Lines       []contract.Line
	Why         Sealed // the reason
}

// AskReturn records that lines are to come back (rule 8). Problems: invalid-transition (409) when nothing was
// shipped, invalid-quantity (422), unknown-sku (422), idempotency-key-reused (422).
func (b *Book) AskReturn(ctx context.Context, id string, r ReturnRequest) (Order, uint64, error) {
	parts, where, err := fold(r.Lines)
	if err != nil {
		return Order{}, 0, err
	}
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		if made, there := o.Return(r.ID); there {
			return same(made.Fingerprint, r.Fingerprint)
		}
		sent, back := o.fulfilled(Fulfilment.sent), o.returned(true)
		if len(sent) == 0 {
			return invalid(o)
		}
		lines := o.bySKU()
		for i, part := range parts {
			if _, sold := lines[part.SKU]; !sold {
				return notInOrder(where[i], part.SKU)
			}
			was, gone := sent[part.SKU], back[part.SKU]
			if part.Quantity > was.Quantity-gone.Quantity {
				return tooMany(where[i], part, was.Quantity-gone.Quantity)
			}
			parts[i].Amount = line{was.Quantity, was.Amount}.split(part.Quantity, gone.Quantity, gone.Amount)
		}
		tx.Emit(orderID(id), returnRequested, returnData{id, Return{ID: r.ID, Fingerprint: r.Fingerprint, Parts: parts, Why: r.Why, Status: Requested}})
		return nil
	})
}

// Receive records that a return has come in, and what is owed for it: what its lines cost, with the last
// line of the order what its shipping cost (Directive 2011/83/EU, article 13), at most what can be given back.
// A repetition changes nothing, with another restock it is invalid-transition (409).
func (b *Book) Receive(ctx context.Context, id, ret string, restock bool) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		r, ok := o.Return(ret)
		switch {
		case !ok:
			return fault.Missing("return")
		case r.Status != Requested && r.Restock == restock:
			return nil
		case r.Status != Requested:
			return invalid(o).With("returnStatus", r.Status)
		}
		owed := worth(r.Parts)
		if back := o.returned(false).quantity() + quantity(r.Parts); back == o.whole() {
			owed += o.freight()
		}
		tx.Emit(orderID(id), returnReceived, receiptData{OrderID: id, ID: r.ID, Restock: restock, Owed: min(owed, o.refundable())})
		return nil
	})
}

func quantity(parts []Part) (n int64) {
	for _, p := range parts {
		n += p.Quantity
	}
	return n
}

// ReturnSettled records that what a received return owes is given back, as ref, and its goods are where they
// belong.
func (b *Book) ReturnSettled(ctx context.Context, id, ret, ref string) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		r, ok := o.Return(ret)
		switch {
		case !ok:
			return fault.Missing("return")
		case r.Status == Refunded:
			return nil
		case r.Status != Received:
			return invalid(o)
		}
		if r.Owed > 0 {
			tx.Note(orderID(id), paymentRefunded, moneyData{id, ref, r.ID, o.Money(r.Owed)})
		}
		tx.Emit(orderID(id), returnSettled, ended{OrderID: id, ID: r.ID})
		return nil
	})
}

// RefundRequest asks to give money back.
type RefundRequest struct {
	ID          string
	Fingerprint string // as in Parcel
	Amount      int64  // minor units of the order's currency, positive
	Why         Sealed // the reason
}

// AskRefund records that money is to be given back (rule 9): see RefundSettled. Problems:
// amount-exceeds-captured (409), idempotency-key-reused (422).
func (b *Book) AskRefund(ctx context.Context, id string, r RefundRequest) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		if made, there := o.Refund(r.ID); there {
			return same(made.Fingerprint, r.Fingerprint)
		}
		if r.Amount > o.refundable() {
			return fault.New(fault.Conflict, "amount-exceeds-captured", "Only %s can be given back.", o.Money(o.refundable())).
				WithField("body.amount", "more than is captured and not given back").With("refundable", o.Money(o.refundable()))
		}
		tx.Emit(orderID(id), refundRequested, refundData{id, Refund{ID: r.ID, Fingerprint: r.Fingerprint, Amount: r.Amount, Why: r.Why, Status: Pending}})
		return nil
	})
}

// RefundSettled records that a refund was given, as ref, or, with a failure, that the provider refuses it.
func (b *Book) RefundSettled(ctx context.Context, id, refund, ref, failure string) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		r, ok := o.Refund(refund)
		switch {
		case !ok:
			return fault.Missing("refund")
		case r.Status != Pending:
			return nil
		case failure != "":
			tx.Emit(orderID(id), refundFailed, ended{OrderID: id, ID: r.ID, Reason: failure})
		default:
			tx.Note(orderID(id), paymentRefunded, moneyData{id, ref, r.ID, o.Money(r.Amount)})
			tx.Emit(orderID(id), refundSettled, ended{OrderID: id, ID: r.ID})
		}
		return nil
	})
}
