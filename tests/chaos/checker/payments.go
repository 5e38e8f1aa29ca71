package checker

import (
	"net/http"

	"haberdash/internal/invariants"
	"haberdash/tests/chaos/snapshot"
)

// checkPayments checks that the order and the payment provider agree on every amount, that an order is authorised at
// most once and for its total, and that the provider has no money for an order that does not exist.
func (c *check) checkPayments() {
	accounts := c.Accounts()
	for id, o := range c.Orders {
		a, p := accounts[id], o.Payment
		delete(accounts, id)
		compare := func(name string, order, provider int64) {
			if order != provider {
				c.violated(id, "is %s: the order has %d %s, the provider has %d", o.Status, order, name, provider)
			}
		}
		compare("authorised", p.Authorized.Amount, a.Reserved)
		compare("captured", p.Captured.Amount, a.Captured)
		compare("refunded", p.Refunded.Amount, a.Refunded)
		if a.Authorisations > 1 || a.Authorisations == 1 && a.AuthorisedAmount != o.Total.Amount {
			c.violated(id, "was authorised %d times, the last time for %d; its total is %d",
				a.Authorisations, a.AuthorisedAmount, o.Total.Amount)
		}
		c.checkCaptures(o, a)
		c.found = append(c.found, invariants.CheckPayments(asOrder(o))...)
	}
	for id, a := range accounts {
		if a.Reserved != 0 || a.Captured != a.Refunded {
			c.violated(id, "does not exist, but the provider has %d reserved, %d captured and %d refunded for it",
				a.Reserved, a.Captured, a.Refunded)
		}
	}
}

// checkCaptures checks that the provider has captured once for each shipped parcel that costs something.
func (c *check) checkCaptures(o snapshot.Order, a snapshot.Account) {
	captures := 0
	for _, p := range asOrder(o).Shipped() {
		if p.Amount > 0 {
			captures++
		}
	}
	if a.Captures != captures {
		c.violated(o.ID, "the provider has captured %d times for %d parcels", a.Captures, captures)
	}
}

// checkRefusedPayments checks that the provider has no money of a placement that was refused.
func (c *check) checkRefusedPayments() {
	ids, accounts := c.IDsByEmail(), c.Accounts()
	for _, p := range c.record.Placements {
		if p.Status() != http.StatusPaymentRequired && p.Status() != http.StatusConflict {
			continue
		}
		for _, id := range ids[p.Email] {
			if a := accounts[id]; a.Reserved != 0 || a.Captured != 0 {
				c.violated(id, "was refused with %d, but the provider has %d reserved and %d captured",
					p.Status(), a.Reserved, a.Captured)
			}
		}
	}
}
