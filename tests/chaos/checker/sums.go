package checker

import "haberdash/tests/chaos/snapshot"

// checkSums checks that the amounts of each order add up, from its lines to its total.
func (c *check) checkSums() {
	for id, o := range c.Orders {
		var lines, discounts, taxes int64
		for _, l := range o.Lines {
			lines, discounts, taxes = lines+l.Total.Amount, discounts+l.Discount.Amount, taxes+l.Tax.Amount
			if l.Total.Amount != l.Quantity*l.UnitPrice.Amount {
				c.violated(id, "the line of %d %s at %d has the total %d", l.Quantity, l.SKU, l.UnitPrice.Amount, l.Total.Amount)
			}
			if l.Total.Currency != o.Total.Currency {
				c.violated(id, "a line is in %s, the total in %s", l.Total.Currency, o.Total.Currency)
			}
		}
		compare := func(name string, got, want int64) {
			if got != want {
				c.violated(id, "the %s is %d and should be %d", name, got, want)
			}
		}
		compare("subtotal", o.Subtotal.Amount, lines)
		compare("discount", o.Discount.Amount, discounts)
		compare("total", o.Total.Amount, o.Subtotal.Amount-o.Discount.Amount+o.Shipping.Amount+o.Tax.Amount)
		if taxes > o.Tax.Amount {
			c.violated(id, "the taxes of the lines are %d, more than the tax of %d", taxes, o.Tax.Amount)
		}
		c.checkParcels(o)
	}
}

// checkParcels checks that the parcels of an order have the value of their lines, and the first parcel also the
// shipping costs. Rounding may add or remove one minor unit for each line of each parcel.
func (c *check) checkParcels(o snapshot.Order) {
	values, quantities := map[string]int64{}, map[string]int64{} // by SKU
	shipping := o.Total.Amount
	for _, l := range o.Lines {
		value := l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		values[l.SKU], quantities[l.SKU] = values[l.SKU]+value, quantities[l.SKU]+l.Quantity
		shipping -= value
	}
	var got, want, tolerance float64
	for _, f := range o.Shipped() {
		got += float64(f.Amount.Amount)
		for _, i := range f.Lines {
			want += float64(values[i.SKU]) * float64(i.Quantity) / float64(quantities[i.SKU])
			tolerance++
		}
	}
	if tolerance > 0 {
		want += float64(shipping)
	}
	if diff := got - want; diff > tolerance || diff < -tolerance {
		c.violated(o.ID, "the amounts of its parcels are %.0f, their lines have the value %.2f", got, want)
	}
}
