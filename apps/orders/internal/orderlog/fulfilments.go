package orderlog

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Parcel is a request to ship lines of an order.
type Parcel struct {
	ID             string // of the fulfilment
	Fingerprint    string // of the request; empty if any request under the id is the same
	Lines          []contract.Line
	Carrier        string
	TrackingNumber string
}

// RequestFulfilment assigns lines of the order to a parcel (rule 6). The fulfilment is pending until its share is
// captured: see RecordShipment and RecordCaptureRefusal. Problems: invalid-transition (409), too-many-parts (409),
// invalid-quantity (422), unknown-sku (422), idempotency-key-reused (422).
func (r *Repository) RequestFulfilment(ctx context.Context, id string, p Parcel) (order.Order, uint64, error) {
	parts, err := mergeLines(p.Lines)
	if err != nil {
		return order.Order{}, 0, err
	}
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		if existing, found := o.Fulfilment(p.ID); found {
			return sameRequest(existing.Fingerprint, p.Fingerprint)
		}
		if !o.AwaitsShipment() {
			return invalidTransition(o)
		}
		before := 0
		for _, f := range o.Fulfilments {
			before += len(f.Parts)
		}
		if err := checkRoom("fulfilments", len(o.Fulfilments), maxFulfilments, before+len(parts)); err != nil {
			return err
		}
		lines, assigned := o.LinesBySKU(), o.InFulfilments(order.Fulfilment.Live)
		f := order.Fulfilment{ID: p.ID, Fingerprint: p.Fingerprint, Carrier: p.Carrier, TrackingNumber: p.TrackingNumber,
			Status: order.Pending}
		for _, part := range parts {
			line, others := lines[part.SKU], assigned[part.SKU]
			if err := part.checkAvailable(lines, line.Quantity-others.Quantity); err != nil {
				return err
			}
			part.Amount = line.Share(part.Quantity, others)
			f.Parts = append(f.Parts, part.Part)
		}
		if !o.FreightCharged() { // the first parcel bears the shipping of the whole order
			f.Freight = o.Freight()
		}
		tx.Emit(order.AggregateID(id), order.EventFulfilmentRequested, order.FulfilmentRequested{OrderID: id, Fulfilment: f})
		return nil
	})
}

// RecordShipment records that a fulfilment's share is captured, with the provider's id of the capture, and that its
// goods have left the stock. Problems: not-found (404), invalid-transition (409).
func (r *Repository) RecordShipment(ctx context.Context, id, fulfilment, capture string) (order.Order, uint64, error) {
	return r.changeFulfilment(ctx, id, fulfilment, func(tx *transaction, o order.Order, f order.Fulfilment) error {
		switch f.Status {
		case order.Pending:
		case order.Failed:
			return invalidTransition(o)
		default:
			return nil
		}
		if f.Amount() > 0 {
			tx.EmitInternal(order.AggregateID(id), order.EventPaymentCaptured,
				order.MoneyMoved{OrderID: id, Ref: capture, For: f.ID, Amount: o.Money(f.Amount())})
		}
		fact := contract.ShipmentFact{OrderID: id, Number: o.Number, Customer: o.Customer, ID: f.ID,
			Carrier: f.Carrier, TrackingNumber: f.TrackingNumber, Lines: share.Lines(f.Parts)}
		tx.Emit(order.AggregateID(id), contract.FulfilmentShipped, fact)
		return nil
	})
}

// RecordCaptureRefusal records that the provider refuses to capture a fulfilment's share, with its code. Problems:
// not-found (404), invalid-transition (409).
func (r *Repository) RecordCaptureRefusal(ctx context.Context, id, fulfilment,
	code string) (order.Order, uint64, error) {
	return r.changeFulfilment(ctx, id, fulfilment, func(tx *transaction, o order.Order, f order.Fulfilment) error {
		switch f.Status {
		case order.Failed:
			return nil
		case order.Pending:
			tx.Emit(order.AggregateID(id), order.EventFulfilmentFailed, order.Outcome{OrderID: id, ID: f.ID, Reason: code})
			return nil
		}
		return invalidTransition(o)
	})
}

// RecordDelivery records that a parcel has arrived (rule 7). A repetition changes nothing. Problems: not-found (404),
// invalid-transition (409).
func (r *Repository) RecordDelivery(ctx context.Context, id, fulfilment string) (order.Order, uint64, error) {
	return r.changeFulfilment(ctx, id, fulfilment, func(tx *transaction, o order.Order, f order.Fulfilment) error {
		switch f.Status {
		case order.Arrived:
			return nil
		case order.Shipped:
			tx.Emit(order.AggregateID(id), order.EventFulfilmentDelivered, order.Outcome{OrderID: id, ID: f.ID})
			return nil
		}
		return invalidTransition(o).With("fulfilmentStatus", f.Status)
	})
}

func (r *Repository) changeFulfilment(ctx context.Context, id, fulfilment string,
	decide func(*transaction, order.Order, order.Fulfilment) error) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		f, found := o.Fulfilment(fulfilment)
		if !found {
			return fault.Missing("fulfilment")
		}
		return decide(tx, o, f)
	})
}
