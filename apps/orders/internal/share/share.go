// Package share divides what the lines of an order cost among its parcels and returns. Amounts are in minor units of
// the order's currency. The shares of all units of a line sum to what the line costs, in whatever order the units are
// shipped or returned: the last units cost what is left.
package share

import (
	"math/big"

	"haberdash/internal/contract"
)

// Part is a quantity of one SKU in a parcel or a return, and its share of what the SKU costs in the order.
type Part struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Amount   int64  `json:"amount"`
}

// Line is a quantity and what it costs: total − discount + tax.
type Line struct {
	Quantity int64
	Amount   int64
}

// Share returns what quantity further units of the line cost when others are shared out already: their part of the
// amount, rounded down, and for the last units all that is left.
func (l Line) Share(quantity int64, others Part) int64 {
	if others.Quantity+quantity == l.Quantity {
		return l.Amount - others.Amount
	}
	part := new(big.Int).Mul(big.NewInt(l.Amount), big.NewInt(quantity))
	return part.Quo(part, big.NewInt(l.Quantity)).Int64()
}

// Amount sums what parts cost.
func Amount(parts []Part) (sum int64) {
	for _, p := range parts {
		sum += p.Amount
	}
	return sum
}

// Quantity sums the units of parts.
func Quantity(parts []Part) (sum int64) {
	for _, p := range parts {
		sum += p.Quantity
	}
	return sum
}

// Sums are sums of parts by SKU.
type Sums map[string]Part

// Add adds parts to the sums.
func (s Sums) Add(parts []Part) {
	for _, p := range parts {
		sum := s[p.SKU]
		sum.Quantity += p.Quantity
		sum.Amount += p.Amount
		s[p.SKU] = sum
	}
}

// Quantity sums the units of all SKUs.
func (s Sums) Quantity() (sum int64) {
	for _, p := range s {
		sum += p.Quantity
	}
	return sum
}

// Lines are parts as other services know them, without amounts.
func Lines(parts []Part) []contract.Line {
	lines := make([]contract.Line, len(parts))
	for i, p := range parts {
		lines[i] = contract.Line{SKU: p.SKU, Quantity: p.Quantity}
	}
	return lines
}
