package invariants

import (
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// CheckSums checks that the amounts of an order add up, from its lines and parcels to its total, in one currency.
func CheckSums(o *Order) []Violation {
	f := &found{invariant: Sums, order: o.ID}
	if o.Before != nil {
		return nil
	}
	var lines, discounts, taxes int64
	for _, l := range o.Lines {
		lines, discounts, taxes = lines+l.Total.Amount, discounts+l.Discount.Amount, taxes+l.Tax.Amount
		if l.Total.Amount != l.Quantity*l.UnitPrice.Amount {
			f.add("the line of %d %s at %d has the total %d", l.Quantity, l.SKU, l.UnitPrice.Amount, l.Total.Amount)
		}
		for _, m := range []money.Money{l.UnitPrice, l.Total, l.Discount, l.Tax} {
			if m.Currency != o.Total.Currency && m != (money.Money{}) {
				f.add("an amount of the line of %s is in %q, the total in %q", l.SKU, m.Currency, o.Total.Currency)
				break
			}
		}
	}
	compare := func(name string, got, want int64) {
		if got != want {
			f.add("the %s is %d and should be %d", name, got, want)
		}
	}
	compare("subtotal", o.Subtotal.Amount, lines)
	compare("discount", o.Discount.Amount, discounts)
	compare("total", o.Total.Amount, o.Subtotal.Amount-o.Discount.Amount+o.Shipping.Amount+o.Tax.Amount)
	if taxes > o.Tax.Amount {
		f.add("the taxes of the lines are %d, more than the tax of %d", taxes, o.Tax.Amount)
	}
	f.checkParcels(o)
	return f.list
}

// checkParcels checks that the parcels of an order have the value of their lines, and the first parcel also the
// shipping costs. Rounding may add or remove one minor unit for each line of each parcel.
func (f *found) checkParcels(o *Order) {
	values, quantities := map[string]int64{}, map[string]int64{} // by SKU
	shipping := o.Total.Amount
	for _, l := range o.Lines {
		value := l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		values[l.SKU], quantities[l.SKU] = values[l.SKU]+value, quantities[l.SKU]+l.Quantity
		shipping -= value
	}
	var got, want, tolerance float64
	for _, p := range o.Shipped() {
		got += float64(p.Amount)
		for _, l := range p.Lines {
			if quantities[l.SKU] == 0 {
				f.add("the parcel %s has %s, which the order does not have", p.ID, l.SKU)
				return
			}
			want += float64(values[l.SKU]) * float64(l.Quantity) / float64(quantities[l.SKU])
			tolerance++
		}
	}
	if tolerance > 0 {
		want += float64(shipping)
	}
	if diff := got - want; diff > tolerance || diff < -tolerance {
		f.add("the amounts of its parcels are %.0f, their lines have the value %.2f", got, want)
	}
}

// CheckPayments checks the money of an order that is not Unfinished, and that is released if it must be: what its
// history says (see SetHistory) against its total, its parcels, its returns and its refunds.
func CheckPayments(o *Order) []Violation {
	f := &found{invariant: Money, order: o.ID}
	f.checkMovements(o)
	f.checkCaptured(o)
	f.checkRefunded(o)
	f.checkAuthorised(o)
	return f.list
}

// checkMovements checks that nothing is captured or refunded twice for the same parcel, return or refund, and that the
// order is authorised at most once and for its total.
func (f *found) checkMovements(o *Order) {
	type cause struct{ eventType, id string }
	seen := map[cause]bool{}
	authorisations := 0
	for _, m := range o.Payment.Movements {
		switch m.Type {
		case contract.PaymentCaptured, contract.PaymentRefunded:
			if c := (cause{m.Type, m.For}); seen[c] {
				f.add("%s twice for %s", m.Type, m.For)
			} else {
				seen[c] = true
			}
		case contract.PaymentAuthorized:
			if authorisations++; authorisations > 1 {
				f.add("was authorised %d times", authorisations)
			}
			if o.Before == nil && m.Amount != o.Total.Amount {
				f.add("was authorised for %d, its total is %d", m.Amount, o.Total.Amount)
			}
		}
	}
}

// checkCaptured checks that exactly the amounts of the shipped parcels are captured.
func (f *found) checkCaptured(o *Order) {
	shipped := int64(0)
	if o.Before != nil {
		shipped = o.Before.Captured
	}
	for _, p := range o.Shipped() {
		shipped += p.Amount
	}
	if captured := o.Payment.Captured; captured != shipped {
		f.add("%d are captured for parcels of %d", captured, shipped)
	}
}

// checkRefunded checks that exactly the amounts of returns and of refunds are refunded, and not more than is captured.
func (f *found) checkRefunded(o *Order) {
	want := int64(0)
	if o.Before != nil {
		want = o.Before.Refunded
	}
	for _, r := range o.Returns {
		if r.Settled {
			want += r.Amount
		}
	}
	for _, r := range o.Refunds {
		if r.Settled {
			want += r.Amount
		}
	}
	refunded, captured := o.Payment.Refunded, o.Payment.Captured
	if refunded != want {
		f.add("%d are refunded and should be %d", refunded, want)
	}
	if refunded > captured {
		f.add("%d are refunded, more than the %d that are captured", refunded, captured)
	}
}

// checkAuthorised checks that a closed order has no authorised money, that the authorised and the captured money of an
// open order are its total, and that the total of a fully shipped order is captured.
func (f *found) checkAuthorised(o *Order) {
	authorised, captured, total := o.Payment.Authorised, o.Payment.Captured, o.Total.Amount
	if closed := o.Closed(); closed && authorised != 0 {
		f.add("is closed (%s), but %d are still authorised", o.Status, authorised)
	} else if !closed && o.Status != Placing && authorised+captured != total {
		f.add("is %s: %d authorised and %d captured are not its total of %d", o.Status, authorised, captured, total)
	}
	if o.FullyShipped() && captured != total {
		f.add("is fully shipped, but %d of %d are captured", captured, total)
	}
}
