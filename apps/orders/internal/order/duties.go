package order

import "time"

// Duties are the steps that are still to be done for an order: the log has promised them, and has no event yet that
// says that they are done. Any process may do them, also several times, because each step is idempotent by the order's
// id.
type Duties struct {
	Decide      bool         // confirm or reject the order
	Release     bool         // free the money and the stock of a cancelled order, or of goods that will not be shipped
	Fulfilments []Fulfilment // capture their shares and ship them
	Returns     []Return     // refund them
	Refunds     []Refund     // pay them
}

// Any reports whether there is a duty.
func (d Duties) Any() bool {
	return d.Decide || d.Release || len(d.Fulfilments)+len(d.Returns)+len(d.Refunds) > 0
}

// Duties lists what is to be done for the order now.
func (o Order) Duties() (d Duties) {
	d.Decide = o.Status == Placing
	d.Release = (o.Status == Cancelled || o.UnshippedEnded) && !o.Released
	for _, f := range o.Fulfilments {
		if f.Pending() {
			d.Fulfilments = append(d.Fulfilments, f)
		}
	}
	for _, r := range o.Returns {
		if r.Status == Received {
			d.Returns = append(d.Returns, r)
		}
	}
	for _, r := range o.Refunds {
		if r.Status == Pending {
			d.Refunds = append(d.Refunds, r)
		}
	}
	return d
}

// AwaitsShipment reports whether goods of the order are still to be shipped.
func (o Order) AwaitsShipment() bool {
	return !o.UnshippedEnded && (o.Status == Confirmed || o.Status == PartiallyFulfilled)
}

// Finished reports whether nothing more is expected of the order: it owes nothing, and it has ended or was last changed
// longer ago than returnsFor.
func (o Order) Finished(now time.Time, returnsFor time.Duration) bool {
	switch {
	case o.Duties().Any():
		return false
	case o.Status == Rejected, o.Status == Cancelled, o.Status == Returned:
		return true
	}
	return (o.Status == Delivered || o.Status == Fulfilled) && now.Sub(o.ChangedAt) >= returnsFor
}
