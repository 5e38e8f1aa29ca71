package stock

import (
	"fmt"
	"maps"
	"slices"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Sum sums lines by SKU (rule 2). Problems (422): invalid-request for no lines, and invalid-quantity for a quantity
// below one or above MaxQuantity.
func Sum(lines []contract.Line) (map[string]int64, error) {
	if len(lines) == 0 {
		return nil, fault.BadField("lines", "expected at least one line")
	}
	sum := make(map[string]int64, len(lines))
	for i, l := range lines {
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return nil, fault.New(fault.Invalid, "invalid-quantity", "Quantities are 1 to %d.", MaxQuantity).
				WithField(fmt.Sprintf("lines[%d].quantity", i), "out of range")
		}
		sum[l.SKU] += l.Quantity
	}
	return sum, nil
}

// SKUs lists the SKUs of quantities, sorted.
func SKUs(quantities map[string]int64) []string { return slices.Sorted(maps.Keys(quantities)) }

// Add returns a + b by SKU, without zeros, and nil rather than an empty map, as after a round trip through JSON. It
// does not change a or b.
func Add(a, b map[string]int64) map[string]int64 { return addTimes(a, b, 1) }

// Subtract returns a - b: see Add.
func Subtract(a, b map[string]int64) map[string]int64 { return addTimes(a, b, -1) }

func addTimes(a, b map[string]int64, factor int64) map[string]int64 {
	sum := make(map[string]int64, len(a)+len(b))
	maps.Copy(sum, a)
	for sku, n := range b {
		if sum[sku] += factor * n; sum[sku] == 0 {
			delete(sum, sku)
		}
	}
	if len(sum) == 0 {
		return nil
	}
	return sum
}

// With returns m with one more entry. It does not change m.
func With[V any](m map[string]V, key string, value V) map[string]V {
	out := make(map[string]V, len(m)+1)
	maps.Copy(out, m)
	out[key] = value
	return out
}
