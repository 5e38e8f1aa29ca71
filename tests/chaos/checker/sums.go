package checker

import "haberdash/internal/invariants"

// checkSums checks that the amounts of each order add up, from its lines to its total.
func (c *check) checkSums() {
	for _, o := range c.Orders {
		c.found = append(c.found, invariants.CheckSums(asOrder(o))...)
	}
}
