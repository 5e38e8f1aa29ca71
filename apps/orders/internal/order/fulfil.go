package order

import (
	"context"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Parcel is a request to send lines of an order.
type Parcel struct {
	ID             string // of the fulfilment; the same id is the same fulfilment
	Fingerprint    string // of the request; empty: any request under the id is the same
	Lines          []contract.Line
	Carrier        string
	TrackingNumber string
}

// Fulfil takes lines of the order for a parcel (rule 6), pending until its share is captured: see Shipped and
// Failed. Problems: invalid-transition (409), invalid-quantity (422), unknown-sku (422),
// idempotency-key-reused (422).
func (b *Book) Fulfil(ctx context.Context, id string, p Parcel) (Order, uint64, error) {
	parts, where, err := fold(p.Lines)
	if err != nil {
		return Order{}, 0, err
	}
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		if f, there := o.Fulfilment(p.ID); there {
			return same(f.Fingerprint, p.Fingerprint)
		}
		if o.RestEnded || (o.Status != Confirmed && o.Status != PartiallyFulfilled) {
			return invalid(o)
		}
		lines, has := o.bySKU(), o.fulfilled(Fulfilment.live)
		f := Fulfilment{ID: p.ID, Fingerprint: p.Fingerprint, Carrier: p.Carrier, TrackingNumber: p.TrackingNumber, Status: Pending}
		for i, part := range parts {
			l, sold := lines[part.SKU]
			if !sold {
				return notInOrder(where[i], part.SKU)
			}
			gone := has[part.SKU]
			if part.Quantity > l.quantity-gone.Quantity {
				return tooMany(where[i], part, l.quantity-gone.Quantity)
			}
			part.Amount = l.split(part.Quantity, gone.Quantity, gone.Amount)
			f.Parts = append(f.Parts, part)
		}
		if !o.freightTaken() { // the first parcel owes the shipping of all
			f.Freight = o.freight()
		}
		tx.Emit(orderID(id), fulfilmentRequested, fulfilmentData{id, f})
		return nil
	})
}

// Shipped records that a fulfilment's share is captured, as ref, and its goods have left the stock.
func (b *Book) Shipped(ctx context.Context, id, fulfilment, ref string) (Order, uint64, error) {
	return b.changeFulfilment(ctx, id, fulfilment, func(tx *commitlog.Tx[State], o Order, f Fulfilment) error {
		switch f.Status {
		case Pending:
		case Failed:
			return invalid(o)
		default:
			return nil
		}
		if f.Amount() > 0 {
			tx.Note(orderID(id), paymentCaptured, moneyData{id, ref, f.ID, o.Money(f.Amount())})
		}
		fact := contract.ShipmentFact{OrderID: id, Number: o.Number, Customer: o.Customer, ID: f.ID,
			Carrier: f.Carrier, TrackingNumber: f.TrackingNumber, Lines: Lines(f.Parts)}
		tx.Emit(orderID(id), contract.FulfilmentShipped, fact)
		return nil
	})
}

// Failed records that a fulfilment's share cannot be captured, for a reason of the payment's.
func (b *Book) Failed(ctx context.Context, id, fulfilment, reason string) (Order, uint64, error) {
	return b.changeFulfilment(ctx, id, fulfilment, func(tx *commitlog.Tx[State], o Order, f Fulfilment) error {
		switch f.Status {
		case Failed:
			return nil
		case Pending:
			tx.Emit(orderID(id), fulfilmentFailed, ended{OrderID: id, ID: f.ID, Reason: reason})
			return nil
		}
		return invalid(o)
	})
}

// Deliver records that a parcel has arrived (rule 7); a repetition changes nothing.
func (b *Book) Deliver(ctx context.Context, id, fulfilment string) (Order, uint64, error) {
	return b.changeFulfilment(ctx, id, fulfilment, func(tx *commitlog.Tx[State], o Order, f Fulfilment) error {
		switch f.Status {
		case Arrived:
			return nil
		case Shipped:
			tx.Emit(orderID(id), fulfilmentDelivered, ended{OrderID: id, ID: f.ID})
			return nil
		}
		return invalid(o).With("fulfilmentStatus", f.Status)
	})
}

func (b *Book) changeFulfilment(ctx context.Context, id, fulfilment string, decide func(*commitlog.Tx[State], Order, Fulfilment) error) (Order, uint64, error) {
	return b.change(ctx, id, nil, func(tx *commitlog.Tx[State], o Order) error {
		f, ok := o.Fulfilment(fulfilment)
		if !ok {
			return fault.Missing("fulfilment")
		}
		return decide(tx, o, f)
	})
}

// same refuses another request under an id (rule 10).
func same(made, asked string) error {
	if asked == "" || asked == made {
		return nil
	}
	return KeyReused()
}

// Lines is what parts have, for others.
func Lines(parts []Part) []contract.Line {
	lines := make([]contract.Line, len(parts))
	for i, p := range parts {
		lines[i] = contract.Line{SKU: p.SKU, Quantity: p.Quantity}
	}
	return lines
}
