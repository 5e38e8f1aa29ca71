package invariants

import (
	"strconv"
	"strings"

	"haberdash/internal/contract"
)

// placements checks that one idempotency key is one order, as far as events tell. It remembers eight bytes for each
// confirmed order.
type placements struct {
	last  uint64 // the highest order number
	carts map[uint64]struct{}
}

// placed checks the number of a new order. The log gives numbers in ascending order.
func (p *placements) placed(f contract.OrderFact) []Violation {
	v := &found{invariant: OneOrder, order: f.OrderID}
	n, err := strconv.ParseUint(strings.TrimLeft(f.Number, "H"), 10, 64)
	switch {
	case err != nil:
		v.add("has the number %q", f.Number)
	case n <= p.last:
		v.add("has the number %s, which is not after H%d", f.Number, p.last)
	}
	p.last = max(p.last, n)
	return v.list
}

// confirmed checks that no other order of the same version of the cart is confirmed.
func (p *placements) confirmed(f contract.OrderFact) []Violation {
	v := &found{invariant: OneOrder, order: f.OrderID}
	if f.CartID == "" {
		return nil
	}
	key := digest(uint64(f.CartVersion), f.CartID)
	if _, taken := p.carts[key]; taken {
		v.add("version %d of the cart became a confirmed order before", f.CartVersion)
	}
	p.carts[key] = struct{}{}
	return v.list
}
