package order

import "haberdash/apps/orders/internal/share"

// LinesBySKU sums the order's lines by SKU.
func (o Order) LinesBySKU() map[string]share.Line {
	lines := make(map[string]share.Line, len(o.Lines))
	for _, l := range o.Lines {
		sum := lines[l.SKU]
		sum.Quantity += l.Quantity
		sum.Amount += l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		lines[l.SKU] = sum
	}
	return lines
}

// Freight is the part of the total that belongs to no line: shipping, its tax, and what rounding left. So the parts of
// an order always sum to its total.
func (o Order) Freight() int64 {
	rest := o.Total.Amount
	for _, l := range o.LinesBySKU() {
		rest -= l.Amount
	}
	return rest
}

// FreightCharged reports whether a parcel bears the freight already.
func (o Order) FreightCharged() bool {
	return o.HasFulfilment(func(f Fulfilment) bool { return f.Live() && f.Freight > 0 })
}

// HasFulfilment reports whether a fulfilment matches.
func (o Order) HasFulfilment(match func(Fulfilment) bool) bool {
	_, ok := find(o.Fulfilments, match)
	return ok
}

// InFulfilments sums the parts of the fulfilments that match.
func (o Order) InFulfilments(match func(Fulfilment) bool) share.Sums {
	sums := share.Sums{}
	for _, f := range o.Fulfilments {
		if match(f) {
			sums.Add(f.Parts)
		}
	}
	return sums
}

// InReturns sums the parts of all returns, those that have not come in yet included.
func (o Order) InReturns() share.Sums {
	sums := share.Sums{}
	for _, r := range o.Returns {
		sums.Add(r.Parts)
	}
	return sums
}

// ReceivedQuantity is how many units have come back.
func (o Order) ReceivedQuantity() (sum int64) {
	for _, r := range o.Returns {
		if r.Status != Requested {
			sum += share.Quantity(r.Parts)
		}
	}
	return sum
}

// Quantity is how many units the order has. When its rest has ended, these are the units that were shipped.
func (o Order) Quantity() (sum int64) {
	if o.UnshippedEnded {
		return o.InFulfilments(Fulfilment.Sent).Quantity()
	}
	for _, l := range o.Lines {
		sum += l.Quantity
	}
	return sum
}
