package order

import (
	"fmt"
	"math/big"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// line is all of an order's lines of one SKU.
type line struct {
	quantity int64
	amount   int64 // what they cost: total − discount + tax
}

func (o Order) bySKU() map[string]line {
	lines := make(map[string]line, len(o.Lines))
	for _, l := range o.Lines {
		sum := lines[l.SKU]
		sum.quantity += l.Quantity
		sum.amount += l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		lines[l.SKU] = sum
	}
	return lines
}

// freight is the part of the total that no line has: shipping, its tax, and what rounding left. So the
// parts of an order always sum to its total.
func (o Order) freight() int64 {
	rest := o.Total.Amount
	for _, l := range o.bySKU() {
		rest -= l.amount
	}
	return rest
}

// freightTaken reports whether a fulfilment owes the freight already.
func (o Order) freightTaken() bool {
	_, taken := find(o.Fulfilments, func(f Fulfilment) bool { return f.live() && f.Freight > 0 })
	return taken
}

// split works out what n units are worth of a line of which taken units are spoken for already at takenAmount. The
// last units are worth all that is left, so the parts sum to the whole whatever their order.
func (l line) split(n, taken, takenAmount int64) int64 {
	if taken+n == l.quantity {
		return l.amount - takenAmount
	}
	part := new(big.Int).Mul(big.NewInt(l.amount), big.NewInt(n))
	return part.Quo(part, big.NewInt(l.quantity)).Int64()
}

func worth(parts []Part) (sum int64) {
	for _, p := range parts {
		sum += p.Amount
	}
	return sum
}

// taken is what parts have of each SKU.
type taken map[string]Part

func (t taken) add(parts []Part) {
	for _, p := range parts {
		sum := t[p.SKU]
		sum.Quantity += p.Quantity
		sum.Amount += p.Amount
		t[p.SKU] = sum
	}
}

func (t taken) quantity() (n int64) {
	for _, p := range t {
		n += p.Quantity
	}
	return n
}

func (o Order) fulfilled(which func(Fulfilment) bool) taken {
	t := taken{}
	for _, f := range o.Fulfilments {
		if which(f) {
			t.add(f.Parts)
		}
	}
	return t
}

// returned is what returns have, those that are only asked for included or not.
func (o Order) returned(requested bool) taken {
	t := taken{}
	for _, r := range o.Returns {
		if requested || r.Status != Requested {
			t.add(r.Parts)
		}
	}
	return t
}

// whole is how many units the order has, or, when its rest has ended, will have had.
func (o Order) whole() (n int64) {
	if o.RestEnded {
		return o.fulfilled(Fulfilment.sent).quantity()
	}
	for _, l := range o.Lines {
		n += l.Quantity
	}
	return n
}

// fold sums lines by SKU, in the order in which they first appear; where has the index of that line. It refuses
// no lines at all, and quantities out of range.
func fold(lines []contract.Line) (parts []Part, where []int, err error) {
	if len(lines) == 0 {
		return nil, nil, fault.BadField("body.lines", "expected at least one line")
	}
	at := map[string]int{}
	for i, l := range lines {
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			return nil, nil, fault.New(fault.Invalid, "invalid-quantity", "Quantities are 1 to %d.", maxQuantity).
				WithField(fmt.Sprintf("body.lines[%d].quantity", i), "out of range")
		}
		j, seen := at[l.SKU]
		if !seen {
			at[l.SKU], parts, where = len(parts), append(parts, Part{SKU: l.SKU, Quantity: l.Quantity}), append(where, i)
			continue
		}
		parts[j].Quantity += l.Quantity
	}
	return parts, where, nil
}

// maxQuantity bounds a line, far from where sums could overflow.
const maxQuantity = 1_000_000_000

// tooMany refuses a quantity of which there is less.
func tooMany(i int, p Part, left int64) error {
	return fault.New(fault.Invalid, "invalid-quantity", "The order has only %d of %s left for that.", left, p.SKU).
		WithField(fmt.Sprintf("body.lines[%d].quantity", i), "more than there is").With("sku", p.SKU).With("available", left)
}

func notInOrder(i int, sku string) error {
	return fault.New(fault.Invalid, "unknown-sku", "The order has no such SKU.").
		WithField(fmt.Sprintf("body.lines[%d].sku", i), "is not in the order").With("sku", sku)
}
