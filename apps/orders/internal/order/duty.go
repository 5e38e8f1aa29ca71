package order

import "time"

// Duties are what an order owes to the world: steps that its log has promised and that nobody has recorded
// as done. Whoever is there does them, as often as it takes: each is idempotent under the order's id.
type Duties struct {
	Decide      bool // undecided
	Free        bool // free the money and the stock of what was cancelled, or of an ended rest
	Fulfilments []Fulfilment
	Returns     []Return
	Refunds     []Refund
}

// Any reports whether there is something to do.
func (d Duties) Any() bool {
	return d.Decide || d.Free || len(d.Fulfilments)+len(d.Returns)+len(d.Refunds) > 0
}

// Duties lists what the order owes now.
func (o Order) Duties() (d Duties) {
	d.Decide = o.Status == Placing
	d.Free = (o.Status == Cancelled || o.RestEnded) && !o.Settled
	for _, f := range o.Fulfilments {
		if f.Status == Pending {
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

// Unshipped reports whether the order still waits for a parcel.
func (o Order) Unshipped() bool {
	return !o.RestEnded && (o.Status == Confirmed || o.Status == PartiallyFulfilled)
}

// Over reports whether nothing more is to be expected of an order at a time: it ended, or it arrived longer
// ago than returns are taken.
func (o Order) Over(now time.Time, returns time.Duration) bool {
	switch {
	case o.Duties().Any():
		return false
	case o.Status == Rejected, o.Status == Cancelled, o.Status == Returned:
		return true
	}
	return (o.Status == Delivered || o.Status == Fulfilled) && now.Sub(o.ChangedAt) >= returns
}
