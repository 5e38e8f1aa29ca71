package invariants

import (
	"fmt"

	"haberdash/internal/contract"
	"haberdash/internal/strictjson"
)

// apply changes the order by a published event. Events that say nothing about goods or amounts change nothing. The
// error does not quote the data.
func (o *Order) apply(e contract.Event) (err error) {
	switch e.Type {
	case contract.OrderPlaced:
		return o.applyPlaced(e)
	case contract.OrderConfirmed:
		o.Status = Confirmed
	case contract.OrderRejected:
		o.Status = Rejected
	case contract.OrderCancelled:
		o.Status = Cancelled
	case contract.OrderRestEnded:
		o.RestEnded = true
	case contract.FulfilmentRequested:
		var f contract.FulfilmentFact
		f, err = decode[contract.FulfilmentFact](e)
		p := Parcel{ID: f.Fulfilment.ID, Status: Pending, Amount: f.Fulfilment.Freight}
		for _, part := range f.Fulfilment.Parts {
			p.Lines = append(p.Lines, contract.Line{SKU: part.SKU, Quantity: part.Quantity})
			p.Amount += part.Amount
		}
		o.Parcels = append(o.Parcels, p)
	case contract.ReturnRequested:
		var f contract.ReturnFact
		f, err = decode[contract.ReturnFact](e)
		r := Return{ID: f.Return.ID}
		for _, part := range f.Return.Parts {
			r.Lines = append(r.Lines, contract.Line{SKU: part.SKU, Quantity: part.Quantity})
		}
		o.Returns = append(o.Returns, r)
	case contract.RefundRequested:
		var f contract.RefundFact
		f, err = decode[contract.RefundFact](e)
		o.Refunds = append(o.Refunds, Refund{ID: f.Refund.ID, Amount: f.Refund.Amount})
	case contract.FulfilmentShipped, contract.FulfilmentFailed, contract.ReturnReceived, contract.ReturnSettled,
		contract.RefundSettled, contract.RefundFailed:
		return o.applyToPart(e)
	}
	return err
}

func (o *Order) applyPlaced(e contract.Event) error {
	f, err := contract.DecodeOrderFact(e)
	if err != nil {
		return err
	}
	o.Status = Placing
	o.Subtotal, o.Discount, o.Shipping, o.Tax, o.Total = f.Subtotal, f.Discount, f.Shipping, f.Tax, f.Total
	for _, l := range f.Lines {
		o.Lines = append(o.Lines, Line{SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: l.Total,
			Discount: l.Discount, Tax: l.Tax})
	}
	return nil
}

// applyToPart applies an event about a parcel, return or refund that an earlier event has described.
func (o *Order) applyToPart(e contract.Event) error {
	f, err := decode[contract.ReceiptFact](e) // has the members of all these events that matter
	if err != nil {
		return err
	}
	known := false
	for i := range o.Parcels {
		if p := &o.Parcels[i]; p.ID == f.ID {
			switch e.Type {
			case contract.FulfilmentShipped:
				known, p.Status = true, Shipped
			case contract.FulfilmentFailed:
				known, p.Status = true, Failed
			}
		}
	}
	for i := range o.Returns {
		if r := &o.Returns[i]; r.ID == f.ID {
			switch e.Type {
			case contract.ReturnReceived:
				known, r.Received, r.Restock, r.Amount = true, true, f.Restock, f.Owed
			case contract.ReturnSettled:
				known, r.Settled = true, true
			}
		}
	}
	for i := range o.Refunds {
		if r := &o.Refunds[i]; r.ID == f.ID {
			switch e.Type {
			case contract.RefundSettled:
				known, r.Settled = true, true
			case contract.RefundFailed:
				known, r.Failed = true, true
			}
		}
	}
	if !known {
		return fmt.Errorf("%s of %q, which was not requested", e.Type, f.ID)
	}
	return nil
}

func decode[T any](e contract.Event) (v T, err error) {
	if strictjson.Unmarshal(e.Data, &v) != nil {
		err = fmt.Errorf("the data of the event %s cannot be read", e.Type)
	}
	return v, err
}
