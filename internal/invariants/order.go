package invariants

import (
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// Statuses of an order, and of its parcels. An order that is neither placing, rejected nor cancelled is confirmed,
// whatever its status is called.
const (
	Placing   = "placing"
	Confirmed = "confirmed"
	Rejected  = "rejected"
	Cancelled = "cancelled"

	Pending = "pending"
	Shipped = "shipped"
	Failed  = "failed"
)

// Order is what the events of an order say.
type Order struct {
	ID, Status                               string
	Lines                                    []Line
	Subtotal, Discount, Shipping, Tax, Total money.Money
	Parcels                                  []Parcel
	Returns                                  []Return
	Refunds                                  []Refund
	RestEnded                                bool // what is not shipped will not be shipped any more

	// Before has the amounts of an order whose other details were dropped when it was closed: see Shop. It has no lines.
	Before *Amounts

	Payment  Payment
	Released bool // the money and the stock of what will not be shipped are free
}

// Line is a line of an order.
type Line struct {
	SKU                             string
	Quantity                        int64
	UnitPrice, Total, Discount, Tax money.Money
}

// Parcel is a part of the order that is shipped together. Amount is its share of the total.
type Parcel struct {
	ID     string
	Lines  []contract.Line
	Amount int64
	Status string // Pending, Shipped or Failed
}

// Return is a return of lines. Amount is the money that is given back for it.
type Return struct {
	ID                         string
	Lines                      []contract.Line
	Amount                     int64
	Received, Restock, Settled bool
}

// Refund is money that staff give back.
type Refund struct {
	ID              string
	Amount          int64
	Settled, Failed bool
}

// Amounts are amounts of money of an order, in minor units.
type Amounts struct{ Captured, Refunded int64 }

// Payment is what the history of an order says about its money, in minor units.
type Payment struct {
	Authorised, Captured, Refunded int64 // Authorised is what is reserved now and not captured
	Movements                      []Movement
}

// Movement is one event about money. For is the id of the parcel, return or refund.
type Movement struct {
	Type, For string
	Amount    int64
}

// Ended reports whether the order was rejected or cancelled.
func (o *Order) Ended() bool { return o.Status == Rejected || o.Status == Cancelled }

// Shipped lists the parcels that have left.
func (o *Order) Shipped() (list []Parcel) {
	for _, p := range o.Parcels {
		if p.Status == Shipped {
			list = append(list, p)
		}
	}
	return list
}

// Unshipped returns the quantity of each SKU that is still to be shipped, and so must be reserved.
func (o *Order) Unshipped() map[string]int64 {
	left := map[string]int64{}
	if o.Ended() || o.RestEnded {
		return left
	}
	for _, l := range o.Lines {
		left[l.SKU] += l.Quantity
	}
	for _, p := range o.Shipped() {
		for _, l := range p.Lines {
			left[l.SKU] -= l.Quantity
		}
	}
	return left
}

// FullyShipped reports whether all lines of the order are shipped.
func (o *Order) FullyShipped() bool {
	if o.Ended() || o.RestEnded || o.Before != nil || o.Status == Placing {
		return false
	}
	for _, n := range o.Unshipped() {
		if n != 0 {
			return false
		}
	}
	return true
}

// Closed reports whether nothing more of the order will be captured.
func (o *Order) Closed() bool { return o.Ended() || o.RestEnded || o.Before != nil || o.FullyShipped() }

// NeedsRelease reports whether the money and the stock of the order, or of its rest, must be released.
func (o *Order) NeedsRelease() bool { return o.Status == Cancelled || o.RestEnded }

// Unfinished reports whether an event has promised something that no event has completed yet. The parts of such an
// order may contradict each other. Whether it is released is not among them: see NeedsRelease.
func (o *Order) Unfinished() bool {
	if o.Status == Placing {
		return true
	}
	for _, p := range o.Parcels {
		if p.Status == Pending {
			return true
		}
	}
	for _, r := range o.Returns {
		if r.Received && !r.Settled {
			return true
		}
	}
	for _, r := range o.Refunds {
		if !r.Settled && !r.Failed {
			return true
		}
	}
	return false
}

// awaited reports whether further events of the order are likely: it can be dropped if not.
func (o *Order) awaited() bool {
	if !o.Closed() || o.Unfinished() {
		return true
	}
	for _, r := range o.Returns {
		if !r.Received {
			return true
		}
	}
	return false
}

// SetHistory sets what the history of the order says about its money.
func (o *Order) SetHistory(events []contract.HistoryEvent) {
	o.Payment, o.Released = Payment{}, false
	p := &o.Payment
	for _, e := range events {
		switch e.Type {
		case contract.PaymentAuthorized:
			p.Authorised += e.Amount
		case contract.PaymentCaptured:
			p.Authorised, p.Captured = p.Authorised-e.Amount, p.Captured+e.Amount
		case contract.PaymentRefunded:
			p.Refunded += e.Amount
		case contract.PaymentVoided:
			p.Authorised -= e.Amount
			o.Released = true
		default:
			continue
		}
		p.Movements = append(p.Movements, Movement{e.Type, e.For, e.Amount})
	}
}
